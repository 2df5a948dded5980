//! The configuration file, as it is written: what serde reads is what the user wrote, nothing more.
//!
//! Every optional value is an `Option` or has its default in [`super::defaults`]; [`super::compile`] turns these types into
//! a [`crate::snapshot::Snapshot`], and they go no further.

mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::{Name, Ratio, Span, Weight};

/// A whole configuration file. Keys that begin with `x-` are left alone: a place for anchors.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["listeners"], "patternProperties" = { "^x-": true }))]
pub struct File {
    /// Where clients connect. At least one.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Which requests go where. The most specific match wins, whatever the order here.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The targets that routes and releases name.
    #[serde(default)]
    pub backends: BTreeMap<Name, Backend>,
    /// The canaries: which backend is stable, which is the candidate, and how the candidate is promoted.
    #[serde(default)]
    pub releases: BTreeMap<Name, Release>,
    /// The control surface.
    #[serde(default)]
    pub admin: Admin,
    /// What holds for the proxy as a whole.
    #[serde(default)]
    pub proxy: Proxy,
}

/// Accepts clients at one address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Its name, in metrics and in the `listeners` of routes.
    pub name: Name,
    /// The address and port, such as `0.0.0.0:8080` or `[::]:443`.
    #[serde(deserialize_with = "read::address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Serve HTTPS here. Without it: plain HTTP/1.1 and HTTP/2 with prior knowledge.
    pub tls: Option<ListenerTls>,
    /// Proxies in front of weir whose X-Forwarded-* fields are believed. Default: none.
    #[serde(default, deserialize_with = "read::networks")]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
}

/// The server side of TLS. ALPN offers HTTP/2 and HTTP/1.1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// The certificate is chosen by the name that the client asks for (SNI), an exact name before a wildcard;
    /// a client that asks for none, or for an unknown one, gets the first.
    pub certificates: Vec<Certificate>,
    /// The oldest version of TLS to accept. Default: `1.2`.
    #[serde(default)]
    pub min_version: TlsVersion,
}

/// A certificate chain and its private key, in PEM files. The files are watched, and read again when they change.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Sends the requests that match to a target. Exactly one of `release`, `backend`, `backends` and `redirect`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Its name in metrics and logs. Default: `route-N` by its place in the file, from 1.
    pub name: Option<Name>,
    /// What a request must look like. Default: every request. Not together with `matches`.
    #[serde(rename = "match")]
    pub matching: Option<Match>,
    /// Several matches, any of which will do.
    pub matches: Option<Vec<Match>>,
    /// The listeners it is served on. Default: all.
    pub listeners: Option<Vec<Name>>,
    /// Send to this release: shared between its stable and its canary.
    pub release: Option<Name>,
    /// Send everything to this backend.
    pub backend: Option<Name>,
    /// Share among these backends by weight.
    pub backends: Option<Vec<WeightedBackend>>,
    /// Answer with a redirect.
    pub redirect: Option<Redirect>,
    /// Changes to requests and responses on the way.
    #[serde(default)]
    pub filters: Filters,
    /// Send a copy of a share of the requests elsewhere; the copy's answer is dropped.
    pub mirror: Option<Mirror>,
    /// The longest time from the whole request head to the end of the response. Default: none.
    pub timeout: Option<Span>,
    /// When a failed attempt is repeated.
    pub retry: Option<Retry>,
}

/// What a request must look like; everything that is written must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// The host: `shop.example.com` or `*.example.com` (one or more labels). Default: any.
    pub host: Option<String>,
    /// The path. Default: any.
    pub path: Option<PathMatch>,
    /// The method, such as `GET`. Default: any.
    pub method: Option<String>,
    /// Fields the request must have, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, ValueMatch>,
    /// Query parameters the request must have, by name.
    #[serde(default)]
    pub query: BTreeMap<String, ValueMatch>,
}

