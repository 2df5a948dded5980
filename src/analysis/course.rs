//! Where a rollout stands, as far as the judge must know: its tick, its weight, warm-up, stable's own health, the share seen.

use super::Policy;
use super::baseline::Faded;
use super::line::Counts;
use super::numeric::exp;
use super::share::{is_doubtful, is_mismatch};
use super::stream::{Favour, Trust};
use super::trace::Routing;
use crate::types::Ratio;

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Course {
    /// The second and the weight of the open tick.
    tick: Option<(i64, Ratio)>,
    /// What the open tick holds.
    open: Counts,
    /// The first tick with canary traffic.
    first_canary: Option<i64>,
    /// Since when the weight is as it is, and what was seen since.
    weight_since: i64,
    at_weight: Counts,
    /// Whether requests were left out since then: see [`Course::leave_out`].
    has_left_out: bool,
    /// Whether the share fitted so badly at the weight before that it has to show first that it fits now.
    was_doubtful: bool,
    highest: Ratio,
    /// The weight that `at_weight` was seen at.
    weight_before: Ratio,
    /// Requests a second, lately.
    rate: Faded,
    /// Stable's errors over some minutes, and both sides' over some seconds.
    normal: Faded,
    stable_now: Faded,
    canary_now: Faded,
}

/// What a new tick changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing: more of the same tick.
    Same,
    /// A tick ends, another one begins.
    Next {
        /// Whether the weight is higher than it ever was.
        raised: Raised,
        /// Whether the tick that ends had canary traffic.
        with_canary: bool,
    },
}

/// Whether the weight is higher than it ever was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// How far the canary is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is no canary: history, or weight 0.
    Absent,
    /// It has not answered yet, or not for long: only gross failure counts.
    WarmUp,
    /// Everything counts.
    Evidence,
}

impl Course {
    /// Goes to the tick of second `t` at `weight`.
    pub(super) fn begin(&mut self, t: i64, weight: Ratio) -> Progress {
        let Some((now, before)) = self.tick else {
            self.tick = Some((t, weight));
            return self.change_weight(t, weight, false);
        };
        if t <= now && weight == before {
            return Progress::Same;
        }
        let t = t.max(now);
        let with_canary = self.end_tick((t - now).max(1) as f64);
        self.tick = Some((t, weight));
        if weight == before {
            return Progress::Next { raised: Raised::No, with_canary };
        }
        self.change_weight(t, weight, with_canary)
    }

    /// Counts more of the open tick.
    pub(super) fn add(&mut self, counts: &Counts) {
        self.open.add(counts);
        if counts.canary > 0 && self.weight() > Ratio::ZERO && self.first_canary.is_none() {
            self.first_canary = self.tick.map(|(t, _)| t);
        }
    }

    /// Requests of the open tick were left out because of how they went. The lot was not drawn for what remains, so at this
    /// weight it is compared by the share that is seen from now on.
    pub(super) fn leave_out(&mut self) {
        self.has_left_out = true;
    }

    /// The weight of the open tick.
    pub(super) fn weight(&self) -> Ratio {
        self.tick.map_or(Ratio::ZERO, |(_, weight)| weight)
    }

    /// The second of the open tick.
    pub(super) fn now(&self) -> i64 {
        self.tick.map_or(i64::MIN, |(t, _)| t)
    }

    /// Requests a second, lately.
    pub(super) fn rate(&self) -> f64 {
        if self.rate.failed > 0.0 { self.rate.requests / self.rate.failed } else { 0.0 }
    }

    /// The same, once some ten seconds are known, and as long as the open tick does not say that it changes.
    pub(super) fn known_rate(&self) -> Option<f64> {
        let (rate, now) = (self.rate(), self.open.requests() as f64);
        (self.rate.failed >= KNOWN_SECONDS && now <= LEAP_TIMES * rate + LEAP_PLUS).then_some(rate)
    }

    /// How far the canary is known.
    pub(super) fn stage(&self, policy: &Policy) -> Stage {
        let (now, weight) = (self.now(), self.weight());
        if now < 0 || weight == Ratio::ZERO {
            return Stage::Absent;
        }
        match self.first_canary {
            _ if policy.warmup_s <= 0.0 => Stage::Evidence,
            Some(first) if (now - first) as f64 >= policy.warmup_s => Stage::Evidence,
            _ => Stage::WarmUp,
        }
    }

    /// Whether the weight in force can be taken for the share by which labels were drawn. Looks at ended ticks only, but for
    /// what was left out.
    ///
    /// Answers lag behind: at much traffic the first seconds at a new weight still end requests that were drawn at the old.
    pub(super) fn trust(&self) -> Trust {
        let weight = self.weight().fraction();
        let settling = self.now() - self.weight_since < SETTLING_S && self.rate() * weight >= MUCH_TRAFFIC;
        let doubtful = is_doubtful(&self.at_weight, weight) || self.is_still_doubtful();
        if settling || doubtful || self.has_left_out || self.is_silent_stable() { Trust::Seen } else { Trust::Drawn }
    }

    /// Whether there is nothing to compare with: at a weight that leaves stable requests, it has none.
    pub(super) fn is_silent_stable(&self) -> bool {
        let (stable, canary) = (self.stable_now.requests, self.canary_now.requests);
        let seen = Counts { canary: canary as u64, ..Counts::default() };
        stable < 0.5 && self.open.stable == 0 && is_doubtful(&seen, self.weight().fraction())
    }

