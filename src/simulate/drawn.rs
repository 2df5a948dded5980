//! Worlds drawn at random, by the policy that is tried: for what is to hold everywhere, not only in situations that somebody
//! thought of, and where it is hardest, exactly on the lines.

use super::world::{Behaviour, World};
use crate::analysis::{Line, Policy};

/// A canary that is just tolerable.
pub(super) fn just_tolerable(policy: &Policy, rng: &mut fastrand::Rng) -> World {
    on(policy.err_tol, rng)
}

/// A canary that is just bad.
pub(super) fn just_bad(policy: &Policy, rng: &mut fastrand::Rng) -> World {
    on(policy.err_bad, rng)
}

/// A tolerable canary: half of them as good as stable, the others anywhere up to the line.
pub(super) fn tolerable(policy: &Policy, rng: &mut fastrand::Rng) -> World {
    let stable = common(rng);
    let part = if rng.bool() { 0.0 } else { rng.f64() };
    let errors = stable.errors + part * (policy.err_tol.at(stable.errors) - stable.errors);
    World { routes: routes(rng), ..World::of(rate(rng), stable, Behaviour { errors, ..stable }) }
}

/// A bad canary: by errors, by nearly nothing but errors, by one route of fifty, or by latency.
pub(super) fn bad(policy: &Policy, rng: &mut fastrand::Rng) -> World {
    let stable = common(rng);
    let least = policy.err_bad.at(stable.errors);
    let mut canary = stable;
    let mut routes = routes(rng);
    match rng.u32(0..4) {
        0 => canary.errors = (least * (1.0 + 3.0 * rng.f64())).min(1.0),
        1 => canary.errors = least.max(0.3 + 0.7 * rng.f64()).min(1.0),
        2 => {
            let errors = (least - stable.errors) * ROUTES as f64 + stable.errors;
            if errors <= 1.0 {
                routes = ROUTES;
                canary.bad_route = Some((rng.usize(0..ROUTES), errors + (1.0 - errors) * rng.f64()));
            } else {
                canary.errors = least;
            }
        }
        // Where the median doubles, the share above it grows from a half to nine tenths at least.
        _ => canary.median_ms *= 2.0 + 2.0 * rng.f64(),
    }
    World { routes, ..World::of(rate(rng), stable, canary) }
}

fn on(line: Line, rng: &mut fastrand::Rng) -> World {
    let stable = common(rng);
    World::of(rate(rng), stable, Behaviour { errors: line.at(stable.errors), ..stable })
}

/// Requests a second, evenly on a logarithmic scale from a tenth of the other situations' to ten times as many.
fn rate(rng: &mut fastrand::Rng) -> f64 {
    16.6 * libm::pow(100.0, rng.f64())
}

fn routes(rng: &mut fastrand::Rng) -> usize {
    [0, 1, ROUTES][rng.usize(0..3)]
}

/// What stable does: no failures at all, or up to 5%.
fn common(rng: &mut fastrand::Rng) -> Behaviour {
    let errors = if rng.u32(0..4) == 0 { 0.0 } else { 0.05 * rng.f64() };
    let (median_ms, spread) = (15.0 + 60.0 * rng.f64(), 0.3 + 0.2 * rng.f64());
    Behaviour { median_ms, spread, ..Behaviour::failing(errors) }
}

const ROUTES: usize = 50;
