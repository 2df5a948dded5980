use proptest::prelude::*;

use super::*;
use crate::analysis::policy::Line;
use crate::analysis::{Hold, RouteTally};
use crate::rollout::{OnNoEvidence, OnSuspicion, Spec, Step};
use crate::simulate::traffic::draw;
use crate::simulate::{AtWeights, Behaviour, Outcome, Scenario, Traffic, Truth, Weir, World, play, scenario};

mod calibration;

fn tally((requests, errors): (u64, u64)) -> Tally {
    let mut tally = Tally { requests, errors, err_clients: errors, ..Tally::default() };
    tally.buckets[3] = requests;
    tally
}

fn tick(t: i64, weight: u32, stable: (u64, u64), canary: (u64, u64)) -> Tick {
    let weight = Ratio::percent(weight);
    Tick { t, weight, stable: tally(stable), canary: tally(canary), routes: Vec::new() }
}

fn judge() -> Judge {
    Judge::new(Policy::default(), Bounds::default())
}

/// A judge that has seen half a minute of a stable without errors, and does not wait for a warm-up.
fn informed() -> Judge {
    let policy = Policy { warmup_s: 0.0, ..Policy::default() };
    let mut judge = Judge::new(policy, Bounds::default());
    for t in -30..0 {
        judge.observe(&tick(t, 0, (166, 0), (0, 0)), None);
    }
    judge
}

#[test]
fn the_rate_of_requests_is_known_after_ten_seconds_and_not_while_it_leaps() {
    let mut judge = judge();
    let mut rate = |t, requests| judge.observe(&tick(t, 1, (requests, 0), (0, 0)), None).rate;
    assert_eq!((0..10).find_map(|t| rate(t, 4)), None);
    assert!(rate(10, 4).is_some_and(|rate| (rate - 4.0).abs() < 1e-9));
    assert_eq!(rate(11, 0), None, "nothing has come");
    assert!(rate(12, 9).is_some());
    // A minute of silence is no little traffic when the crowd is back.
    assert_eq!((72..75).find_map(|t| rate(t, 166)), None);
    assert!((75..200).filter_map(|t| rate(t, 166)).all(|rate| rate > 50.0));
}

#[test]
fn a_total_failure_is_convicted_within_six_errors_while_it_warms_up() {
    let mut judge = judge();
    for t in -30..0 {
        judge.observe(&tick(t, 0, (166, 0), (0, 0)), None);
    }
    for t in 0..6 {
        let report = judge.observe(&tick(t, 1, (99, 0), (1, 1)), None);
        assert_eq!(report.verdict == Verdict::Fail, t == 5, "{t}: {}", report.log_e);
    }
}

#[test]
fn two_errors_convict_a_dead_canary_at_one_percent_once_it_is_warm() {
    let mut judge = informed();
    assert_eq!(judge.observe(&tick(0, 1, (99, 0), (1, 1)), None).verdict, Verdict::Inconclusive);
    let report = judge.observe(&tick(1, 1, (99, 0), (1, 1)), None);
    assert_eq!((report.verdict, report.culprit), (Verdict::Fail, Some(Culprit::Errors)));
}

#[test]
fn a_verdict_of_fail_stays() {
    let mut judge = informed();
    let failed = (0..9).map(|t| judge.observe(&tick(t, 1, (99, 0), (1, 1)), None)).last().unwrap();
    let later = judge.observe(&tick(20, 1, (9_900, 0), (100, 0)), None);
    assert_eq!(later.verdict, Verdict::Fail);
    assert_eq!(later.log_e.to_bits(), failed.log_e.to_bits());
}

#[test]
fn a_clean_canary_is_promoted_with_the_least_time_and_not_before() {
    let mut judge = judge();
    for t in 0..240 {
        let report = judge.observe(&tick(t, 50, (50, 0), (50, 0)), None);
        assert_eq!(report.verdict, Verdict::Inconclusive, "{t}");
    }
    assert_eq!(judge.observe(&tick(240, 50, (50, 0), (50, 0)), None).verdict, Verdict::Pass);
}

