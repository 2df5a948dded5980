//! weir's counters, with loom's atomics.
#![cfg(loom)]

#[path = "../../../src/stats/mod.rs"]
pub mod stats;
