use proptest::prelude::*;

use super::*;

fn split(weights: &[u32]) -> WeightedSplit {
    let weights: Vec<Weight> = weights.iter().map(|&weight| Weight::new(weight).unwrap()).collect();
    WeightedSplit::new(&weights).unwrap()
}

/// Counts by backend after each of `n` picks; panics where one is a whole request or more away from its quota.
fn run(weights: &[u32], n: u64, seed: u64) -> Vec<u64> {
    let (split, phase, mut rng) = (split(weights), SplitPhase::default(), fastrand::Rng::with_seed(seed));
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let mut counts = vec![0; weights.len()];
    for done in 1..=n {
        counts[split.pick(&phase, &mut rng)] += 1;
        for (&weight, &count) in weights.iter().zip(&counts) {
            let off = (count * total).abs_diff(u64::from(weight) * done);
            assert!(off < total, "{count} of {done} with weight {weight} of {weights:?}, seed {seed}");
        }
    }
    counts
}

#[test]
fn weight_zero_receives_nothing() {
    let counts = run(&[0, 3, 0, 1, 0], 10_000, 1);
    assert_eq!(counts, [0, 7_500, 0, 2_500, 0]);
}

#[test]
fn no_weight_at_all_is_no_split() {
    assert_eq!(WeightedSplit::new(&[]), None);
    assert_eq!(WeightedSplit::new(&[Weight::new(0).unwrap(); 3]), None);
}

#[test]
fn the_only_backend_with_a_weight_gets_everything() {
    assert_eq!(run(&[0, 5], 100, 1), [0, 100]);
}

#[test]
fn ten_thousand_requests_are_shared_exactly() {
    assert_eq!(run(&[995, 5], 10_000, 2), [9_950, 50]);
    assert_eq!(run(&[1_000_000, 1_000_000], 10_000, 2), [5_000, 5_000]);
    assert_eq!(run(&[1, 2, 3, 4], 10_000, 2), [1_000, 2_000, 3_000, 4_000]);
}

#[test]
fn the_quota_holds_where_small_weights_crowd() {
    run(&[1, 1, 98], 20_000, 3);
    run(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 991], 20_000, 3);
    run(&[1_000_000, 1, 1, 1], 20_000, 3);
    run(&[7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67], 20_000, 3);
}

#[test]
fn periodic_traffic_gets_its_share_of_every_backend() {
    for (weights, period) in [(&[1u32, 1][..], 2), (&[1, 1, 2], 4), (&[5, 3, 2], 10), (&[1, 9], 10), (&[1, 1, 8], 10)] {
        let (split, phase, mut rng) = (split(weights), SplitPhase::default(), fastrand::Rng::with_seed(11));
        let total: u32 = weights.iter().sum();
        let rounds = 20_000;
        let mut special = vec![0u32; weights.len()];
        for n in 0..rounds * period {
            let chosen = split.pick(&phase, &mut rng);
            special[chosen] += u32::from(n % period == 0);
        }
        for (&weight, &hits) in weights.iter().zip(&special) {
            let share = f64::from(weight) / f64::from(total);
            let got = f64::from(hits) / f64::from(rounds);
            assert!((got - share).abs() < 0.05 * share, "{weights:?} every {period}th: {got} instead of {share}");
        }
    }
}

/// How far the chance of any backend at any place of the period is from its share, as a part of the share.
fn worst_bias(weights: &[u32], rounds: u32) -> f64 {
    let (split, phase, mut rng) = (split(weights), SplitPhase::default(), fastrand::Rng::with_seed(12));
    let total: u32 = weights.iter().sum();
    let mut hits = vec![vec![0u32; weights.len()]; total as usize];
    for _ in 0..rounds {
        for hits in &mut hits {
            hits[split.pick(&phase, &mut rng)] += 1;
        }
    }
    let bias = |(&hit, &weight): (&u32, &u32)| {
        (f64::from(hit) / f64::from(rounds) * f64::from(total) / f64::from(weight) - 1.0).abs()
    };
    hits.iter().flat_map(|hits| hits.iter().zip(weights).map(bias)).fold(0.0, f64::max)
}

#[test]
fn with_two_backends_every_single_request_is_shared_fairly() {
    for weights in [&[3u32, 7][..], &[1, 1], &[2, 5], &[1, 9]] {
        assert!(worst_bias(weights, 40_000) < 0.07, "{weights:?}");
    }
}

#[test]
fn a_heavy_backend_leaves_the_light_ones_fair() {
    for weights in [&[1u32, 1, 8][..], &[1, 1, 2], &[2, 2, 16]] {
        assert!(worst_bias(weights, 20_000) < 0.12, "{weights:?}");
    }
}

#[test]
fn with_many_backends_no_place_of_the_period_is_off_by_much_more_than_half() {
    for weights in [&[5u32, 3, 2][..], &[1, 1, 1], &[3, 3, 1], &[1, 2, 3, 4], &[7, 5, 3, 2, 2]] {
        assert!(worst_bias(weights, 10_000) < 0.7, "{weights:?}");
    }
}

#[test]
fn two_runs_do_not_pick_in_the_same_order() {
    let order = |seed| {
        let (split, phase, mut rng) = (split(&[3, 2, 5]), SplitPhase::default(), fastrand::Rng::with_seed(seed));
        (0..50).map(|_| split.pick(&phase, &mut rng)).collect::<Vec<_>>()
    };
    assert_ne!(order(1), order(2));
    assert_eq!(order(1), order(1));
}

#[test]
fn a_phase_of_another_split_does_no_harm() {
    let (phase, mut rng) = (SplitPhase::default(), fastrand::Rng::with_seed(1));
    for weights in [&[1u32, 2, 3][..], &[5, 5], &[1, 1, 1, 1, 1], &[9]] {
        for _ in 0..100 {
            assert!(split(weights).pick(&phase, &mut rng) < weights.len());
        }
    }
}

proptest! {
    #[test]
    fn every_backend_is_within_one_of_its_quota_at_every_moment(
        weights in prop::collection::vec(prop_oneof![0..=20u32, 0..=1_000u32, 0..=Weight::MAX], 1..12),
        n in 1..2_000u64,
        seed: u64,
    ) {
        prop_assume!(weights.iter().any(|&weight| weight > 0));
        run(&weights, n, seed);
    }

    #[test]
    fn whole_periods_give_everybody_its_weight(weights in prop::collection::vec(0..30u32, 2..8), seed: u64) {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        prop_assume!(total > 0);
        let counts = run(&weights, 3 * total, seed);
        let expected: Vec<u64> = weights.iter().map(|&weight| 3 * u64::from(weight)).collect();
        prop_assert_eq!(counts, expected);
    }
}

#[test]
fn whoever_stands_in_is_drawn_by_weight_from_those_that_can() {
    let weights: Vec<Weight> = [95, 5, 10, 0].into_iter().map(|weight| Weight::new(weight).unwrap()).collect();
    let split = WeightedSplit::new(&weights).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    assert_eq!(split.stand_in(|_| false, &mut rng), None);
    assert_eq!(split.stand_in(|index| index == 3, &mut rng), None, "it has no weight");
    assert!((0..100).all(|_| split.stand_in(|index| index == 1, &mut rng) == Some(1)), "however small its weight is");
    let mut seen = [0; 4];
    (0..9_000).for_each(|_| seen[split.stand_in(|index| index != 0, &mut rng).unwrap()] += 1);
    assert!((2_850..3_150).contains(&seen[1]) && seen[1] + seen[2] == 9_000, "{seen:?}");
}
