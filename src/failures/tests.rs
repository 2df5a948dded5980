use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn status(code: u16) -> Cause {
    Cause::Status(StatusCode::from_u16(code).unwrap())
}

fn request(number: i64) -> FailedRequest {
    let (time, id) = (Timestamp::from_secs(number), number.to_string());
    FailedRequest { time, id, route: None, cause: status(500).to_string() }
}

fn ids(failures: &Failures) -> Vec<&str> {
    failures.samples.iter().map(|sample| sample.id.as_str()).collect()
}

#[test]
fn failures_are_counted_by_version_route_and_cause_and_the_canarys_are_told_first() {
    let cart = name("cart");
    let (mut one, mut other) = (FailureLog::default(), FailureLog::default());
    (0..9).for_each(|_| one.count(Side::Stable, None, status(503)));
    one.count(Side::Canary, Some(&cart), Cause::Grpc(14));
    (0..2).for_each(|_| one.count(Side::Canary, Some(&cart), status(500)));
    other.count(Side::Canary, Some(&cart), status(500));
    let told = Failures::default().and(&[one.told(), other.told()]);
    let rows: Vec<_> = told
        .counts
        .iter()
        .map(|count| (count.side, count.route.as_ref().map(Name::as_str), count.cause.as_str(), count.requests))
        .collect();
    assert_eq!(
        rows,
        [
            (Side::Canary, Some("cart"), "status 500", 3),
            (Side::Canary, Some("cart"), "grpc-status 14", 1),
            (Side::Stable, None, "status 503", 9)
        ]
    );
    // After a restart the counts go on from what was told before it.
    let later = told.and(&[other.told()]);
    assert_eq!((later.counts[0].requests, later.counts.len()), (4, 3));
}

#[test]
fn the_first_and_the_last_requests_are_kept_however_many_fail() {
    let mut log = FailureLog::default();
    (0..1000).for_each(|number| log.sample(request(number)));
    let told = Failures::default().and(&[log.told()]);
    assert_eq!(ids(&told), ["0", "1", "2", "995", "996", "997", "998", "999"]);
    let mut later = FailureLog::default();
    later.sample(request(2000));
    assert_eq!(ids(&told.and(&[later.told()])), ["0", "1", "2", "996", "997", "998", "999", "2000"]);
    let few = Failures::default().and(&[later.told()]);
    assert_eq!(ids(&few), ["2000"]);
}

#[test]
fn many_causes_cost_no_more_than_some_rows_and_none_is_lost_from_the_sum() {
    let mut log = FailureLog::default();
    let all = 300;
    for code in 0..all {
        log.count(if code % 2 == 0 { Side::Canary } else { Side::Stable }, None, status(500 + code));
    }
    assert!(log.kinds.len() <= MOST_KINDS);
    let told = Failures::default().and(&[log.told()]);
    assert_eq!(told.counts.len(), CANARY_ROWS + STABLE_ROWS);
    let sum = told.counts.iter().map(|count| count.requests).sum::<u64>() + told.others;
    assert_eq!(sum, u64::from(all));
}

#[test]
fn a_client_fails_for_the_first_time_once() {
    let mut clients = FailedClients::default();
    assert!(clients.insert(1) && clients.insert(2) && !clients.insert(1));
    assert_eq!((clients.after(1), clients.after(9)), (&[2][..], &[][..]));
    (3..=MOST_CLIENTS as u64).for_each(|client| assert!(clients.insert(client)));
    assert!(!clients.insert(u64::MAX), "full");
}
