//! Situations: what happens, and what would be right.

/// What would be right to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Promote: the canary is as good as stable.
    Good,
    /// Abort: the canary is worse than the policy calls bad.
    Bad,
    /// Neither: there is nothing to judge by, or the canary lies between the lines.
    Undecidable,
}

/// One second of the world.
#[derive(Clone, Debug)]
pub struct World {
    /// Requests a second of all users.
    pub rate: f64,
    /// Routes that the requests are spread over evenly; 0: not told apart.
    pub routes: usize,
    /// The canary gets nothing, whatever the weight.
    pub canary_absent: bool,
    /// Stable gets nothing.
    pub stable_absent: bool,
    /// How stable does.
    pub stable: Behaviour,
    /// How the canary does.
    pub canary: Behaviour,
}

/// How one version does.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// The chance that a request fails.
    pub errors: f64,
    /// The median of the latency in milliseconds, and the standard deviation of its logarithm.
    pub median_ms: f64,
    /// See `median_ms`.
    pub spread: f64,
    /// The share of requests that take `tail_ms` longer (a timeout, a cold cache).
    pub tail: f64,
    /// How much longer those take.
    pub tail_ms: f64,
    /// Failures come so many at a time.
    pub burst: u64,
    /// One route, and the chance that a request to it fails.
    pub bad_route: Option<(usize, f64)>,
}

impl Behaviour {
    /// Median 30 ms, no tail, this error rate.
    pub fn failing(errors: f64) -> Self {
        Self { errors, median_ms: 30.0, spread: 0.5, tail: 0.0, tail_ms: 0.0, burst: 1, bad_route: None }
    }

    /// The chance that an answer takes longer than `ms`.
    pub fn slower_than(&self, ms: f64) -> f64 {
        let body = |ms: f64| {
            if ms <= 0.0 { 1.0 } else { 0.5 * libm::erfc(libm::log(ms / self.median_ms) / self.spread * 0.5f64.sqrt()) }
        };
        (1.0 - self.tail) * body(ms) + self.tail * body(ms - self.tail_ms)
    }
}

/// A situation.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, as `--scenario` takes it.
    pub name: &'static str,
    /// What would be right.
    pub truth: Truth,
    /// From when on the fault, if any, is there; seconds after the start.
    pub onset: i64,
    /// What the world is like in second `t` at the canary's share `w`.
    pub world: fn(t: i64, w: f64) -> World,
}

fn world(rate: f64, stable: Behaviour, canary: Behaviour) -> World {
    World { rate, routes: 0, canary_absent: false, stable_absent: false, stable, canary }
}

fn same(rate: f64, behaviour: Behaviour) -> World {
    world(rate, behaviour, behaviour)
}

fn errors(stable: f64, canary: f64) -> World {
    world(166.0, Behaviour::failing(stable), Behaviour::failing(canary))
}

fn slow(change: fn(&mut Behaviour)) -> World {
    let mut canary = Behaviour::failing(0.001);
    change(&mut canary);
    world(166.0, Behaviour::failing(0.001), canary)
}

const fn good(name: &'static str, world: fn(i64, f64) -> World) -> Scenario {
    Scenario { name, truth: Truth::Good, onset: 0, world }
}

const fn bad(name: &'static str, onset: i64, world: fn(i64, f64) -> World) -> Scenario {
    Scenario { name, truth: Truth::Bad, onset, world }
}

const fn undecidable(name: &'static str, world: fn(i64, f64) -> World) -> Scenario {
    Scenario { name, truth: Truth::Undecidable, onset: 0, world }
}

fn outage(t: i64, from: i64, to: i64) -> bool {
    (from..to).contains(&t)
}

/// All situations.
pub const ALL: &[Scenario] = &[
    good("clean", |_, _| errors(0.001, 0.001)),
    good("no-errors", |_, _| errors(0.0, 0.0)),
    good("high-base-rate", |_, _| errors(0.08, 0.08)),
    good("slightly-better", |_, _| errors(0.02, 0.01)),
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
    undecidable("no-canary-traffic", |_, _| World { canary_absent: true, ..errors(0.001, 0.001) }),
    undecidable("no-stable-traffic", |_, _| World { stable_absent: true, ..errors(0.001, 0.001) }),
    undecidable("far-too-little-traffic", |_, _| same(0.05, Behaviour::failing(0.01))),
    undecidable("no-traffic", |_, _| same(0.0, Behaviour::failing(0.01))),
];
