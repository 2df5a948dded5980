//! Which endpoints may take requests: passive ejection and active probes.

pub mod outlier;
pub mod probe;
