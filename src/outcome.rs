//! The only definition of "failed": how a finished exchange counts. Pure.

/// What a release counts as a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct FailurePolicy {}
