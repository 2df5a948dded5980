//! A snapshot to begin with, for tests.

use std::time::Duration;

use super::{ClientPolicy, Snapshot};
use crate::route::Router;

/// With nothing in it.
pub(crate) fn empty(generation: u64) -> Snapshot {
    let client = ClientPolicy {
        connections: 1,
        header_bytes: 1,
        header_count: 1,
        body_bytes: None,
        http2_streams: 1,
        handshake: Duration::ZERO,
        header: Duration::ZERO,
        keep_alive: Duration::ZERO,
        drain_timeout: Duration::ZERO,
        drain_delay: Duration::ZERO,
    };
    Snapshot {
        generation,
        listeners: Vec::new(),
        router: Router::new(Vec::new()),
        backends: Default::default(),
        releases: Default::default(),
        client,
        access_log: None,
    }
}