#[test]
fn nothing_seen_is_held_and_said() {
    let mut judge = judge();
    for t in 0..1000 {
        let report = judge.observe(&tick(t, 5, (0, 0), (0, 0)), None);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert_eq!(report.hold, Some(Hold::NoCanaryTraffic));
        assert_eq!(report.log_e, 0.0);
    }
}

#[test]
fn good_answers_of_stable_alone_convict_nobody() {
    let mut judge = informed();
    for t in 0..1000 {
        let report = judge.observe(&tick(t, 5, (10_000, 0), (0, 0)), None);
        assert!(report.log_e <= 0.0, "{t}: {}", report.log_e);
        assert_eq!(report.hold, Some(Hold::NoCanaryTraffic));
    }
    // The first canary request after that silence does not pay for it either.
    assert_eq!(judge.observe(&tick(1000, 5, (10, 0), (1, 0)), None).verdict, Verdict::Inconclusive);
}

#[test]
fn a_canary_that_gets_too_little_is_compared_but_not_promoted() {
    let mut judge = informed();
    for t in 0..600 {
        let report = judge.observe(&tick(t, 25, (95, 0), (5, 0)), None);
        assert_eq!(report.verdict, Verdict::Inconclusive);
    }
    let report = judge.observe(&tick(600, 25, (95, 0), (5, 0)), None);
    assert_eq!(report.hold, Some(Hold::ShareMismatch));
    let fails = (601..660).any(|t| judge.observe(&tick(t, 25, (95, 0), (5, 3)), None).verdict == Verdict::Fail);
    assert!(fails);
}

#[test]
fn a_canary_without_a_failure_is_not_convicted_of_failures_however_little_it_gets() {
    // Wide lines and a stable version of which little is known: what goes well there looks like a good deal.
    let (err_tol, err_bad) = (Line { times: 1.25, plus: 0.05 }, Line { times: 1.5, plus: 0.3 });
    let policy = Policy { warmup_s: 0.0, err_tol, err_bad, ..Policy::default() };
    let mut judge = Judge::new(policy, Bounds::default());
    let report = judge.observe(&tick(0, 50, (20, 0), (1, 0)), None);
    assert!(report.log_e >= report.log_e_limit, "or else this shows nothing");
    assert_eq!(report.verdict, Verdict::Inconclusive);
}

#[test]
fn without_stable_there_is_nothing_to_compare_with() {
    let mut judge = informed();
    for t in 0..600 {
        assert_eq!(judge.observe(&tick(t, 50, (0, 0), (50, 25)), None).verdict, Verdict::Inconclusive);
    }
    assert_eq!(judge.observe(&tick(600, 50, (0, 0), (50, 0)), None).hold, Some(Hold::NoStableTraffic));
}

#[test]
fn without_stable_a_new_weight_convicts_nobody_either() {
    for seed in 0..40 {
        let weights = [(0, 1), (60, 5), (90, 25), (120, 50)].map(|(t, percent)| (t, Ratio::percent(percent)));
        let mut pilot = AtWeights::new(&Policy::default(), &weights);
        let outcome = play(situation("no-stable-traffic"), &Policy::default(), &mut pilot, (20, 150), seed);
        assert_eq!(outcome.verdict, Verdict::Inconclusive, "{seed}");
    }
}

#[test]
fn repeated_errors_of_one_client_count_once_with_affinity() {
    let policy = Policy { warmup_s: 0.0, ..Policy::default() };
    let mut judge = Judge::new(policy, Bounds::default()).with_routing(Routing::Sticky);
    for t in 0..600 {
        let mut tick = tick(t, 5, (95, 0), (5, 2));
        tick.canary.err_clients = u64::from(t == 3);
        tick.routes = vec![RouteTally { route: "/r/1".into(), stable: (95, 0), canary: (5, 2) }];
        assert_ne!(judge.observe(&tick, None).verdict, Verdict::Fail, "{t}");
    }
}

#[test]
fn repeated_errors_of_one_client_are_no_good_answers_with_affinity() {
    let policy = Policy { warmup_s: 0.0, min_promote_s: 0.0, ..Policy::default() };
    let mut judge = Judge::new(policy, Bounds::default()).with_routing(Routing::Sticky);
    for t in 0..600 {
        // One client never gets a good answer; of the others three ask, and every tenth second one of them fails.
        let other = u64::from(t % 10 == 0);
        let mut tick = tick(t, 50, (100, 1), (100, 97 + other));
        tick.canary.err_clients = other + u64::from(t == 0);
        assert_ne!(judge.observe(&tick, None).verdict, Verdict::Pass, "{t}");
    }
}

