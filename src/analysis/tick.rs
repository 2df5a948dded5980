//! What the judge is given: the counts of one tick.

use serde::{Deserialize, Serialize};

use crate::stats::Tally;
use crate::types::Ratio;

/// One tick's observations: what came since the tick before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// Whole seconds since the start of the rollout; below 0 is history of stable alone.
    pub t: i64,
    /// The canary's share that was in force.
    pub weight: Ratio,
    /// All traffic of both sides.
    pub stable: Tally,
    /// All traffic of the canary.
    pub canary: Tally,
    /// Requests and errors by route, where they are known apart.
    pub routes: Vec<RouteTally>,
}

/// Requests and errors of one route in a tick, or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTally {
    /// The route's name.
    pub route: String,
    /// `(requests, errors)` of stable.
    pub stable: (u64, u64),
    /// `(requests, errors)` of the canary.
    pub canary: (u64, u64),
}
