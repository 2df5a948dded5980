//! Simulated rollouts: how a policy would have done in situations of many kinds.
//!
//! A [`Scenario`] says what users, stable and canary do at each second; [`traffic`] draws the counts from it; [`run`](fn@run) lets the
//! judge decide, at recorded weights or steering by itself. Pure: the same seed gives the same rollout.

pub mod run;
pub mod scenario;
pub mod traffic;

pub use run::{Outcome, Steering, run};
pub use scenario::{Scenario, Truth, World};