    /// Whether the canary demonstrably does not get its share.
    pub(super) fn is_mismatched(&self, routing: Routing) -> bool {
        let tolerance = match routing {
            Routing::Request => SHARE_TOLERANCE,
            // Few clients make most of the traffic: their requests are shared as they happen to come.
            Routing::Sticky => STICKY_SHARE_TOLERANCE,
        };
        is_mismatch(&self.at_weight, self.weight().fraction(), tolerance)
    }

    /// Whether what is seen now may count for the canary. Looks at ended ticks only.
    ///
    /// When stable is ill *by its own measure* and the canary is ill too, "no worse than stable" says nothing about normal
    /// times. When the canary is well by stable's normal measure, stable's illness is no reason to wait: it may be the cure.
    pub(super) fn favour(&self, policy: &Policy) -> Favour {
        if self.is_stable_ill() && exceeds(&self.canary_now, policy.err_bad.at(self.normal_rate())) {
            Favour::Ignored
        } else {
            Favour::Gathered
        }
    }

    /// Whether the doubt of the weight before still holds: until as many canary requests were due as would show it.
    fn is_still_doubtful(&self) -> bool {
        self.was_doubtful && (self.at_weight.requests() as f64) * self.weight().fraction() < ENOUGH_TO_DOUBT
    }

    /// Whether stable fails more than it normally does, where that is known.
    fn is_stable_ill(&self) -> bool {
        self.normal.requests >= KNOWN_REQUESTS && exceeds(&self.stable_now, ILL_TIMES * self.normal_rate() + ILL_PLUS)
    }

    fn normal_rate(&self) -> f64 {
        (self.normal.failed + 0.5) / (self.normal.requests + 1.0)
    }

    /// Takes the open tick into the averages; whether it had canary traffic.
    fn end_tick(&mut self, seconds: f64) -> bool {
        let open = std::mem::take(&mut self.open);
        self.at_weight.add(&open);
        self.rate.fade(seconds / RATE_HALF_LIFE_S);
        self.rate.requests += open.requests() as f64;
        self.rate.failed += seconds;
        self.stable_now.fade(seconds / NOW_HALF_LIFE_S);
        self.stable_now.add(open.stable, open.stable_failed);
        let learned = if self.is_stable_ill() { self.learned_in_incident(seconds, open.stable) } else { 1.0 };
        self.normal.fade(seconds / NORMAL_HALF_LIFE_S * learned);
        self.normal.requests += open.stable as f64 * learned;
        self.normal.failed += open.stable_failed as f64 * learned;
        self.canary_now.fade(seconds / NOW_HALF_LIFE_S);
        self.canary_now.add(open.canary, open.canary_failed);
        open.canary > 0
    }

    /// An incident becomes normal too, but slowly, and no faster where little is known of better times: what is seen in it
    /// weighs as much as fades in the same time at the incident's pace.
    fn learned_in_incident(&self, seconds: f64, requests: u64) -> f64 {
        let fading = 1.0 - exp(-std::f64::consts::LN_2 * INCIDENT_WEIGHT * seconds / NORMAL_HALF_LIFE_S);
        (fading * self.normal.requests / requests.max(1) as f64).min(INCIDENT_WEIGHT)
    }

    fn change_weight(&mut self, t: i64, weight: Ratio, with_canary: bool) -> Progress {
        let before = self.weight_before.fraction();
        self.was_doubtful = before > 0.0 && (is_doubtful(&self.at_weight, before) || self.is_still_doubtful());
        self.weight_before = weight;
        self.weight_since = t;
        self.at_weight = Counts::default();
        self.has_left_out = false;
        let raised = if weight > self.highest { Raised::Yes } else { Raised::No };
        self.highest = self.highest.max(weight);
        Progress::Next { raised, with_canary }
    }
}

/// Whether a rate is above `limit` by more than chance (three standard deviations and a half failure).
fn exceeds(seen: &Faded, limit: f64) -> bool {
    let expected = seen.requests * limit;
    seen.failed > expected + 3.0 * expected.sqrt() + 0.5
}

/// Two ticks hold what is under way at a change of weight, but for the slowest answers.
const SETTLING_S: i64 = 2;

/// Canary requests a second from which a tick tells its share by itself well enough to be weighed alone.
const MUCH_TRAFFIC: f64 = 5.0;

/// So many canary requests are hardly ever all missing by chance (e^-16).
const ENOUGH_TO_DOUBT: f64 = 16.0;

/// An endpoint that was away for a moment moves the share of some minutes by less.
const SHARE_TOLERANCE: f64 = 0.1;
const STICKY_SHARE_TOLERANCE: f64 = 0.67;

const RATE_HALF_LIFE_S: f64 = 10.0;

/// What is left of ten seconds that fade with this half-life.
const KNOWN_SECONDS: f64 = 7.0;

/// More requests than chance or a page with its pictures brings in a second: the crowd is back.
const LEAP_TIMES: f64 = 2.0;
const LEAP_PLUS: f64 = 10.0;

/// Stable is measured by its own last minutes; an incident of some ten minutes becomes normal.
const NORMAL_HALF_LIFE_S: f64 = 300.0;
const INCIDENT_WEIGHT: f64 = 0.25;
const NOW_HALF_LIFE_S: f64 = 5.0;

/// Fewer observed requests than this are no measure of what is normal.
const KNOWN_REQUESTS: f64 = 200.0;

/// Twice as many errors as normal and a point more is an incident.
const ILL_TIMES: f64 = 2.0;
const ILL_PLUS: f64 = 0.01;
