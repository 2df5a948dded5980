//! What holds for the proxy as a whole, and its control surface.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read;
use crate::types::Span;

/// The control surface.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// The address. Default: `127.0.0.1:9180`. Anything but loopback needs `tokenFile`.
    #[serde(default, deserialize_with = "read::maybe_address")]
    #[schemars(with = "Option<String>")]
    pub address: Option<SocketAddr>,
    /// Names by which it may be called, beside `localhost` and its own address; a request for another Host is refused.
    /// Default: none.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// A file with the token that calls must carry, read for each call: a new one holds at once. Default: one that weir makes at its start in its state directory, mode 0600.
    pub token_file: Option<PathBuf>,
}

/// What holds for the proxy as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proxy {
    /// Threads that serve requests, 1 to 256. Default: one for each core. Needs a restart to change.
    pub workers: Option<u32>,
    /// How long requests in flight may go on after SIGTERM. Default: 30s.
    pub drain_timeout: Option<Span>,
    /// How long the listeners stay open after readiness is withdrawn, for load balancers to notice. Default: 0s.
    pub drain_delay: Option<Span>,
    /// Limits for clients.
    #[serde(default)]
    pub limits: Limits,
    /// Timeouts for clients.
    #[serde(default)]
    pub timeouts: ClientTimeouts,
    /// One line for each request.
    #[serde(default)]
    pub access_log: AccessLog,
}

/// Limits for clients.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Client connections of all listeners together. Default: 65536.
    pub connections: Option<u32>,
    /// Bytes of a request head; 431 beyond. Default: 65536.
    pub header_bytes: Option<u32>,
    /// Fields of a request; 431 beyond. Default: 100.
    pub header_count: Option<u32>,
    /// Bytes of a request body; 413 beyond. Default: no limit.
    pub body_bytes: Option<u64>,
    /// Concurrent requests on one HTTP/2 connection. Default: 100.
    pub http2_streams: Option<u32>,
}

/// Timeouts for clients.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientTimeouts {
    /// For the TLS handshake. Default: 10s.
    pub handshake: Option<Span>,
    /// For a whole request head from its first byte. Default: 15s.
    pub header: Option<Span>,
    /// Between two requests on a connection. Default: 75s.
    pub keep_alive: Option<Span>,
}

/// One line for each request, on standard output.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessLog {
    /// Default: `off`.
    #[serde(default)]
    pub format: AccessLogFormat,
    /// The line of `text`, with Envoy's operators. Default: see the documentation.
    pub template: Option<String>,
}

/// How an access log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccessLogFormat {
    /// No lines.
    #[default]
    Off,
    /// By template.
    Text,
    /// One JSON object.
    Json,
}
