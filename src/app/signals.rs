//! The signals that weir obeys.

use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(PartialEq, Eq)]
pub(super) enum Signal {
    Reload,
    End,
}

pub(super) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.terminate.recv() => Signal::End,
        }
    }

    /// The next signal to end; reloads do not count any more.
    pub(super) async fn ended(&mut self) {
        while self.next().await == Signal::Reload {}
    }
}
