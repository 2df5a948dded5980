//! Is the canary as good as stable? The statistics, and the judge that draws the verdict from them. Pure.

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

pub use judge::Judge;
pub use policy::{Line, Policy};
pub use report::{Culprit, Hold, Report, Verdict};
pub use tick::{RouteTally, Tick};
