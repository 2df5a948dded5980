//! What the judge is given: the counts of one tick.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::stats::Tally;
use crate::types::{Name, Ratio};

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
    pub route: RouteName,
    /// `(requests, errors)` of stable.
    pub stable: (u64, u64),
    /// `(requests, errors)` of the canary.
    pub canary: (u64, u64),
}

/// The name of a route, as a trace has it: any text. Cheap to clone, so that a report names a culprit without allocating.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RouteName(Arc<str>);

impl Default for RouteName {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for RouteName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl From<&str> for RouteName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for RouteName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<Name> for RouteName {
    fn from(name: Name) -> Self {
        Self(name.into())
    }
}

impl From<RouteName> for String {
    fn from(name: RouteName) -> Self {
        name.0.as_ref().to_owned()
    }
}