/// A path: plain text is a prefix of whole segments (`/shop` matches `/shop` and `/shop/cart`, not `/shopping`).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PathMatch {
    /// A prefix of whole segments.
    Prefix(String),
    /// Another way to compare.
    Kind(PathMatchKind),
}

/// How a path is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PathMatchKind {
    /// The whole path, byte for byte.
    Exact(String),
    /// A prefix of whole segments.
    Prefix(String),
    /// A regular expression that must match the whole path.
    Regex(String),
}

/// A value: plain text must be equal.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ValueMatch {
    /// Equal, byte for byte.
    Exact(String),
    /// Another way to compare.
    Kind(ValueMatchKind),
}

/// How a value is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ValueMatchKind {
    /// Equal, byte for byte.
    Exact(String),
    /// A regular expression that must match the whole value.
    Regex(String),
}

/// A backend and its share of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedBackend {
    /// The backend.
    pub name: Name,
    /// Its share of the sum of the weights; 0 receives nothing. Default: 1.
    #[serde(default)]
    pub weight: Weight,
}

/// Changes to requests and responses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filters {
    /// Changes to the request's fields before it is forwarded.
    #[serde(default)]
    pub request_headers: HeaderChanges,
    /// Changes to the response's fields before it is returned.
    #[serde(default)]
    pub response_headers: HeaderChanges,
    /// Changes to the request's target.
    pub rewrite: Option<Rewrite>,
}

/// Changes to fields: set replaces, add appends, remove deletes; in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderChanges {
    /// Replaced, or added where missing.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Added beside what is there.
    #[serde(default)]
    pub add: BTreeMap<String, String>,
    /// Removed.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Changes to the request's target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rewrite {
    /// The Host that the backend sees.
    pub host: Option<String>,
    /// The path that the backend sees; the query stays.
    pub path: Option<PathRewrite>,
}

/// A change to the path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PathRewrite {
    /// The whole path is replaced.
    Full(String),
    /// The matched prefix is replaced; only where the route matches by prefix.
    Prefix(String),
}

/// A redirect. What is not written stays as in the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The host of the new location.
    pub host: Option<String>,
    /// The port. Default: the scheme's own when the scheme is written, else the listener's.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308. Default: 302.
    pub status: Option<u16>,
}

/// A copy of requests for another backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// Who gets the copies.
    pub backend: Name,
    /// Of how many requests. Default: 100%.
    pub share: Option<Ratio>,
}

/// When a failed attempt is repeated.
///
/// Only what may be repeated is: a request of an idempotent method, or one of which nothing was sent.
/// A failed canary attempt is repeated on stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included: 1 to 10. Default: 2.
    pub attempts: Option<u32>,
    /// The statuses that are repeated. Default: 502, 503, 504; on the canary every 5xx.
    pub statuses: Option<Vec<u16>>,
    /// Repeats are at most this share of a backend's requests (and always 10 a second). Default: 20%.
    pub budget: Option<Ratio>,
}

/// A named target: one or more endpoints that answer alike.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// `host:port` each. A name is resolved, and resolved again when its TTL ends; each address it has is an endpoint.
    pub endpoints: Vec<String>,
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
    /// The certificate weir shows to the backend.
    pub client_certificate: Option<Certificate>,
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
    /// Failures in a row (connection errors, timeouts, 502, 503, 504) until ejection. Default: 5.
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

/// A canary: two backends, the steps from one to the other, and what must hold on the way.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// The backend in service.
    pub stable: Name,
    /// The candidate.
    pub canary: Name,
    /// Any text; another text starts a new rollout of the same two backends.
    pub revision: Option<String>,
    /// The shares on the way to 100%, rising. Default: 1%, 5%, 25%, 50%.
    pub steps: Option<Vec<Step>>,
    /// Who stays with a version once sent there. Default: every request is shared on its own.
    pub affinity: Option<Affinity>,
    /// Requests that testers send to a side of their choice. Default: none.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// What is tolerated, what is bad, and how sure weir must be.
    #[serde(default)]
    pub analysis: Analysis,
    /// Further conditions beside weir's own eyes.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One stage of a rollout: a share alone (`5%`), or with its conditions.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// A share; passes when the evidence is there.
    Weight(Ratio),
    /// A share with conditions.
    Full(FullStep),
}

