//! Situations: what happens, and what would be right.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::drawn;
use super::recording::{Fault, Recording};
use super::world::{Behaviour, World};
use crate::analysis::Policy;
use crate::analysis::trace::Routing;

/// What would be right to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Truth {
    /// Promote: the canary is tolerable.
    Good,
    /// Abort: the canary is bad by the policy.
    Bad,
    /// Neither: there is nothing to judge by, or the canary lies between the lines.
    Undecidable,
}

/// A situation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name, as `--scenario` takes it.
    pub name: Cow<'static, str>,
    /// What would be right.
    pub truth: Truth,
    /// From when on the fault, if any, is there; seconds after the start.
    pub onset: i64,
    /// What the lot is drawn for.
    pub routing: Routing,
    /// Who asks what, and how it goes.
    pub traffic: Traffic,
}

/// Who asks what, and how it goes.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// The world in second `t` at the canary's share `w`.
    Imagined(fn(t: i64, w: f64) -> World),
    /// A world that is drawn anew for each rollout, by the policy that is tried, and stays as it is.
    Drawn(fn(&Policy, &mut fastrand::Rng) -> World),
    /// Recorded requests, dealt out anew, with this wrong with the canary.
    Recorded(Arc<Recording>, Fault),
}

impl Scenario {
    const fn imagined(
        name: &'static str,
        truth: Truth,
        onset: i64,
        routing: Routing,
        world: fn(i64, f64) -> World,
    ) -> Self {
        Self { name: Cow::Borrowed(name), truth, onset, routing, traffic: Traffic::Imagined(world) }
    }

    /// The situations that can be made of recorded traffic: a canary that is as stable was, and worse ones.
    pub fn of_recording(recording: &Arc<Recording>) -> Vec<Self> {
        let of = |&(name, truth, fault): &(&'static str, Truth, Fault)| Self {
            name: Cow::Borrowed(name),
            truth,
            onset: 0,
            routing: Routing::Request,
            traffic: Traffic::Recorded(recording.clone(), fault),
        };
        RECORDED.iter().map(of).collect()
    }
}

fn same(rate: f64, behaviour: Behaviour) -> World {
    World::of(rate, behaviour, behaviour)
}

fn errors(stable: f64, canary: f64) -> World {
    World::of(166.0, Behaviour::failing(stable), Behaviour::failing(canary))
}

fn slow(change: fn(&mut Behaviour)) -> World {
    let mut canary = Behaviour::failing(0.001);
    change(&mut canary);
    World::of(166.0, Behaviour::failing(0.001), canary)
}

const fn at_random(
    name: &'static str,
    truth: Truth,
    routing: Routing,
    world: fn(&Policy, &mut fastrand::Rng) -> World,
) -> Scenario {
    Scenario { name: Cow::Borrowed(name), truth, onset: 0, routing, traffic: Traffic::Drawn(world) }
}

const fn good(name: &'static str, world: fn(i64, f64) -> World) -> Scenario {
    Scenario::imagined(name, Truth::Good, 0, Routing::Request, world)
}

const fn bad(name: &'static str, onset: i64, world: fn(i64, f64) -> World) -> Scenario {
    Scenario::imagined(name, Truth::Bad, onset, Routing::Request, world)
}

const fn undecidable(name: &'static str, world: fn(i64, f64) -> World) -> Scenario {
    Scenario::imagined(name, Truth::Undecidable, 0, Routing::Request, world)
}

fn outage(t: i64, from: i64, to: i64) -> bool {
    (from..to).contains(&t)
}

/// What can be wrong with a canary on recorded traffic.
const RECORDED: &[(&str, Truth, Fault)] = &[
    ("recorded-as-stable", Truth::Good, Fault::None),
    ("recorded-all-fail", Truth::Bad, Fault::Failing(1.0)),
    ("recorded-10-points-worse", Truth::Bad, Fault::Failing(0.1)),
    ("recorded-2-points-worse", Truth::Bad, Fault::Failing(0.02)),
    ("recorded-twice-as-slow", Truth::Bad, Fault::Slower(2.0)),
];