#[test]
fn a_report_tells_the_excess_and_the_time_that_is_left() {
    let mut judge = informed();
    for t in 0..60 {
        judge.observe(&tick(t, 50, (50, 0), (50, u64::from(t % 20 == 0))), Some(Ratio::ONE));
    }
    let report = judge.observe(&tick(60, 50, (50, 0), (50, 0)), None);
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!((report.stable, report.canary), ((3050, 0), (3050, 3)));
    let (low, high) = report.excess.unwrap();
    assert!(low <= 0.001 && high <= 0.012, "{low} {high}");
    assert!(report.eta.unwrap().0.as_secs() >= 180, "{report:?}");
    assert!(report.needed.is_some());
}

#[test]
fn the_gate_asks_for_more_proof_where_more_users_would_be_hurt() {
    let passes_at = |requests: u64| {
        let mut judge = informed();
        (0..600).find(|&t| {
            let tick = tick(t, 5, (requests * 19, 0), (requests, 0));
            judge.observe(&tick, Some(Ratio::percent(25))).next == Verdict::Pass
        })
    };
    let (little, much) = (passes_at(1).unwrap(), passes_at(20).unwrap());
    // At 20 a second a handful of answers do; at 400 a second it takes several times as many, which come sooner.
    assert!((5..40).contains(&little), "{little}");
    assert!(much < little && (much + 1) * 20 > 2 * (little + 1), "{much} {little}");
}

#[test]
fn a_failing_route_is_named() {
    let mut judge = informed();
    for t in 0..600 {
        let mut tick = tick(t, 5, (950, 0), (50, 1));
        let route =
            |i: u64| RouteTally { route: format!("/r/{i}").into(), stable: (19, 0), canary: (1, u64::from(i == 44)) };
        tick.routes = (0..50).map(route).collect();
        let report = judge.observe(&tick, None);
        if report.verdict == Verdict::Fail {
            assert_eq!(report.culprit, Some(Culprit::Route("/r/44".into())));
            return;
        }
    }
    panic!("not convicted");
}

fn situation(name: &str) -> &'static Scenario {
    scenario::ALL.iter().find(|scenario| scenario.name == name).unwrap()
}

fn led_by_evidence(scenario: &Scenario, percents: &[u32], time: (i64, i64), seed: u64) -> Outcome {
    let step = |&percent| Step {
        weight: Ratio::percent(percent),
        at_least: std::time::Duration::ZERO,
        at_most: None,
        pause: false,
    };
    let steps = percents.iter().map(step).collect();
    let spec = Spec {
        mirror_first: None,
        rollout: "a>b".to_owned(),
        steps,
        on_no_evidence: OnNoEvidence::Hold,
        on_suspicion: OnSuspicion::Hold,
        hold_back: None,
        start_by_traffic: false,
    };
    let policy = Policy::default();
    let mut pilot = Weir::new(&policy, &Bounds::default(), scenario.routing, true, &spec);
    play(scenario, &policy, &mut pilot, time, seed)
}

