//! weir: a canary traffic-splitting proxy.

pub mod admin;
pub mod analysis;
pub mod balancer;
pub mod cli;
pub mod clock;
pub mod config;
pub mod endpoint;
pub mod engine;
pub mod health;
pub mod outcome;
pub mod proxy;
pub mod retry;
pub mod rollout;
pub mod route;
pub mod simulate;
pub mod snapshot;
pub mod split;
pub mod stats;
pub mod telemetry;
pub mod types;
pub mod upstream;
