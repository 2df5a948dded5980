//! `weir demo`: two versions of a small application, a real weir in front of them, visitors, and a view of what happens.
//!
//! Everything runs in this process and over loopback: the applications and the visitors on this thread, weir on threads of
//! its own, from a configuration file like any other. Nothing is acted: what the view shows is what weir says of itself
//! and what visitors saw.

pub mod app;
mod ledger;
mod visitors;

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Listens for SIGINT and SIGTERM from now on; the future ends at the first of them.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
