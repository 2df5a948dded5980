use super::*;

/// Mean and variance of many draws.
fn moments(mut draw: impl FnMut() -> u64) -> (f64, f64) {
    let n = 20_000;
    let draws: Vec<f64> = (0..n).map(|_| draw() as f64).collect();
    let mean = draws.iter().sum::<f64>() / f64::from(n);
    let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / f64::from(n);
    (mean, variance)
}

#[test]
fn binomial_numbers_have_their_mean_and_variance() {
    let mut rng = fastrand::Rng::with_seed(1);
    for (n, p) in [(1, 0.3), (10, 0.01), (100, 0.5), (100, 0.9), (1000, 0.02)] {
        let (mean, variance) = moments(|| binomial(n, p, &mut rng));
        let (expected, spread) = (n as f64 * p, n as f64 * p * (1.0 - p));
        assert!((mean - expected).abs() < 5.0 * (spread / 20_000.0).sqrt(), "{n} {p}: {mean}");
        assert!((variance / spread - 1.0).abs() < 0.1, "{n} {p}: {variance}");
    }
    assert_eq!((binomial(7, 0.0, &mut rng), binomial(7, 1.0, &mut rng), binomial(0, 0.5, &mut rng)), (0, 7, 0));
}

#[test]
fn poisson_numbers_have_their_mean_and_variance() {
    let mut rng = fastrand::Rng::with_seed(2);
    for mean in [0.1, 3.0, 166.0] {
        let (seen, variance) = moments(|| poisson(mean, &mut rng));
        assert!((seen - mean).abs() < 5.0 * (mean / 20_000.0).sqrt(), "{mean}: {seen}");
        assert!((variance / mean - 1.0).abs() < 0.1, "{mean}: {variance}");
    }
    assert_eq!(poisson(0.0, &mut rng), 0);
}

#[test]
fn a_drawn_tick_adds_up() {
    let mut rng = fastrand::Rng::with_seed(3);
    let both = Behaviour { tail: 0.1, tail_ms: 500.0, burst: 3, ..Behaviour::failing(0.1) };
    let world = World { routes: 7, ..World::of(300.0, both, both) };
    for t in 0..50 {
        let tick = draw(&world, t, Ratio::percent(25), &Bounds::default(), &mut rng);
        for (tally, side) in [(&tick.stable, 0), (&tick.canary, 1)] {
            let counts = |route: &RouteTally| if side == 0 { route.stable } else { route.canary };
            assert_eq!(tally.buckets.iter().sum::<u64>(), tally.requests);
            assert_eq!(tick.routes.iter().map(|route| counts(route).0).sum::<u64>(), tally.requests);
            assert_eq!(tick.routes.iter().map(|route| counts(route).1).sum::<u64>(), tally.errors);
            assert!(tally.errors <= tally.requests);
        }
    }
}

#[test]
fn hypergeometric_numbers_have_their_mean_and_variance() {
    let mut rng = fastrand::Rng::with_seed(4);
    for (all, marked, drawn) in [(10, 3, 4), (100, 50, 10), (100, 5, 80), (1000, 20, 50)] {
        let (mean, variance) = moments(|| hypergeometric(all, marked, drawn, &mut rng));
        let share = marked as f64 / all as f64;
        let expected = drawn as f64 * share;
        let spread = expected * (1.0 - share) * (all - drawn) as f64 / (all - 1) as f64;
        assert!((mean - expected).abs() < 5.0 * (spread / 20_000.0).sqrt(), "{all} {marked} {drawn}: {mean}");
        assert!((variance / spread - 1.0).abs() < 0.1, "{all} {marked} {drawn}: {variance}");
    }
    assert_eq!((hypergeometric(9, 9, 4, &mut rng), hypergeometric(9, 0, 4, &mut rng)), (4, 0));
    assert_eq!((hypergeometric(0, 0, 0, &mut rng), hypergeometric(9, 5, 9, &mut rng)), (0, 5));
}
