//! The rollout: one canary's way from its first request to promotion or abort, as a pure state machine.
//!
//! [`step`] decides where a rollout goes, from what the judge, the checks and people say; it does not weigh evidence
//! (that is [`crate::analysis`]) and changes nothing (that is the engine's). Its one invariant is a function: see
//! [`invariants`].

mod explain;
mod invariants;
mod outlook;
mod present;
mod reason;
mod spec;
mod state;
mod step;
mod traffic;
mod words;

pub use explain::{Scene, decision};
pub use invariants::{Violation, invariants};
pub use outlook::eta;
pub use present::present;
pub use reason::Reason;
pub use spec::{HoldBack, MirrorFirst, OnNoEvidence, OnSuspicion, Spec, Step};
pub use state::{CheckResult, Command, Copies, Input, Pause, Phase, State, Transition};
pub use step::{Refusal, permits, reconcile, start, step};

#[cfg(test)]
mod tests;
