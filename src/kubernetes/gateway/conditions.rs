//! Conditions: what weir says of objects, in the words of the API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Why something is not as it should be: a reason of the API, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// One of the API's reasons, such as `RefNotPermitted`.
    pub reason: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl Refused {
    /// For this reason.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A condition before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Wanted {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// A condition that holds.
    pub fn yes(kind: &'static str, reason: &'static str) -> Self {
        Self { kind, holds: true, reason, message: String::new() }
    }

    /// A condition that holds, with something to say about it.
    pub fn yes_but(kind: &'static str, refused: &Refused) -> Self {
        Self { kind, holds: true, reason: refused.reason, message: refused.message.clone() }
    }

    /// A condition that does not hold.
    pub fn no(kind: &'static str, refused: &Refused) -> Self {
        Self { kind, holds: false, reason: refused.reason, message: refused.message.clone() }
    }

    /// A condition that holds, for `reason`, unless something stands in the way.
    pub fn unless(kind: &'static str, reason: &'static str, refused: Option<&Refused>) -> Self {
        refused.map_or_else(|| Self::yes(kind, reason), |refused| Self::no(kind, refused))
    }
}

/// The conditions to write. A condition that was there before with the same status keeps the time of its last change, so
/// that nothing differs when nothing is new.
pub fn conditions(old: &[Condition], wanted: &[Wanted], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let condition = |wanted: &Wanted| {
        let status = if wanted.holds { "True" } else { "False" };
        let before = old.iter().find(|old| old.type_ == wanted.kind && old.status == status);
        Condition {
            type_: wanted.kind.to_owned(),
            status: status.to_owned(),
            reason: wanted.reason.to_owned(),
            message: wanted.message.chars().take(MAX_MESSAGE).collect(),
            observed_generation: generation,
            last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
        }
    };
    wanted.iter().map(condition).collect()
}

/// The longest message that the API takes.
const MAX_MESSAGE: usize = 32_768;
