//! Everything that dials out: connections to endpoints and their pools, TLS to backends, DNS, and a small client for probes.
//!
//! [`Upstreams`] decides which connection carries a request and nothing else: which endpoint, whether to try again and what
//! to tell the client is for the proxy. Its one invariant: a connection is used again only when the answer before ended
//! well and left nothing behind.

mod before;
mod body;
mod connect;
pub mod dns;
mod error;
pub mod fetch;
mod http1;
mod http2;
mod io;
mod pool;
mod reach;
#[cfg(test)]
pub(crate) mod testing;
mod timer;
pub mod tls;
mod upstreams;
mod wire;

pub use crate::retry::Sent;
pub use body::{BodyError, Informed, RequestBody, UpstreamBody};
pub use error::SendError;
pub use fetch::fetch;
pub use io::Upgraded;
pub use pool::Reuse;
pub use reach::Ready;
pub use upstreams::Upstreams;
