//! The configuration file, as it is written: what serde reads is what the user wrote, nothing more.
//!
//! Every optional value is an `Option` or has its default in [`super::defaults`]; [`super::compile()`] turns these types into
//! a [`crate::snapshot::Snapshot`], and they go no further.

mod analysis;
mod backends;
mod proxy;
mod read;
mod releases;
mod routes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::Name;

pub use analysis::{Analysis, Comparison, Failures, LatencyComparison, Line, OnNoEvidence, OnSuspicion, Preset, Risk};
pub use backends::{
    Backend, BackendTimeouts, BackendTls, Balancer, HealthCheck, Outlier, Protocol, Queue, SubjectAltName,
};
pub use proxy::{AccessLog, AccessLogFormat, Admin, ClientTimeouts, Limits, Proxy};
pub use releases::{
    Affinity, Check, ClientIpAffinity, CookieAffinity, FullStep, HoldBack, MirrorFirst, Override, PrometheusCheck,
    Release, Step, WebhookCheck,
};
pub use routes::{
    BackendFilters, Cors, Filters, HeaderChanges, Match, Mirror, PathMatch, PathMatchKind, PathRewrite, Redirect,
    Retry, Rewrite, Route, ValueMatch, ValueMatchKind, WeightedBackend,
};

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
    /// Which hosts: `shop.example.com` or `*.example.com` (one or more labels). Listeners with different hosts may share one
    /// address, either all with `tls` or none: a request then belongs to the one with the most specific host that fits, and
    /// is served by its routes alone. Default: any.
    pub host: Option<String>,
    /// The port that clients connect to, where something in between maps it to another. Redirects lead there. Default:
    /// the address's own.
    pub public_port: Option<u16>,
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
    /// Ask clients for certificates. Default: nobody is asked.
    pub client_certificates: Option<ClientCertificates>,
}

/// Who may connect to a listener.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificates {
    /// A PEM file of the authorities that clients' certificates must be of.
    pub ca: PathBuf,
    /// What becomes of clients without a good certificate. Default: `required`.
    #[serde(default)]
    pub mode: ClientCertificateMode,
}

/// What becomes of clients without a good certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClientCertificateMode {
    /// They are refused.
    #[default]
    Required,
    /// They are let in, whatever they show.
    Optional,
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
