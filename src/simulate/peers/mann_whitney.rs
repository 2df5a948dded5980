//! The test of Mann and Whitney, turned into an interval and an estimate for a shift (Hodges and Lehmann).

/// By how much `experiment` lies above `control`: the lower end of the two-sided interval at the normal quantile `z`, and the
/// estimate. `None` where either is empty.
///
/// Both are where the rank sum of the experiment, less the shift, crosses `z` or 0 standard deviations: ties count half, narrow
/// the deviation, and half a rank is taken off for continuity.
pub(super) fn shift(control: &[f64], experiment: &[f64], z: f64) -> Option<(f64, f64)> {
    let (least, most) = (lowest(experiment)? - highest(control)?, highest(experiment)? - lowest(control)?);
    let crossing = |level: f64| {
        let excess = |shift: f64| deviations(control, experiment, shift) - level;
        if excess(least) <= 0.0 {
            return least;
        }
        if excess(most) >= 0.0 {
            return most;
        }
        let (mut low, mut high) = (least, most);
        for _ in 0..ROUNDS {
            let middle = 0.5 * (low + high);
            if excess(middle) > 0.0 { low = middle } else { high = middle }
        }
        let found = 0.5 * (low + high);
        if found.abs() < NOTHING { 0.0 } else { found }
    };
    Some((crossing(z), crossing(0.0)))
}

/// The rank sum of `experiment` less `shift`, in standard deviations from what equal distributions give.
fn deviations(control: &[f64], experiment: &[f64], shift: f64) -> f64 {
    let shifted = experiment.iter().map(|value| (value - shift, 1.0));
    let mut all: Vec<(f64, f64)> = shifted.chain(control.iter().map(|value| (*value, 0.0))).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (m, n) = (experiment.len() as f64, control.len() as f64);
    let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0.0);
    for tied in all.chunk_by(|one, other| one.0 == other.0) {
        let count = tied.len() as f64;
        ranks += (before + (count + 1.0) / 2.0) * tied.iter().map(|(_, mine)| mine).sum::<f64>();
        ties += count * count * count - count;
        before += count;
    }
    let off = ranks - m * (m + n + 1.0) / 2.0;
    let variance = m * n / 12.0 * (m + n + 1.0 - ties / ((m + n) * (m + n - 1.0)));
    if off == 0.0 || variance <= 0.0 { 0.0 } else { (off - 0.5 * off.signum()) / variance.sqrt() }
}

fn lowest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

fn highest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

/// Series that mostly tie differ by nothing, whatever the last bisection says.
const NOTHING: f64 = 1e-9;

/// Bisections until the last bit.
const ROUNDS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_median_difference_and_the_interval_is_that_of_the_ranks() {
        let control: Vec<f64> = (0..30).map(f64::from).collect();
        let experiment: Vec<f64> = control.iter().map(|value| value + 10.3).collect();
        let (lower, estimate) = shift(&control, &experiment, 1.96).unwrap();
        assert!((estimate - 10.3).abs() < 1.01, "{estimate}");
        // Differences k + 10.3 of 30 - |k| pairs each: 317 of 900 pairs lie below the 95% interval, which is up to k = -4.
        assert!((lower - 5.8).abs() < 1.01, "{lower}");
    }

    #[test]
    fn series_of_which_nothing_overlaps_differ_by_their_gap_at_least() {
        let (lower, estimate) = shift(&[0.0; 20], &[1.0; 20], 2.326).unwrap();
        assert!((lower - 1.0).abs() < 1e-9 && (estimate - 1.0).abs() < 1e-9);
        assert_eq!(shift(&[], &[1.0], 2.326), None);
    }
}