/// Two rollouts of each situation, led by the evidence.
#[test]
fn simulated_situations_end_as_they_should() {
    let mut wrong = Vec::new();
    for scenario in scenario::ALL {
        for seed in 0..2 {
            // A hundred requests in five minutes: one in that time is the canary's.
            let patience = if scenario.name.ends_with("very-low-traffic") { 7200 } else { 480 };
            let outcome = led_by_evidence(scenario, &[1, 5, 25, 50], (60, patience), 77_000 + seed);
            let right = match scenario.truth {
                Truth::Good => outcome.verdict != Verdict::Fail,
                // A canary on the line may take longer than anybody would wait for here.
                Truth::Bad if matches!(scenario.traffic, Traffic::Drawn(_)) => outcome.verdict != Verdict::Pass,
                Truth::Bad => outcome.verdict == Verdict::Fail,
                Truth::Undecidable => outcome.verdict == Verdict::Inconclusive,
            };
            if !right {
                wrong.push((&scenario.name, seed, outcome));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_cure_is_promoted() {
    for name in ["cure", "cure-of-an-outage"] {
        for history in [0, 60] {
            let outcome = led_by_evidence(situation(name), &[5, 50], (history, 400), 5);
            assert_eq!(outcome.verdict, Verdict::Pass, "{name} {history}");
        }
    }
}

#[test]
fn a_canary_that_is_as_ill_as_stable_waits_for_normal_times() {
    let mut judge = informed();
    for t in 0..100 {
        judge.observe(&tick(t, 50, (50, 0), (50, 0)), None);
    }
    for t in 100..260 {
        let report = judge.observe(&tick(t, 50, (50, 15), (50, 15)), None);
        assert_eq!(report.verdict, Verdict::Inconclusive, "{t}");
        if t > 110 {
            assert_eq!(report.hold, Some(Hold::StableIll), "{t}");
        }
    }
}

/// However little was seen of better times, and however soon promotion may come.
#[test]
fn a_shared_outage_soon_after_the_start_promotes_nobody() {
    let policy = Policy { warmup_s: 0.0, min_promote_s: 1.0, ..Policy::default() };
    let mut judge = Judge::new(policy, Bounds::default());
    for t in -5..0 {
        judge.observe(&tick(t, 0, (166, 0), (0, 0)), None);
    }
    for t in 0..300 {
        let errors = if t < 2 { 0 } else { 25 };
        let report = judge.observe(&tick(t, 50, (83, errors), (83, errors)), None);
        assert_eq!(report.verdict, Verdict::Inconclusive, "{t}");
    }
}

fn any_tick() -> impl Strategy<Value = Tick> {
    let side = (0u64..200, 0u64..30, prop::array::uniform4(0u64..50));
    (0u32..4, side.clone(), side).prop_map(|(weight, stable, canary)| {
        let tally = |(requests, errors, buckets): (u64, u64, [u64; 4])| {
            let mut tally = Tally { requests, errors: errors.min(requests), ..Tally::default() };
            let mut left = requests;
            for (i, count) in buckets.into_iter().enumerate() {
                tally.buckets[i * 3] = count.min(left);
                left -= tally.buckets[i * 3];
            }
            tally
        };
        let weight = [1, 5, 25, 50].map(Ratio::percent)[weight as usize];
        Tick { t: 0, weight, stable: tally(stable), canary: tally(canary), routes: Vec::new() }
    })
}

fn any_ticks() -> impl Strategy<Value = Vec<Tick>> {
    prop::collection::vec(any_tick(), 1..40).prop_map(|mut ticks| {
        for (t, tick) in ticks.iter_mut().enumerate() {
            tick.t = t as i64 - 10;
        }
        ticks
    })
}

/// A policy without warm-up, whose verdict is far away, so that the evidence can be watched.
fn patient() -> Policy {
    Policy { alpha: 1e-300, warmup_s: 0.0, ..Policy::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_of_a_tick_may_be_split_and_merged(ticks in any_ticks(), part in 0.0f64..1.0) {
        let mut whole = Judge::new(patient(), Bounds::default());
        let mut parts = Judge::new(patient(), Bounds::default());
        for tick in &ticks {
            let cut = |tally: &Tally| {
                let mut first = *tally;
                first.requests = (tally.requests as f64 * part) as u64;
                first.errors = tally.errors.min(first.requests);
                first.buckets = [0; crate::stats::BUCKETS];
                let mut left = first.requests;
                for (mine, all) in first.buckets.iter_mut().zip(&tally.buckets) {
                    *mine = (*all).min(left);
                    left -= *mine;
                }
                (first, tally.since(&first))
            };
            let ((stable, stable_rest), (canary, canary_rest)) = (cut(&tick.stable), cut(&tick.canary));
            parts.observe(&Tick { stable, canary, ..tick.clone() }, None);
            let split = parts.observe(&Tick { stable: stable_rest, canary: canary_rest, ..tick.clone() }, None);
            let merged = whole.observe(tick, None);
            prop_assert!((split.log_e - merged.log_e).abs() < 1e-9 || split.log_e == merged.log_e);
        }
    }

    #[test]
    fn more_canary_errors_in_a_tick_never_lower_the_evidence(ticks in any_ticks(), more in 1u64..20) {
        let mut judge = Judge::new(patient(), Bounds::default());
        for tick in &ticks {
            let mut worse = tick.clone();
            worse.canary.errors = (worse.canary.errors + more).min(worse.canary.requests);
            let with_more = judge.clone().observe(&worse, None).log_e;
            let without = judge.observe(tick, None).log_e;
            prop_assert!(with_more >= without - 1e-12, "{with_more} {without}");
        }
    }

    #[test]
    fn empty_ticks_change_nothing(ticks in any_ticks()) {
        let mut plain = Judge::new(patient(), Bounds::default());
        let mut with_gaps = Judge::new(patient(), Bounds::default());
        for tick in &ticks {
            let tick = Tick { t: tick.t * 3, ..tick.clone() };
            let expected = plain.observe(&tick, None);
            prop_assert_eq!(expected.log_e.to_bits(), with_gaps.observe(&tick, None).log_e.to_bits());
            let empty = Tick { t: tick.t + 1, weight: tick.weight, ..Tick::default() };
            let after = with_gaps.observe(&empty, None);
            prop_assert_eq!(after.log_e.to_bits(), expected.log_e.to_bits());
            prop_assert_ne!(after.verdict, Verdict::Pass);
        }
    }

    #[test]
    fn convicts_says_what_observe_would_say(ticks in any_ticks()) {
        let mut judge = Judge::new(Policy { warmup_s: 0.0, ..Policy::default() }, Bounds::default());
        for tick in &ticks {
            let convicts = judge.convicts(tick);
            prop_assert_eq!(convicts, judge.observe(tick, None).verdict == Verdict::Fail);
        }
    }

    #[test]
    fn of_two_versions_at_most_one_is_convicted(stable in (20u64..100, 0u64..20), canary in (20u64..100, 0u64..20)) {
        let mut this = informed();
        let mut that = informed();
        let both = (0..120).all(|t| {
            this.observe(&tick(t, 50, stable, canary), None);
            that.observe(&tick(t, 50, canary, stable), None);
            true
        });
        prop_assert!(both);
        let fails = |judge: &mut Judge| judge.observe(&tick(120, 50, (1, 0), (1, 0)), None).verdict == Verdict::Fail;
        prop_assert!(!(fails(&mut this) && fails(&mut that)));
    }

    #[test]
    fn no_counts_make_the_judge_panic(counts in prop::array::uniform8(any::<u32>()), ppm in 0u32..=1_000_000, t: i32) {
        let mut judge = Judge::new(Policy::default(), Bounds::default());
        let side = |i: usize| {
            let mut tally = Tally { requests: counts[i].into(), errors: counts[i + 1].into(), ..Tally::default() };
            tally.buckets[counts[i + 2] as usize % crate::stats::BUCKETS] = counts[i + 3].into();
            tally
        };
        let weight = Ratio::from_ppm(ppm).unwrap();
        for dt in 0..40 {
            let tick = Tick { t: i64::from(t) + dt, weight, stable: side(0), canary: side(4), routes: Vec::new() };
            prop_assert!(!judge.observe(&tick, None).log_e.is_nan());
        }
    }
}

/// The evidence of a fixed trace to the last bit: whoever gets other bits on another machine has found a bug.
#[test]
fn the_evidence_is_the_same_to_the_last_bit_everywhere() {
    let mut judge = Judge::new(patient(), Bounds::default());
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for t in -20..200i64 {
        let n = (t * t) as u64 % 97 + 60;
        let tick =
            tick(t, [1, 5, 25, 50][(t.max(0) / 50) as usize], (n, n % 3), (n / 7, u64::from(n.is_multiple_of(5))));
        let report = judge.observe(&tick, None);
        hash = (hash ^ report.log_e.to_bits() ^ report.log_promote.to_bits()).wrapping_mul(0x100_0000_01b3);
    }
    assert_eq!(format!("{hash:016x}"), GOLDEN);
}

const GOLDEN: &str = "3fc1997746f055d3";
