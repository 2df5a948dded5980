//! Whether a proxy really shares 90/10: a comparison with one that does not would be worth nothing.

use std::time::Duration;

use anyhow::ensure;

use crate::backend::Backends;
use crate::job::Dialler;
use crate::load::{self, Pace};

/// Requests that stable and canary answered of a short run.
///
/// # Errors
/// When requests fail, or the share is further off than a coin for each request could explain.
pub fn measure(dialler: &Dialler, backends: &Backends) -> anyhow::Result<[u64; 2]> {
    let before = backends.served();
    let load = load::run(dialler, 8, Pace::Saturate, Duration::from_millis(500))?;
    let address = dialler.address();
    let after = backends.served();
    let [stable, canary] = [after[0] - before[0], after[1] - before[1]];
    ensure!(load.failed == 0, "{} requests failed at {address}", load.failed);
    let share = canary as f64 / (stable + canary) as f64;
    // Half a point, and four standard deviations for those who toss a coin.
    let most = 0.005 + 4.0 * (0.09 / (stable + canary) as f64).sqrt();
    ensure!((share - 0.1).abs() < most, "{address} sends {:.1}% to the canary, not 10%", share * 100.0);
    Ok([stable, canary])
}
