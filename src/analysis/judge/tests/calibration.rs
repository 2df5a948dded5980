//! How often the judge is wrong where it is hardest: exactly on the lines.

use super::*;

/// Runs of a world that stays as it is; how many end with `verdict`.
fn count(verdict: Verdict, world: &World, weight: u32, policy: &Policy, seconds: i64, runs: u64) -> u64 {
    let bounds = Bounds::default();
    let ends_so = |seed: u64| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut judge = Judge::new(policy.clone(), bounds.clone()).without_latency();
        for t in -20..seconds {
            let weight = if t < 0 { Ratio::ZERO } else { Ratio::percent(weight) };
            let report = judge.observe(&draw(world, t, weight, &bounds, &mut rng), None);
            if report.verdict != Verdict::Inconclusive {
                return report.verdict == verdict;
            }
        }
        false
    };
    (0..runs).filter(|seed| ends_so(1_000_003 * (seed + 1))).count() as u64
}

fn constant(rate: f64, stable: f64, canary: f64) -> World {
    World::of(rate, Behaviour::failing(stable), Behaviour::failing(canary))
}

/// The most wrong runs of `runs` that a true probability of `p` explains (3.5 standard deviations).
fn most(p: f64, runs: u64) -> u64 {
    let mean = p * runs as f64;
    (mean + 3.5 * (mean * (1.0 - p)).sqrt()) as u64
}

const CASES: [(f64, f64, u32); 4] = [(100.0, 0.02, 50), (100.0, 0.001, 5), (60.0, 0.2, 25), (30.0, 0.0, 50)];

fn on_the_tolerable_line(alpha: f64, seconds: i64, runs: u64) {
    let policy = Policy { alpha, warmup_s: 0.0, ..Policy::default() };
    for (rate, stable, weight) in CASES {
        let world = constant(rate, stable, policy.err_tol.at(stable));
        let aborts = count(Verdict::Fail, &world, weight, &policy, seconds, runs);
        assert!(aborts <= most(alpha, runs), "{stable} {weight}: {aborts} of {runs}");
    }
}

fn on_the_bad_line(beta: f64, seconds: i64, runs: u64) {
    let policy = Policy { beta, alpha: 1e-9, warmup_s: 0.0, min_promote_s: 0.0, ..Policy::default() };
    for (rate, stable, weight) in CASES {
        let world = constant(rate, stable, policy.err_bad.at(stable));
        let promotions = count(Verdict::Pass, &world, weight, &policy, seconds, runs);
        assert!(promotions <= most(beta, runs), "{stable} {weight}: {promotions} of {runs}");
    }
}

/// With a bound of a tenth a few hundred runs tell whether it holds.
#[test]
fn on_the_tolerable_line_at_most_alpha_is_aborted() {
    on_the_tolerable_line(0.1, 120, 250);
}

#[test]
fn on_the_bad_line_at_most_beta_is_promoted() {
    on_the_bad_line(0.1, 120, 250);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "10,000 runs each need `cargo test --release`")]
fn ten_thousand_runs_on_the_tolerable_line() {
    on_the_tolerable_line(0.01, 600, 10_000);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "10,000 runs each need `cargo test --release`")]
fn ten_thousand_runs_on_the_bad_line() {
    on_the_bad_line(0.01, 600, 10_000);
}

/// Both versions fail together, at rates that jump about: the canary is never to blame.
#[test]
fn shared_failures_are_never_blamed_on_the_canary() {
    let policy = Policy { alpha: 0.1, warmup_s: 0.0, ..Policy::default() };
    let bounds = Bounds::default();
    let runs = 150;
    let blamed = |seed: u64| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut judge = Judge::new(policy.clone(), bounds.clone()).without_latency();
        let mut rate = 0.001;
        for t in -10..150 {
            if rng.f64() < 0.1 {
                rate = [0.001, 0.01, 0.1, 0.5, 1.0][rng.usize(0..5)];
            }
            let weight = if t < 0 { Ratio::ZERO } else { [5, 25, 50].map(Ratio::percent)[(t / 50) as usize] };
            let tick = draw(&constant(80.0, rate, rate), t, weight, &bounds, &mut rng);
            if judge.observe(&tick, None).verdict == Verdict::Fail {
                return true;
            }
        }
        false
    };
    let aborts = (0..runs).filter(|seed| blamed(7919 * (seed + 1))).count() as u64;
    assert!(aborts <= most(0.1, runs), "{aborts} of {runs}");
}

/// The interval covers the truth at the end of a rollout (its ends are proved at 2.5% each).
#[test]
fn the_excess_interval_covers_the_truth() {
    let policy = Policy { alpha: 1e-9, warmup_s: 0.0, ..Policy::default() };
    let bounds = Bounds::default();
    let (mut missed, mut told, runs) = (0, 0, 150);
    for seed in 0..runs {
        let mut rng = fastrand::Rng::with_seed(104_729 * (seed + 1));
        let mut judge = Judge::new(policy.clone(), bounds.clone()).without_latency();
        let world = constant(100.0, 0.01, 0.025);
        let mut excess = None;
        for t in 0..120 {
            excess = judge.observe(&draw(&world, t, Ratio::percent(50), &bounds, &mut rng), None).excess;
        }
        if let Some((low, high)) = excess {
            told += 1;
            missed += u64::from(!(low <= 0.015 && 0.015 <= high));
            assert!(high - low < 0.2, "{low} {high}");
        }
    }
    assert!(told > runs * 9 / 10, "{told}");
    assert!(missed <= most(0.05, runs), "{missed} of {runs}");
}
