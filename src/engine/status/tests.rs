use super::*;

fn tally(buckets: &[(usize, u64)]) -> Tally {
    let mut tally = Tally::default();
    for &(bucket, count) in buckets {
        tally.buckets[bucket] += count;
        tally.requests += count;
    }
    tally
}

fn millis(tally: &Tally, q: f64) -> Option<u128> {
    quantile(tally, &Bounds::default(), q).map(|span| span.0.as_millis())
}

#[test]
fn without_requests_there_is_no_response_time() {
    assert_eq!(millis(&Tally::default(), 0.5), None);
}

#[test]
fn response_times_lie_between_the_bounds_of_their_bucket() {
    // 100 between 25 and 40 ms, 100 between 40 and 60 ms.
    let tally = tally(&[(4, 100), (5, 100)]);
    assert_eq!([0.25, 0.5, 0.75, 1.0].map(|q| millis(&tally, q).unwrap()), [33, 40, 50, 60]);
}

#[test]
fn empty_buckets_are_jumped_over() {
    let tally = tally(&[(0, 50), (9, 50)]);
    assert_eq!(millis(&tally, 0.5), Some(5));
    assert_eq!(millis(&tally, 0.51), Some(151));
}

#[test]
fn what_is_slower_than_the_last_bound_counts_as_that() {
    assert_eq!(millis(&tally(&[(19, 7)]), 0.5), Some(10_000));
}
