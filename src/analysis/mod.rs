//! Is the canary as good as stable? The statistics, and the judge that draws the verdict from them. Pure.
//!
//! Each request goes to the canary by lot. So the question is not "how many errors are too many?" but "does the lot explain
//! the difference?", and the evidence is a bet that the lot prices fairly: [`method`] has the statistics on a page,
//! [`for_operators`] what they mean for those who run releases.
//!
//! # The parts
//!
//! A [`Judge`] lays capital (`capital.rs`) on streams of evidence (`stream.rs`): errors, one for each latency bound, one for
//! each route. A stream's bets (`line.rs`) are looked up by weight and by stable's rate (`tables.rs`, `cells.rs`), and divided
//! by the over-dispersion (`dispersion.rs`). `course.rs` knows warm-up, weights and stable's own health, `gate.rs` what the
//! next weight asks for, `interval.rs` the excess; `judge/verdict.rs` adds it all up to a [`Report`].
//!
//! # Determinism
//!
//! Sums, products, quotients and square roots only, an exponential of our own (`numeric.rs`), and logarithms of the `libm`
//! crate: the same ticks give the same bits on every machine. That is what lets a [`trace`] of a live rollout be replayed to
//! the same decision.

mod baseline;
mod capital;
mod cells;
mod course;
mod dispersion;
mod gate;
mod hypotheses;
mod interval;
mod judge;
mod line;
mod numeric;
mod policy;
mod proof;
mod report;
mod share;
mod stream;
mod tables;
mod tick;
pub mod trace;

#[doc = include_str!("for-operators.md")]
pub mod for_operators {}

#[doc = include_str!("method.md")]
pub mod method {}

pub use hypotheses::Kind;
pub use judge::Judge;
pub use policy::{Line, Policy};
pub use report::{Culprit, Hold, Report, Verdict};
pub use tick::{RouteName, RouteTally, Tick};
