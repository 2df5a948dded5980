//! May this attempt be repeated, where, and is there budget for it. Pure.

/// When a failed attempt is repeated. Compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {}

/// A backend's budget of repeats.
#[derive(Debug, Default)]
pub struct RetryBudget {}
