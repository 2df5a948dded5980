//! Which endpoint of a backend takes the request. Pure.

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// Power of two choices on in-flight times peak EWMA.
    #[default]
    LeastLatency,
    /// One after the other.
    RoundRobin,
}
