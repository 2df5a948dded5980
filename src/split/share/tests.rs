use proptest::prelude::*;

use super::*;

fn ppm(ppm: u32) -> Ratio {
    Ratio::from_ppm(ppm).unwrap()
}

fn count(phase: &SharePhase, share: Ratio, n: usize, rng: &mut fastrand::Rng) -> usize {
    (0..n).filter(|_| phase.next(share, rng)).count()
}

/// Less than one away, in integers.
fn is_exact(share: Ratio, n: usize, hits: usize) -> bool {
    let quota = u64::from(share.ppm()) * n as u64;
    (hits as u64 * u64::from(Ratio::PARTS)).abs_diff(quota) < u64::from(Ratio::PARTS)
}

/// Pearson's statistic of `observed` against equal parts.
fn chi_square(observed: &[u32]) -> f64 {
    let expected = f64::from(observed.iter().sum::<u32>()) / observed.len() as f64;
    observed.iter().map(|&o| (f64::from(o) - expected).powi(2) / expected).sum()
}

#[test]
fn ten_thousand_requests_are_shared_exactly() {
    for (share, expected) in
        [(5_000, 50), (50_000, 500), (330_000, 3_300), (100, 1), (999_900, 9_999), (500_000, 5_000)]
    {
        let mut rng = fastrand::Rng::with_seed(7);
        let hits = count(&SharePhase::default(), ppm(share), 10_000, &mut rng);
        assert_eq!(hits, expected, "{share} ppm");
    }
}

#[test]
fn share_zero_receives_nothing_and_share_one_everything() {
    let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(1));
    assert_eq!(count(&phase, Ratio::ZERO, 1_000, &mut rng), 0);
    assert_eq!(count(&phase, Ratio::ONE, 1_000, &mut rng), 1_000);
    assert_eq!(count(&phase, Ratio::ZERO, 1_000, &mut rng), 0);
}

#[test]
fn half_goes_to_each_of_every_two() {
    let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(1));
    for _ in 0..1_000 {
        assert_eq!(count(&phase, Ratio::percent(50), 2, &mut rng), 1);
    }
}

#[test]
fn the_position_in_a_block_is_uniform() {
    let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(42));
    let mut positions = [0; 20];
    for _ in 0..20_000 {
        for position in &mut positions {
            *position += u32::from(phase.next(Ratio::percent(5), &mut rng));
        }
    }
    assert_eq!(positions.iter().sum::<u32>(), 20_000);
    assert!(chi_square(&positions) < 43.8, "19 degrees of freedom, p = 0.001: {positions:?}");
}

#[test]
fn the_position_does_not_tell_the_next_one() {
    let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(43));
    let mut pairs = [0; 100];
    let mut draw = || {
        let block: [bool; 10] = std::array::from_fn(|_| phase.next(Ratio::percent(10), &mut rng));
        block.iter().position(|&hit| hit).expect("one in every block")
    };
    let mut before = draw();
    for _ in 0..40_000 {
        let position = draw();
        pairs[before * 10 + position] += 1;
        before = position;
    }
    assert!(chi_square(&pairs) < 148.2, "99 degrees of freedom, p = 0.001: {pairs:?}");
}

#[test]
fn every_request_after_a_change_of_the_share_is_equally_likely() {
    // Shares whose blocks do not end between two requests are the hard ones.
    for share in [400_000, 330_000, 285_714, 430_001, 70_000, 700_000, 499_999] {
        let mut rng = fastrand::Rng::with_seed(u64::from(share));
        let rounds = 60_000;
        let mut hits = [0u32; 24];
        for _ in 0..rounds {
            let phase = SharePhase::default();
            for hit in &mut hits {
                *hit += u32::from(phase.next(ppm(share), &mut rng));
            }
        }
        let p = ppm(share).fraction();
        for (n, &hit) in hits.iter().enumerate() {
            let deviation = (f64::from(hit) - p * f64::from(rounds)) / (p * (1.0 - p) * f64::from(rounds)).sqrt();
            assert!(deviation.abs() < 4.5, "request {n} at {share} ppm: {deviation} standard deviations off");
        }
    }
}

#[test]
fn periodic_traffic_gets_its_share() {
    for (share, period) in
        [(10_000, 100), (100_000, 10), (200_000, 5), (250_000, 4), (500_000, 2), (333_333, 3), (400_000, 5)]
    {
        let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(9));
        let rounds = 40_000;
        let special = (0..rounds * period).filter(|n| phase.next(ppm(share), &mut rng) && n % period == 0).count();
        let p = ppm(share).fraction();
        let deviation = (special as f64 - p * rounds as f64) / (p * (1.0 - p) * rounds as f64).sqrt();
        assert!(deviation.abs() < 4.5, "every {period}th request at {share} ppm: {deviation} standard deviations off");
    }
}

#[test]
fn a_change_of_the_share_begins_anew() {
    let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(5));
    for round in 0..1_000 {
        let share = ppm(10_000 + round * 37);
        let hits = count(&phase, share, 777, &mut rng);
        assert!(is_exact(share, 777, hits), "{hits} of 777 at {share}");
    }
}

proptest! {
    #[test]
    fn every_share_is_exact_at_every_moment(share in 0..=Ratio::PARTS, n in 1..3_000usize, seed: u64) {
        let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(seed));
        let mut hits = 0;
        for done in 1..=n {
            hits += usize::from(phase.next(ppm(share), &mut rng));
            prop_assert!(is_exact(ppm(share), done, hits), "{} of {} at {} ppm", hits, done, share);
        }
    }

    #[test]
    fn small_shares_are_exact_over_a_long_time(share in 1..2_000u32, seed: u64) {
        let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(seed));
        let hits = count(&phase, ppm(share), 100_000, &mut rng);
        prop_assert!(is_exact(ppm(share), 100_000, hits), "{} hits", hits);
    }

    #[test]
    fn the_complement_is_exact_as_well(share in 0..=Ratio::PARTS, seed: u64) {
        let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(seed));
        let misses = 1_234 - count(&phase, ppm(share), 1_234, &mut rng);
        prop_assert!(is_exact(ppm(share).complement(), 1_234, misses));
    }
}