/// One stage of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FullStep {
    /// The canary's share.
    pub weight: Ratio,
    /// Not before this time, however good the evidence. Default: 0s.
    pub at_least: Option<Span>,
    /// When the evidence is not there by then, `analysis.onNoEvidence` decides. Default: no limit.
    pub at_most: Option<Span>,
    /// Wait here for `weir promote` or `weir resume` once the step has passed. Default: false.
    #[serde(default)]
    pub pause: bool,
}

/// Who stays with a version once sent there. Exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Affinity {
    /// A client that keeps cookies: weir sets one, on both sides.
    Cookie(CookieAffinity),
    /// The value of a request field, such as `x-user-id`. Requests without it are shared on their own.
    Header(String),
    /// The client's address, as X-Forwarded-For tells behind trusted proxies.
    ClientIp(ClientIpAffinity),
}

/// Affinity by cookie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CookieAffinity {
    /// The cookie's name. Default: `weir-RELEASE`.
    pub name: Option<String>,
    /// How long a client keeps it. Default: 24h.
    pub max_age: Option<Span>,
}

/// Affinity by address; nothing to configure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientIpAffinity {}

/// Sends testers to one side. The field or cookie is removed before the request is forwarded.
///
/// Outsiders must not choose: needs a `value` (or `valueFile`) of 16 characters or more, or `from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The side that matching requests go to.
    pub to: crate::types::Side,
    /// The request field that must be there. Exactly one of `header` and `cookie`.
    pub header: Option<String>,
    /// The cookie that must be there.
    pub cookie: Option<String>,
    /// The value that it must have: a secret. Default: any, from the addresses of `from`.
    pub value: Option<String>,
    /// A file with that value instead, such as a mounted secret; blanks and line ends around it do not count.
    pub value_file: Option<PathBuf>,
    /// The client addresses that may choose. Default: all who know the value.
    #[serde(default, deserialize_with = "read::networks")]
    #[schemars(with = "Vec<String>")]
    pub from: Vec<IpNet>,
}

/// What is tolerated, what is bad, and how sure weir must be. Everything has a default; an empty analysis is a good one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Analysis {
    /// At most this share of releases whose canary is tolerable is aborted. Default: 1%.
    pub false_abort: Option<Ratio>,
    /// At most this share of releases whose canary is bad is promoted. Default: 1%.
    pub false_promote: Option<Ratio>,
    /// The error rate of the canary against stable's.
    #[serde(default)]
    pub error_rate: Comparison,
    /// The error rate of each single route against stable's on the same route: what drowns in the sum is found there.
    #[serde(default)]
    pub route_error_rate: Comparison,
    /// The share of slow responses, at every latency bound, against stable's.
    #[serde(default)]
    pub latency: LatencyComparison,
    /// What counts as a failure. Default: 500 to 599, and what never became a response.
    #[serde(default)]
    pub failures: Failures,
    /// For this long after its first request the canary may be slow, and may fail up to 30 points more. Default: 15s.
    pub warm_up: Option<Span>,
    /// Never promote earlier than this after the start: some faults need time. Default: 4m.
    pub minimum_time: Option<Span>,
    /// What to do when a step's `atMost` ends without evidence. Default: `hold`.
    #[serde(default)]
    pub on_no_evidence: OnNoEvidence,
}

/// Two lines for a rate of the canary as a function of stable's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comparison {
    /// Up to this line the canary is fine, and not aborted. Default: `1.25x + 0.1%`; for one route `1.25x + 1%`.
    pub tolerable: Option<Line>,
    /// From this line on the canary is bad, and not promoted. Default: `1.5x + 0.5%`; for one route `1.5x + 5%`.
    pub bad: Option<Line>,
}

