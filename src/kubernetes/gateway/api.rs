//! The kinds of the Gateway API, as far as weir reads them.
//!
//! Own types instead of generated ones, for two reasons. What the API repeats for every kind (parents, backends, filters,
//! listeners) is one type here, so that there is one translation. And what is an enum there is text here: a value of a newer
//! version of the API is that object's problem, told in its conditions, and not the end of the whole list.

mod gateways;
mod policies;
mod routes;

pub use gateways::*;
pub use policies::*;
pub use routes::*;

/// The group of all kinds here.
pub const GROUP: &str = "gateway.networking.k8s.io";
