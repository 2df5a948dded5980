//! Simulated rollouts: how a policy would have done in situations of many kinds, and on recorded traffic.
//!
//! A [`Scenario`] says what users, stable and canary do at each second; [`traffic`] and [`recording`] deal the requests out;
//! a [`Pilot`] chooses weights and decides: weir itself ([`Weir`]), or the documented rules of others ([`peers`]).
//! [`summary`] counts how often it was wrong, and [`chart`] draws that. Pure: the same seed gives the same rollout.

pub mod chart;
mod drawn;
pub mod peers;
pub mod recording;
pub mod run;
pub mod scenario;
pub mod summary;
pub mod traffic;
mod weir;
pub mod world;

pub use recording::{Fault, Recording};
pub use run::{AtWeights, Outcome, Pilot, play};
pub use scenario::{Scenario, Traffic, Truth};
pub use summary::{OfBad, Summary};
pub use weir::Weir;
pub use world::{Behaviour, World};
