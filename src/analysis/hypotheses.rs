//! What is tested: for each kind of evidence its line, and the points beyond it that are bet on.

use super::line::Bet;
use super::{Line, Policy};

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Errors of all traffic.
    Errors,
    /// Errors of all traffic while the canary warms up.
    WarmUp,
    /// Responses slower than a bound.
    Latency,
    /// Errors of one route.
    Route,
}

impl Kind {
    /// All kinds, in the order of their tables.
    pub(super) const ALL: [Self; 4] = [Self::Errors, Self::WarmUp, Self::Latency, Self::Route];

    /// Up to this line the canary is fine.
    pub(super) fn tolerable(self, policy: &Policy) -> Line {
        match self {
            Self::Errors => policy.err_tol,
            Self::WarmUp => Line { times: 1.0, plus: policy.warmup_err_tol },
            Self::Latency => policy.lat_tol,
            Self::Route => policy.route_tol,
        }
    }

    /// From this line on the canary is bad.
    pub(super) fn bad(self, policy: &Policy) -> Line {
        match self {
            Self::Errors | Self::WarmUp => policy.err_bad,
            Self::Latency => policy.lat_bad,
            Self::Route => policy.route_bad,
        }
    }

    /// How far beyond the tolerable line the canary is bet to be, as parts of the way up to 1, and the capital on each.
    fn depths(self) -> &'static [(f64, f64)] {
        match self {
            Self::Errors => &ERROR_DEPTHS,
            Self::WarmUp => &WARM_UP_DEPTHS,
            Self::Latency => &LATENCY_DEPTHS,
            Self::Route => &ROUTE_DEPTHS,
        }
    }

    /// The parts of the capital that bet by the steady estimate of stable's rate, by the quick one, and on an outage of both.
    ///
    /// The quick estimate follows an outage's onset from the second tick on; whoever wants to see in its first tick that
    /// the canary suffers more must have expected it.
    pub(super) fn views(self) -> [f64; VIEWS] {
        match self {
            Self::Errors => [0.7, 0.2, 0.1],
            Self::WarmUp => [0.9, 0.1, 0.0],
            Self::Latency | Self::Route => [0.75, 0.25, 0.0],
        }
    }

    /// How many points are bet on.
    pub(super) fn alternatives(self) -> usize {
        self.depths().len()
    }

    /// The capital on alternative `index`; none beyond the last.
    pub(super) fn prior(self, index: usize) -> f64 {
        self.depths().get(index).map_or(0.0, |(_, part)| *part)
    }

    /// The bet against "tolerable" of alternative `index`, none beyond the last, when stable's rate is about `stable`.
    pub(super) fn bet_against(self, policy: &Policy, weight: f64, stable: f64, index: usize) -> Bet {
        let line = self.tolerable(policy);
        let tolerable = line.at(stable);
        match self.depths().get(index) {
            Some((depth, _)) if tolerable <= NOTHING_WORSE => {
                Bet::new(weight, line, stable, tolerable + (1.0 - tolerable) * depth)
            }
            _ => Bet::NONE,
        }
    }

    /// The bet against "bad" of alternative `index` of [`GOOD_ALTERNATIVES`]; none beyond the last.
    pub(super) fn bet_for(self, policy: &Policy, weight: f64, stable: f64, index: usize) -> Bet {
        let line = self.bad(policy);
        let canary = match index {
            0 => 0.5 * stable,
            1 => stable,
            // Nine tenths of the way to the tolerable line: on the line itself a canary is nobody's wish.
            2 => stable + 0.9 * (self.tolerable(policy).at(stable) - stable),
            _ => return Bet::NONE,
        };
        if !(0.0..line.at(stable).min(1.0)).contains(&canary) {
            return Bet::NONE;
        }
        Bet::new(weight, line, stable, canary)
    }

    /// Whether no canary could be bad, because stable's rate is so high already.
    pub(super) fn cannot_be_bad(self, policy: &Policy, stable: f64) -> bool {
        self.bad(policy).at(stable) >= 1.0
    }
}

impl Policy {
    /// What one request adds, on average, to the best possible evidence that a canary is not tolerable, for somebody who
    /// knows both rates: the least divergence from the line. `ln(1/alpha)` of it is needed; 0 for a tolerable canary.
    pub fn information(&self, kind: Kind, weight: f64, stable: f64, canary: f64) -> f64 {
        let inside = |rate: f64| rate.clamp(NEARLY_NOTHING, 1.0 - NEARLY_NOTHING);
        let (stable, canary) = (inside(stable), inside(canary));
        let line = kind.tolerable(self);
        if canary <= line.at(stable) {
            return 0.0;
        }
        Bet::new(weight, line, stable, canary).growth(weight, stable, canary)
    }
}

/// Points that are bet on for the canary: twice as good as stable, as good, and nearly on the tolerable line.
pub(super) const GOOD_ALTERNATIVES: usize = 3;

/// Views of what stable's rate is.
pub(super) const VIEWS: usize = 3;

/// Most alternatives of a kind: two [`super::line::Four`].
pub(super) const MAX_ALTERNATIVES: usize = 8;

/// As good as never, and as good as always: bets need a rate between.
const NEARLY_NOTHING: f64 = 1e-9;

/// Where even a canary that always fails is hardly worse than tolerable, nothing is bet.
const NOTHING_WORSE: f64 = 0.95;

/// A factor of 2.5 between neighbours: betting on a rate that is 1.6 times off costs a tenth of the growth.
const ERROR_DEPTHS: [(f64, f64); 7] = even([0.005, 0.0125, 0.03, 0.08, 0.2, 0.45, 0.9]);
/// A total failure, and one of most requests: anything less may wait until the warm-up is over.
const WARM_UP_DEPTHS: [(f64, f64); 2] = [(0.4, 0.15), (0.98, 0.85)];
/// Coarser than for errors: neighbouring bounds differ too, and bet on the same shift.
const LATENCY_DEPTHS: [(f64, f64); 4] = even([0.02, 0.06, 0.2, 0.6]);
const ROUTE_DEPTHS: [(f64, f64); 4] = even([0.05, 0.2, 0.6, 0.95]);

const fn even<const N: usize>(depths: [f64; N]) -> [(f64, f64); N] {
    let mut pairs = [(0.0, 1.0 / N as f64); N];
    let mut i = 0;
    while i < N {
        pairs[i].0 = depths[i];
        i += 1;
    }
    pairs
}