/// As [`Comparison`], for the share of responses slower than a bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyComparison {
    /// Whether latency is judged at all. Default: true.
    pub enabled: Option<bool>,
    /// Up to this line the canary is fine. Default: `1.25x + 0.5%`.
    pub tolerable: Option<Line>,
    /// From this line on the canary is bad. Default: `1.5x + 2%`.
    pub bad: Option<Line>,
    /// The bounds at which both versions are compared, rising, at most 31.
    /// Default: 5, 10, 15, 25, 40, 60, 80, 100, 150, 200, 300, 400, 500, 750ms, 1, 1.5, 2.5, 5, 10s.
    pub bounds: Option<Vec<Span>>,
}

/// A line `Nx + P%`: `N` times stable's rate plus `P` points. Either part may be left out (`2x`, `0.5%`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Times stable's rate, at least 0.
    pub times: f64,
    /// Plus this share.
    pub plus: Ratio,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x + {}", self.times, self.plus)
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a line: write it like `1.25x + 0.1%`, `2x` or `0.5%`");
        let (mut times, mut plus) = (None, None);
        for part in text.split('+').map(str::trim) {
            if let Some(number) = part.strip_suffix('x') {
                let number: f64 = number.trim_end().parse().map_err(|_| wrong())?;
                if times.replace(number).is_some() || !(0.0..=1000.0).contains(&number) {
                    return Err(wrong());
                }
            } else if plus.replace(part.parse::<Ratio>().map_err(|_| wrong())?).is_some() {
                return Err(wrong());
            }
        }
        Ok(Self { times: times.unwrap_or(0.0), plus: plus.unwrap_or(Ratio::ZERO) })
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Line {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Line".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "N times stable's rate plus P points, such as 1.25x + 0.1%.",
        })
    }
}

/// What counts as a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failures {
    /// Statuses and ranges, such as `"500-599"` or `"429"`. Default: `500-599`.
    pub statuses: Option<Vec<String>>,
    /// gRPC statuses by number. Default: 2, 4, 12, 13, 14, 15 (unknown, deadline exceeded, unimplemented, internal, unavailable, data loss).
    pub grpc: Option<Vec<u8>>,
}

/// What to do when a step's `atMost` ends without evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnNoEvidence {
    /// Stay at the weight, and go on looking.
    #[default]
    Hold,
    /// Go on to the next step.
    Promote,
    /// Take the canary out.
    Abort,
}

/// A further condition: a rollout goes on while it passes, waits while it is inconclusive and is aborted when it fails.
/// Exactly one of `prometheus` and `webhook`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Its name in the journal.
    pub name: Name,
    /// A query that gives one number.
    pub prometheus: Option<PrometheusCheck>,
    /// A URL that answers.
    pub webhook: Option<WebhookCheck>,
    /// The time between two looks. Default: 15s.
    pub interval: Option<Span>,
    /// The longest wait for an answer. Default: 5s.
    pub timeout: Option<Span>,
    /// Failures in a row until the check fails. Default: 2.
    pub failures: Option<u32>,
}

/// A Prometheus instant query. No data is inconclusive, never a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusCheck {
    /// The server, such as `http://127.0.0.1:9090`.
    pub address: String,
    /// The query; must give one number.
    pub query: String,
    /// The condition under which it passes: a comparison with a number, such as `< 0.05` or `>= 1`.
    pub pass_if: String,
}

/// A POST of the release's status as JSON. 200 to 299 passes, 409 is inconclusive, 400 to 499 otherwise fails;
/// 5xx and no answer are inconclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookCheck {
    /// Where to.
    pub url: String,
}

/// The control surface.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// The address. Default: `127.0.0.1:9180`. Anything but loopback needs `tokenFile`.
    #[serde(default, deserialize_with = "read::maybe_address")]
    #[schemars(with = "Option<String>")]
    pub address: Option<SocketAddr>,
    /// A file with the token that calls must carry. Default: one that weir makes at its start in its state directory, mode 0600.
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
