//! The data plane against real sockets: clients that say exactly what a test wants, backends that do exactly what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backend;
mod gateway;
mod wire;

mod dying;
mod filters;
mod forwarding;
mod http2;
mod lifetime;
mod limits;
mod mirror_first;
mod protocols;
mod refusals;
mod releases;
mod repeats;
mod scopes;
mod splits;
mod streaming;
mod waiting;
