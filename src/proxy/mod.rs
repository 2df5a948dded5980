//! The front of the data plane: from the accepted connection to the answer.
//!
//! The way of a request, in the order of the files: [`bind`] has the sockets, `worker` accepts, `connection` speaks TLS and
//! HTTP, `handle` is one request in a straight line: `validate`, find the route, `choose` the backend, `forward` the head,
//! make `attempts`, `respond`. `exchange` is where everything that is counted about it comes together.
//!
//! The proxy knows nothing of rollouts: it reads a weight and writes counters. Its one invariant: every exchange is
//! accounted for exactly once, however it ends.

mod access_log;
mod account;
mod attempts;
mod bind;
mod choose;
mod connection;
mod cookies;
mod date;
mod deadline;
mod download;
mod evidence;
mod exchange;
mod forward;
mod forwarded;
mod handle;
mod hop;
mod http1;
mod http2;
mod incoming;
mod limit;
mod mirror;
mod mirror_first;
mod queue;
mod ration;
mod reach;
mod registry;
mod respond;
mod rewrite;
mod seen;
mod standstill;
mod transport;
mod upgrade;
mod upload;
mod validate;
mod view;
mod worker;
mod workers;

pub use bind::{BindError, BoundListener, bind};
pub use workers::{Change, Options, StartError, Workers};
