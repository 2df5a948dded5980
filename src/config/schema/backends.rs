//! Named targets.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Certificate;
use crate::types::{Ratio, Span};

/// A named target: one or more endpoints that answer alike.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// `host:port` each. A name is resolved, and resolved again when its TTL ends; each address it has is an endpoint.
    /// While there is none, the other backends of a split take its share; where there is no other, requests wait in `queue`.
    pub endpoints: Vec<String>,
    /// Stands for a target that does not exist: requests that it would get are answered 500, and go nowhere else. Then it
    /// has no endpoints. Default: false.
    #[serde(default)]
    pub unresolved: bool,
    /// What is spoken to the endpoints. Default: `auto`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Speak TLS to the endpoints.
    pub tls: Option<BackendTls>,
    /// How an endpoint is chosen. Default: `leastLatency`.
    #[serde(default)]
    pub balancer: Balancer,
    /// Ask the endpoints whether they are well. Default: only the traffic tells.
    pub health_check: Option<HealthCheck>,
    /// Take endpoints out that fail requests. On unless switched off.
    #[serde(default)]
    pub outlier: Outlier,
    /// How long to wait for what.
    #[serde(default)]
    pub timeouts: BackendTimeouts,
    /// Most connections to each endpoint from each worker. Default: 1024.
    pub max_connections: Option<u32>,
    /// Most requests that wait for a connection in each worker before 503. Default: 1024.
    pub max_pending: Option<u32>,
    /// Requests that wait while no endpoint takes any, and no other backend stands in.
    #[serde(default)]
    pub queue: Queue,
}

/// Requests that wait for an endpoint to appear, whatever their method: nothing of them has been sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// Most requests that wait at a time; the next one gets 503 at once. 0: none waits. Default: 1000.
    pub requests: Option<u32>,
    /// The longest wait before 503 with Retry-After. 0s: none waits. Default: 5s.
    #[serde(rename = "for")]
    pub time: Option<Span>,
}

/// What is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// With TLS what ALPN settles; without: HTTP/1.1, and HTTP/2 with prior knowledge for gRPC requests.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS with prior knowledge (h2c).
    Http2,
}

/// The client side of TLS.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendTls {
    /// A PEM file of the authorities to trust. Default: the machine's own.
    pub ca: Option<PathBuf>,
    /// The name that the certificate must carry, sent as SNI. Default: the endpoint's host.
    pub server_name: Option<String>,
    /// The names of which the certificate must carry one, instead of the server name. Default: the server name.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
    /// The certificate weir shows to the backend.
    pub client_certificate: Option<Certificate>,
}

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SubjectAltName {
    /// Of a host.
    Hostname(String),
    /// A URI, such as `spiffe://example.com/shop`.
    Uri(String),
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Balancer {
    /// The better of two random ones, by requests in flight times the peak-sensitive moving average of the latency.
    #[default]
    LeastLatency,
    /// One after the other.
    RoundRobin,
}

/// An active probe of each endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// What to GET, such as `/healthz`; 200 to 399 is healthy.
    pub path: String,
    /// The Host to send. Default: the endpoint.
    pub host: Option<String>,
    /// The time between two probes. Default: 5s.
    pub interval: Option<Span>,
    /// The longest wait for an answer. Default: 2s.
    pub timeout: Option<Span>,
    /// Good answers in a row until an endpoint is healthy again. Default: 2.
    pub healthy_after: Option<u32>,
    /// Bad answers in a row until an endpoint is unhealthy. Default: 3.
    pub unhealthy_after: Option<u32>,
}

/// Passive ejection of endpoints that fail. The last endpoints of a backend are never ejected.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outlier {
    /// Whether endpoints are ejected at all. Default: true.
    pub enabled: Option<bool>,
    /// Failures in a row (connection errors, timeouts, 502, 503, 504) until ejection. One that answers nobody any more is
    /// ejected at once. Default: 5.
    pub consecutive_failures: Option<u32>,
    /// How long the first ejection lasts; each further one is longer by as much. Default: 10s.
    pub ejection: Option<Span>,
    /// The largest part of a backend's endpoints that may be ejected at once. Default: 50%.
    pub max_ejected: Option<Ratio>,
}

/// How long to wait for an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendTimeouts {
    /// For the connection, TLS included. Default: 2s.
    pub connect: Option<Span>,
    /// From the sent request to the response head. Default: 60s.
    pub response: Option<Span>,
    /// Between two parts of a body, in either direction. Default: 5m.
    pub idle: Option<Span>,
    /// How long an unused connection is kept. Default: 60s.
    pub keep_alive: Option<Span>,
}
