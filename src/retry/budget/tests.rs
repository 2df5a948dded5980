use proptest::prelude::*;

use super::*;

fn deposit(budget: &RetryBudget, requests: u32) {
    (0..requests).for_each(|_| budget.deposit());
}

/// How many of `tries` repeats there is budget for.
fn withdraw(budget: &RetryBudget, tries: u32, ratio: Ratio, now: Duration) -> u32 {
    (0..tries).map(|_| u32::from(budget.withdraw(ratio, now))).sum()
}

const FIFTH: Ratio = Ratio::percent(20);

#[test]
fn the_first_requests_can_be_repeated() {
    assert_eq!(withdraw(&RetryBudget::default(), 1000, FIFTH, Duration::ZERO), 100);
}

#[test]
fn a_fifth_of_the_requests_and_ten_a_second_can_be_repeated() {
    let budget = RetryBudget::default();
    let mut repeats = 0;
    for millis in 1..=60_000 {
        deposit(&budget, 1);
        repeats += withdraw(&budget, 1, FIFTH, Duration::from_millis(millis));
    }
    let expected = 60_000 / 5 + 600 + 90;
    assert!((expected - 20..=expected + 10).contains(&repeats), "{repeats} instead of {expected}");
}

#[test]
fn without_requests_there_are_ten_a_second() {
    let budget = RetryBudget::default();
    let repeats: u32 =
        (1..=1_000).map(|tick| withdraw(&budget, 5, Ratio::ZERO, Duration::from_millis(tick * 50))).sum();
    assert!((570..=600).contains(&repeats), "{repeats} in 50 s, of which 100 were there at first");
}

#[test]
fn a_burst_may_use_what_ten_seconds_have_saved() {
    let budget = RetryBudget::default();
    for millis in 1..=60_000 {
        deposit(&budget, 1);
        if millis % 100 == 0 {
            // One single failure now and then.
            withdraw(&budget, 1, FIFTH, Duration::from_millis(millis));
        }
    }
    let burst = withdraw(&budget, 10_000, FIFTH, Duration::from_secs(60));
    assert!((1_900..=2_000).contains(&burst), "{burst}: 10 s of (200 + 10 - 10 used) a second");
}

#[test]
fn requests_of_long_ago_are_forgotten() {
    let budget = RetryBudget::default();
    deposit(&budget, 1_000_000);
    let repeats = withdraw(&budget, 10_000, FIFTH, Duration::from_secs(100_000));
    // 2 requests a second, a fifth of them, and 10 a second: ten seconds of it.
    assert_eq!(repeats, 120);
}

#[test]
fn a_clock_that_lags_a_little_in_another_worker_does_no_harm() {
    let budget = RetryBudget::default();
    assert_eq!(withdraw(&budget, 5, FIFTH, Duration::from_secs(10)), 5);
    let late = withdraw(&budget, 1_000, FIFTH, Duration::from_secs(9));
    let more = withdraw(&budget, 1_000, FIFTH, Duration::from_secs(10));
    assert!(late > 0 && more == 0, "{late}, {more}");
}

#[test]
fn workers_together_take_no_more_than_there_is() {
    let budget = RetryBudget::default();
    deposit(&budget, 1_000);
    let taken: u32 = std::thread::scope(|scope| {
        let workers = [(); 4].map(|()| scope.spawn(|| withdraw(&budget, 1_000, FIFTH, Duration::ZERO)));
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(taken, 300);
}

proptest! {
    #[test]
    fn repeats_never_exceed_the_budget(
        events in prop::collection::vec((0..200u32, 0..200u32, 0..2_000u64), 1..100),
        percent in 0..=100u32,
    ) {
        let (budget, ratio) = (RetryBudget::default(), Ratio::percent(percent));
        let (mut now, mut requests, mut repeats) = (0, 0, 0);
        for (deposits, tries, step) in events {
            now += step;
            deposit(&budget, deposits);
            requests += deposits;
            repeats += withdraw(&budget, tries, ratio, Duration::from_millis(now));
        }
        let most = f64::from(requests) * ratio.fraction() + PER_SECOND * (now as f64 / 1e3 + WINDOW.as_secs_f64());
        prop_assert!(f64::from(repeats) <= most + 0.01, "{} of {}", repeats, most);
    }
}
