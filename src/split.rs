//! Which backend takes the request: exact shares, and sides that clients keep. Pure.

/// One worker's place in a share between two sides. Written by that worker alone.
#[derive(Debug, Default)]
pub struct SharePhase {}

/// One worker's place in a split among many.
#[derive(Debug, Default)]
pub struct SplitPhase {}

/// A split by weights.
#[derive(Debug)]
pub struct WeightedSplit {}
