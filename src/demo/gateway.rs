//! The weir in the demo: the whole of it, started as `weir run` starts it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::cast;
use crate::app::{self, Options, Running, Source};
use crate::engine::{JournalEntry, ReleaseStatus};

/// A running weir.
pub(crate) struct Gateway {
    running: Running,
    web: SocketAddr,
}

impl Gateway {
    /// Starts weir from a file, with a state directory beside it; it serves when this returns.
    pub(crate) async fn start(folder: &Path, configuration: &str) -> anyhow::Result<Self> {
        let config = folder.join("weir.yaml");
        std::fs::write(&config, configuration).context("cannot write the demo's configuration")?;
        let running = app::start(Options { source: Source::File(config), state_dir: folder.join("state") }).await?;
        let web = running.listeners.first().context("weir has no listener")?.1;
        Ok(Self { running, web })
    }

    /// Where visitors come in.
    pub(crate) fn address(&self) -> SocketAddr {
        self.web
    }

    /// The release as weir sees it; `None` before its engine has looked for the first time.
    pub(crate) fn status(&self) -> Option<ReleaseStatus> {
        self.running.control.status().into_iter().find(|status| status.name.as_str() == cast::RELEASE)
    }

    /// Every decision so far, the oldest first.
    pub(crate) fn history(&self) -> Vec<JournalEntry> {
        self.running.control.history(Some(cast::RELEASE))
    }

    /// Drains and ends it. A request that does not end is not waited for longer than a few seconds.
    pub(crate) async fn stop(self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.running.drain()).await;
    }
}
