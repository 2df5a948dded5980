//! Does the traffic that was seen fit the weight that was in force? (The check for sample-ratio mismatch.)

use super::line::Counts;

/// The canary's part of the requests.
pub(super) fn seen_share(counts: &Counts) -> f64 {
    if counts.requests() == 0 { 0.0 } else { counts.canary as f64 / counts.requests() as f64 }
}

/// Whether labels drawn with probability `weight` give such counts with a probability above some 2e-7 (by Chernoff's bound).
pub(super) fn is_plausible(counts: &Counts, weight: f64) -> bool {
    surprise_exceeds(counts, weight, BLOCK_SURPRISE).is_none()
}

/// Whether the counts fit the weight so badly that each block is better weighed by its own share: a chance of 1 in 1,500.
pub(super) fn is_doubtful(counts: &Counts, weight: f64) -> bool {
    surprise_exceeds(counts, weight, DOUBT_SURPRISE).is_some()
}

/// Whether the canary demonstrably gets a share that is off by more than `tolerance` times the weight.
pub(super) fn is_mismatch(counts: &Counts, weight: f64, tolerance: f64) -> bool {
    (seen_share(counts) - weight).abs() > tolerance * weight
        && surprise_exceeds(counts, weight, BLOCK_SURPRISE).is_some()
}

/// `n KL(seen || weight)` where it exceeds `limit`: minus the logarithm of Chernoff's bound on each tail.
fn surprise_exceeds(counts: &Counts, weight: f64, limit: f64) -> Option<f64> {
    let requests = counts.requests() as f64;
    let expected = requests * weight;
    let off = counts.canary as f64 - expected;
    // KL never exceeds chi squared: in nearly all cases no logarithm is needed.
    if off * off <= limit * expected * (1.0 - weight) {
        return None;
    }
    let part = |seen: f64, expected: f64| if seen > 0.0 { seen * libm::log(seen / expected) } else { 0.0 };
    let surprise = part(counts.canary as f64, expected) + part(counts.stable as f64, requests * (1.0 - weight));
    (surprise > limit).then_some(surprise)
}

const BLOCK_SURPRISE: f64 = 16.0;
const DOUBT_SURPRISE: f64 = 8.0;
