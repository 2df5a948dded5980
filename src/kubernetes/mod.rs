//! weir as the ingress of a cluster: the objects of the API server are translated to the same configuration that a file has,
//! and compiled by the same compiler.
//!
//! ```text
//! API server -> watch -> World -> plan::translate -> config::File -> config::compile -> Snapshot
//!      ^                              |
//!      +--------- apply <-------------+  statuses, Services of Gateways
//! ```
//!
//! | module | what it does | pure |
//! |---|---|---|
//! | [`world`] | what the API server said: maps of objects by kind, namespace and name | yes |
//! | [`watch`] | fills the world, and keeps it when the API server is away | |
//! | [`named`] | objects that are followed only where another one names them | yes |
//! | [`ingress`] | Ingresses as routes; whom a host belongs to | yes |
//! | [`nginx`] | ingress-nginx's canary annotations | yes |
//! | [`access`] | what weir asks of the API server, verb by verb | yes |
//! | [`events`] | what people see of objects with `kubectl describe` | |
//! | [`gateway`] | the Gateway API: which route attaches to which listener, what that means, and the conditions to write | yes |
//! | [`endpoints`] | EndpointSlices to addresses | yes |
//! | [`services`] | the Services of Gateways, and the ports inside of weir's pods | yes |
//! | [`plan`] | all of that together: one configuration, and everything to write | yes |
//! | [`release`] | the kind `CanaryRelease`: into the configuration, and what is done about it in the cluster | |
//! | [`examined`] | whether the rules of releases can be compiled, before there is a canary | yes |
//! | [`lease`] | who leads | |
//! | [`home`] | whether weir itself is being deleted | yes |
//! | [`peers`] | what the replicas tell each other | |
//! | [`replica`] | those three together | |
//! | [`apply`] | writes to the API server | |
//! | [`token`] | the control surface's token, from a Secret that may come later | |
//! | [`cluster`] | the whole, as a source of configurations for the app | |
//!
//! Every replica serves; what one alone should write, the leader writes (one gate, in [`apply`]). What is wrong with an
//! object is told in its conditions and keeps nothing else from being served.

pub mod access;
pub mod apply;
pub mod cluster;
pub mod endpoints;
pub mod events;
pub mod examined;
pub mod gateway;
pub mod home;
pub mod ingress;
pub mod lease;
pub mod named;
pub mod nginx;
pub mod peers;
pub mod plan;
pub mod release;
pub mod replica;
pub mod services;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod watch;
pub mod world;

pub use cluster::Cluster;
pub use settings::Settings;
