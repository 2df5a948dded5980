//! Drawing what is seen in one second.

use crate::analysis::{RouteTally, Tick};
use crate::stats::{BUCKETS, Bounds, Tally};
use crate::types::Ratio;

use super::world::{Behaviour, World};

/// Draws the tick of second `t`.
///
/// The canary gets each request with probability `weight`, independently, which is less regular than weir's own split: what
/// holds here holds there.
pub fn draw(world: &World, t: i64, weight: Ratio, bounds: &Bounds, rng: &mut fastrand::Rng) -> Tick {
    let requests = poisson(world.rate, rng);
    let heavy = if weight > Ratio::ZERO { binomial(requests, world.heavy_client, rng) } else { 0 };
    let lot = requests - heavy;
    let to_canary = if world.canary_absent { 0 } else { heavy + binomial(lot, weight.fraction(), rng) };
    let to_stable = if world.stable_absent { 0 } else { requests - to_canary };
    let mut tick = Tick { t, weight, ..Tick::default() };
    let routes = world.routes;
    tick.routes =
        (0..routes).map(|i| RouteTally { route: format!("/r/{i}").into(), ..RouteTally::default() }).collect();
    let rows = &mut tick.routes;
    tick.stable = draw_side(&world.stable, to_stable, bounds, rng, |i, counts| rows[i].stable = counts, routes);
    tick.canary = draw_side(&world.canary, to_canary, bounds, rng, |i, counts| rows[i].canary = counts, routes);
    (tick.stable.err_clients, tick.canary.err_clients) = (tick.stable.errors, tick.canary.errors);
    // Of one client all failures but the first are no news.
    let again = hypergeometric(to_canary, heavy.min(to_canary), tick.canary.errors, rng);
    tick.canary.err_clients -= if t == 0 { again.saturating_sub(1) } else { again };
    if world.bad_client > 0 && weight > Ratio::ZERO {
        let here = Tally { requests: world.bad_client, errors: world.bad_client, ..Tally::default() };
        tick.canary += &here;
        tick.canary.buckets[0] += world.bad_client;
        tick.canary.err_clients += u64::from(t == 0);
    }
    tick
}

fn draw_side(
    behaviour: &Behaviour,
    requests: u64,
    bounds: &Bounds,
    rng: &mut fastrand::Rng,
    mut on_route: impl FnMut(usize, (u64, u64)),
    routes: usize,
) -> Tally {
    let mut tally = Tally { requests, ..Tally::default() };
    if routes == 0 {
        tally.errors = draw_errors(behaviour, behaviour.errors, requests, rng);
    }
    let mut left = requests;
    for route in 0..routes {
        let n = binomial(left, 1.0 / (routes - route) as f64, rng);
        left -= n;
        let rate = behaviour.bad_route.filter(|bad| bad.0 == route).map_or(behaviour.errors, |bad| bad.1);
        let errors = draw_errors(behaviour, rate, n, rng);
        on_route(route, (n, errors));
        tally.errors += errors;
    }
    tally.buckets = draw_latencies(behaviour, requests, bounds, rng);
    tally
}

/// Failures come in bursts of `behaviour.burst` (retries of one client), cut at the number of requests.
fn draw_errors(behaviour: &Behaviour, rate: f64, requests: u64, rng: &mut fastrand::Rng) -> u64 {
    if behaviour.burst <= 1 {
        return binomial(requests, rate, rng);
    }
    (binomial(requests, rate / behaviour.burst as f64, rng) * behaviour.burst).min(requests)
}

fn draw_latencies(behaviour: &Behaviour, requests: u64, bounds: &Bounds, rng: &mut fastrand::Rng) -> [u64; BUCKETS] {
    let mut buckets = [0; BUCKETS];
    let mut left = requests;
    let mut remaining = 1.0;
    for (bucket, &bound) in bounds.as_millis().iter().enumerate() {
        let slower = behaviour.slower_than(f64::from(bound));
        let here = if remaining > 0.0 { (1.0 - slower / remaining).clamp(0.0, 1.0) } else { 0.0 };
        buckets[bucket] = binomial(left, here, rng);
        left -= buckets[bucket];
        remaining = slower;
    }
    buckets[bounds.as_millis().len()] = left;
    buckets
}

/// A Poisson number: by exponential gaps, in parts small enough for the float.
pub fn poisson(mean: f64, rng: &mut fastrand::Rng) -> u64 {
    let mut left = mean;
    let mut count = 0;
    while left > 0.0 {
        let part = left.min(30.0);
        left -= part;
        let limit = libm::exp(-part);
        let mut product = rng.f64();
        while product > limit {
            product *= rng.f64();
            count += 1;
        }
    }
    count
}

/// A binomial number: by geometric gaps between the rarer outcome.
pub fn binomial(n: u64, p: f64, rng: &mut fastrand::Rng) -> u64 {
    if n == 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return n;
    }
    if p > 0.5 {
        return n - binomial(n, 1.0 - p, rng);
    }
    let scale = 1.0 / libm::log1p(-p);
    let mut at = 0.0;
    let mut count = 0;
    loop {
        at += 1.0 + libm::floor(libm::log(1.0 - rng.f64()) * scale);
        if at > n as f64 {
            return count;
        }
        count += 1;
    }
}

/// How many of `marked` among `all` are with `drawn` that are drawn without putting back.
pub fn hypergeometric(all: u64, marked: u64, drawn: u64, rng: &mut fastrand::Rng) -> u64 {
    // Which of the two is called drawn makes no difference: the smaller one is gone through.
    let (marked, drawn) = if marked < drawn { (drawn, marked) } else { (marked, drawn) };
    let (mut left, mut count) = (marked, 0);
    for passed in 0..drawn.min(all) {
        if rng.u64(0..all - passed) < left {
            left -= 1;
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests;
