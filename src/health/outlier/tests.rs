use proptest::prelude::*;

use super::*;

fn policy() -> OutlierPolicy {
    OutlierPolicy {
        enabled: true,
        consecutive_failures: 3,
        ejection: Duration::from_secs(10),
        max_ejected: Ratio::percent(50),
    }
}

fn endpoints(n: u64) -> Vec<Arc<Endpoint>> {
    (0..n).map(|id| Arc::new(Endpoint::new(id, ([127, 0, 0, 1], 80).into(), "h:80"))).collect()
}

/// Failures in a row; what the last one leads to.
fn fail(policy: &OutlierPolicy, all: &[Arc<Endpoint>], which: usize, times: u32, now: Duration) -> Option<Ejected> {
    (0..times).map(|_| record(policy, all, &all[which], Sign::Bad, now)).fold(None, |_, last| last)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn failures_in_a_row_eject() {
    let all = endpoints(2);
    assert_eq!(fail(&policy(), &all, 0, 2, secs(1)), None);
    let ejected = record(&policy(), &all, &all[0], Sign::Bad, secs(1));
    assert_eq!(ejected, Some(Ejected { duration: secs(10), failures: 3 }));
    assert!(all[0].ejection.is_ejected(secs(10)));
    assert!(!all[0].ejection.is_ejected(secs(11)), "its time is over");
    assert!(!all[1].ejection.is_ejected(secs(1)));
}

#[test]
fn a_success_forgets_the_failures_before_it() {
    let all = endpoints(2);
    for _ in 0..10 {
        assert_eq!(fail(&policy(), &all, 0, 2, secs(1)), None);
        assert_eq!(record(&policy(), &all, &all[0], Sign::Good, secs(1)), None);
    }
}

#[test]
fn an_ejected_endpoint_that_answers_a_request_for_want_of_others_is_well_again() {
    let all = endpoints(2);
    fail(&policy(), &all, 0, 3, secs(10));
    pardon(&policy(), &all[0], secs(9), secs(11));
    assert!(all[0].ejection.is_ejected(secs(11)), "that request is older than the ejection");
    pardon(&policy(), &all[0], secs(11), secs(12));
    assert!(!all[0].ejection.is_ejected(secs(12)));
    assert_eq!(fail(&policy(), &all, 0, 1, secs(13)).map(|ejected| ejected.duration), Some(secs(20)), "on probation");
}

#[test]
fn silence_ejects_at_once() {
    let all = endpoints(2);
    assert!(record(&policy(), &all, &all[0], Sign::Silent, secs(1)).is_some());
}

#[test]
fn nothing_is_ejected_when_switched_off() {
    let all = endpoints(2);
    assert_eq!(fail(&OutlierPolicy { enabled: false, ..policy() }, &all, 0, 100, secs(1)), None);
}

#[test]
fn the_only_endpoint_stays() {
    let all = endpoints(1);
    assert_eq!(fail(&OutlierPolicy { max_ejected: Ratio::ONE, ..policy() }, &all, 0, 100, secs(1)), None);
}

#[test]
fn the_last_endpoint_that_takes_requests_stays() {
    let all = endpoints(3);
    let policy = OutlierPolicy { max_ejected: Ratio::ONE, ..policy() };
    assert!(fail(&policy, &all, 0, 3, secs(1)).is_some());
    all[1].probed_healthy.store(false, Relaxed);
    assert_eq!(fail(&policy, &all, 2, 3, secs(1)), None);
    all[1].probed_healthy.store(true, Relaxed);
    assert!(fail(&policy, &all, 2, 1, secs(1)).is_some(), "it goes on counting");
}

#[test]
fn no_more_than_the_largest_part_is_out() {
    let all = endpoints(5);
    let ejected = (0..5).filter(|&which| fail(&policy(), &all, which, 3, secs(1)).is_some()).count();
    assert_eq!(ejected, 2, "half of five, rounded down");
    assert!(fail(&policy(), &all, 2, 1, secs(11)).is_some(), "the first two are back");
}

#[test]
fn an_endpoint_that_comes_back_is_on_probation() {
    let all = endpoints(2);
    fail(&policy(), &all, 0, 3, secs(1));
    assert_eq!(fail(&policy(), &all, 0, 1, secs(11)), Some(Ejected { duration: secs(20), failures: 3 }));
    assert_eq!(fail(&policy(), &all, 0, 1, secs(31)), Some(Ejected { duration: secs(30), failures: 3 }));
}

#[test]
fn probation_ends_with_a_success() {
    let all = endpoints(2);
    fail(&policy(), &all, 0, 3, secs(1));
    record(&policy(), &all, &all[0], Sign::Good, secs(11));
    assert_eq!(fail(&policy(), &all, 0, 2, secs(12)), None);
    assert_eq!(fail(&policy(), &all, 0, 1, secs(12)).unwrap().duration, secs(20), "the ejection is not forgotten yet");
}

#[test]
fn time_without_ejection_forgets_one_after_the_other() {
    let all = endpoints(2);
    fail(&policy(), &all, 0, 3, secs(0));
    fail(&policy(), &all, 0, 1, secs(10));
    assert_eq!(fail(&policy(), &all, 0, 1, secs(30)).unwrap().duration, secs(30));
    // Three are remembered at 60 s, two ten seconds later.
    assert_eq!(fail(&policy(), &all, 0, 1, secs(70)).unwrap().duration, secs(30));
    assert_eq!(fail(&policy(), &all, 0, 1, secs(10_000)).unwrap().duration, secs(10));
}

#[test]
fn ejections_have_a_longest() {
    let all = endpoints(2);
    let mut now = secs(0);
    fail(&policy(), &all, 0, 2, now);
    for _ in 0..100 {
        now += fail(&policy(), &all, 0, 1, now).unwrap().duration;
    }
    assert_eq!(fail(&policy(), &all, 0, 1, now).unwrap().duration, secs(300));
}

#[test]
fn failures_while_ejected_do_not_prolong_it() {
    let all = endpoints(2);
    fail(&policy(), &all, 0, 3, secs(1));
    assert_eq!(fail(&policy(), &all, 0, 100, secs(5)), None);
    assert!(!all[0].ejection.is_ejected(secs(11)));
}

#[test]
fn a_policy_of_zeroes_is_harmless() {
    let all = endpoints(2);
    let zero = OutlierPolicy { consecutive_failures: 0, ejection: Duration::ZERO, ..policy() };
    for now in 0..10 {
        let ejected = record(&zero, &all, &all[0], Sign::Bad, secs(now)).unwrap();
        assert_eq!(ejected.duration, Duration::ZERO);
        assert!(!all[0].ejection.is_ejected(secs(now)));
    }
}

proptest! {
    #[test]
    fn somebody_always_stays_and_the_part_is_kept(
        n in 1..8u64,
        most in 0..=100u32,
        events in prop::collection::vec((0..8usize, any::<bool>(), 0..5u64), 0..300),
    ) {
        let all = endpoints(n);
        let policy = OutlierPolicy { max_ejected: Ratio::percent(most), ..policy() };
        let mut now = secs(0);
        for (which, good, step) in events {
            now += secs(step);
            let sign = if good { Sign::Good } else { Sign::Bad };
            let which = &all[which % all.len()];
            let ejected = record(&policy, &all, which, sign, now);
            prop_assert!(ejected.is_none() || which.ejection.is_ejected(now));
            let out = all.iter().filter(|endpoint| endpoint.ejection.is_ejected(now)).count();
            prop_assert!(out < all.len());
            prop_assert!(out as u64 * 100 <= n * u64::from(most));
        }
    }
}