/// All situations but recorded ones.
pub static ALL: &[Scenario] = &[
    good("clean", |_, _| errors(0.001, 0.001)),
    good("no-errors", |_, _| errors(0.0, 0.0)),
    good("high-base-rate", |_, _| errors(0.08, 0.08)),
    good("slightly-better", |_, _| errors(0.02, 0.01)),
    good("shared-spike", |t, _| {
        let rate = if t == 220 { 0.6 } else { 0.001 };
        errors(rate, rate)
    }),
    good("shared-outage-short", |t, _| {
        let rate = if outage(t, 100, 130) { 0.4 } else { 0.001 };
        errors(rate, rate)
    }),
    good("shared-outage-long", |t, _| {
        let rate = if outage(t, 60, 260) { 0.3 } else { 0.002 };
        errors(rate, rate)
    }),
    good("brown-out", |t, _| {
        let mut both = Behaviour::failing(0.001);
        if outage(t, 80, 200) {
            both.median_ms = 200.0;
        }
        same(166.0, both)
    }),
    good("cold-start", |t, _| slow(if t < 12 { |canary: &mut Behaviour| canary.median_ms = 90.0 } else { |_| {} })),
    good("bursts", |_, _| {
        let mut both = Behaviour::failing(0.005);
        both.burst = 4;
        same(166.0, both)
    }),
    Scenario::imagined("one-bad-client", Truth::Good, 0, Routing::Sticky, |_, _| World {
        bad_client: 5,
        ..errors(0.001, 0.001)
    }),
    Scenario::imagined("one-heavy-client-of-a-bad-canary", Truth::Bad, 0, Routing::Sticky, |_, _| World {
        heavy_client: 0.6,
        ..errors(0.001, 0.5)
    }),
    good("low-traffic", |_, _| same(5.0, Behaviour::failing(0.002))),
    good("traffic-gap", |t, _| same(if outage(t, 90, 150) { 0.0 } else { 166.0 }, Behaviour::failing(0.002))),
    good("flash-crowd", |t, _| same(if outage(t, 100, 200) { 1500.0 } else { 100.0 }, Behaviour::failing(0.002))),
    good("retry-storm", |t, _| {
        let mut both = Behaviour::failing(if outage(t, 100, 160) { 0.25 } else { 0.002 });
        both.burst = if outage(t, 100, 160) { 3 } else { 1 };
        same(166.0, both)
    }),
    good("many-routes", |_, _| World { routes: 50, ..errors(0.002, 0.002) }),
    good("cure", |_, _| errors(0.15, 0.001)),
    good("cure-of-an-outage", |t, _| errors(if t >= 20 { 0.2 } else { 0.001 }, 0.001)),
    bad("total-failure", 0, |_, _| errors(0.001, 1.0)),
    bad("half-fails", 0, |_, _| errors(0.001, 0.5)),
    bad("tenth-fails", 0, |_, _| errors(0.001, 0.1)),
    bad("half-fails-at-low-traffic", 0, |_, _| World { rate: 5.0, ..errors(0.001, 0.5) }),
    bad("all-fails-at-very-low-traffic", 0, |_, _| World { rate: 0.3, ..errors(0.0, 1.0) }),
    bad("regression-3-points", 0, |_, _| errors(0.001, 0.03)),
    bad("regression-1-point", 0, |_, _| errors(0.001, 0.012)),
    bad("regression-of-no-errors", 0, |_, _| errors(0.0, 0.01)),
    bad("regression-on-base", 0, |_, _| errors(0.02, 0.05)),
    bad("one-route-of-50", 0, |_, _| {
        let mut world = World { routes: 50, ..errors(0.001, 0.001) };
        world.canary.bad_route = Some((44, 0.9));
        world
    }),
    bad("one-route-of-10-partly", 0, |_, _| {
        let mut world = World { routes: 10, ..errors(0.001, 0.001) };
        world.canary.bad_route = Some((4, 0.2));
        world
    }),
    bad("latency-shift", 0, |_, _| slow(|canary| canary.median_ms = 60.0)),
    bad("latency-shift-small", 0, |_, _| slow(|canary| canary.median_ms = 38.0)),
    bad("latency-tail", 0, |_, _| slow(|canary| (canary.tail, canary.tail_ms) = (0.05, 800.0))),
    bad("hang", 0, |_, _| slow(|canary| (canary.tail, canary.tail_ms) = (0.3, 60_000.0))),
    bad("leak-of-errors", 60, |t, _| errors(0.001, 0.001 + 0.0005 * (t - 60).max(0) as f64)),
    bad("leak-of-latency", 60, |t, _| {
        let mut world = errors(0.001, 0.001);
        world.canary.median_ms += 0.3 * (t - 60).max(0) as f64;
        world
    }),
    bad("late-onset", 150, |t, _| errors(0.001, if t >= 150 { 0.3 } else { 0.001 })),
    bad("late-onset-small", 150, |t, _| errors(0.001, if t >= 150 { 0.03 } else { 0.001 })),
    bad("worse-in-an-outage", 100, |t, _| if outage(t, 100, 400) { errors(0.2, 0.6) } else { errors(0.001, 0.001) }),
    bad("crash-loop", 0, |t, _| errors(0.001, if t.rem_euclid(30) < 6 { 1.0 } else { 0.001 })),
    bad("shrinking-capacity", 0, |_, w| errors(0.001, if w > 0.04 { 0.2 } else { 0.001 })),
    at_random("just-tolerable", Truth::Good, Routing::Request, drawn::just_tolerable),
    at_random("just-bad", Truth::Bad, Routing::Request, drawn::just_bad),
    at_random("any-tolerable", Truth::Good, Routing::Request, drawn::tolerable),
    at_random("any-tolerable-with-affinity", Truth::Good, Routing::Sticky, drawn::tolerable),
    at_random("any-bad", Truth::Bad, Routing::Request, drawn::bad),
    // Who would promote on what one client gets promotes with the chance that a canary which is bad for others has this client.
    Scenario::imagined("one-heavy-client", Truth::Undecidable, 0, Routing::Sticky, |_, _| World {
        heavy_client: 0.6,
        ..errors(0.001, 0.001)
    }),
    undecidable("no-canary-traffic", |_, _| World { canary_absent: true, ..errors(0.001, 0.001) }),
    undecidable("no-stable-traffic", |_, _| World { stable_absent: true, ..errors(0.001, 0.001) }),
    undecidable("far-too-little-traffic", |_, _| same(0.05, Behaviour::failing(0.01))),
    undecidable("no-traffic", |_, _| same(0.0, Behaviour::failing(0.01))),
];
