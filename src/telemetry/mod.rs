//! What weir tells about itself: metrics and logs.
//!
//! The request path touches nothing here: workers count into atomics of their own, and [`metrics::Metrics`] sums them when
//! somebody scrapes. Names are in [`names`] and nowhere else.

mod decisions;
mod family;
pub mod logs;
pub mod metrics;
pub mod names;
mod process;
mod reloads;
mod traffic;

pub use decisions::Decisions;
pub use metrics::Metrics;
pub use reloads::{Reload, Reloads};
