//! Which requests go where, and what happens to them on the way.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::{Name, Ratio, Span, Weight};

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
    /// Share among these backends and releases by weight. Without any weight above 0 requests get 500.
    pub backends: Option<Vec<WeightedBackend>>,
    /// Answer with a redirect.
    pub redirect: Option<Redirect>,
    /// Changes to requests and responses on the way.
    #[serde(default)]
    pub filters: Filters,
    /// Send a copy of a share of the requests elsewhere; the copy's answer is dropped.
    pub mirror: Option<Mirror>,
    /// Several such copies. Not together with `mirror`.
    pub mirrors: Option<Vec<Mirror>>,
    /// The longest time from the whole request head to the end of the response; 504 beyond. Default: none.
    pub timeout: Option<Span>,
    /// The longest time of each attempt, from its begin to the end of the response; 504 beyond. Default: none, only the
    /// backend's `timeouts` hold.
    pub backend_timeout: Option<Span>,
    /// When a failed attempt is repeated.
    pub retry: Option<Retry>,
}

/// What a request must look like; everything that is written must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// The host: `shop.example.com` or `*.example.com` (one or more labels). Default: any.
    pub host: Option<String>,
    /// The `*` of `host` stands for exactly one label, as in an Ingress. Default: for one or more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_label: bool,
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
    /// The method of a gRPC call, whatever its service: a regular expression that must match the second of two segments.
    /// Every rule with a longer prefix than `/` goes before it, as a service does in the Gateway API.
    GrpcMethod(String),
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

/// A backend, or a release, and its share of a split. Exactly one of `name` and `release`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedBackend {
    /// The backend.
    pub name: Option<Name>,
    /// The release: what it gets is shared between its stable and its canary. Affinity and overrides choose between these
    /// two alone, for the requests that the split gives to the release.
    pub release: Option<Name>,
    /// Its share of the sum of the weights; 0 receives nothing. Default: 1.
    #[serde(default)]
    pub weight: Weight,
    /// Changes to what goes to this backend (or release) alone and comes from it, nearer to it than those of the route.
    #[serde(default)]
    pub filters: BackendFilters,
}

impl WeightedBackend {
    /// This backend with this weight.
    pub fn new(name: Name, weight: Weight) -> Self {
        Self { name: Some(name), release: None, weight, filters: BackendFilters::default() }
    }
}

impl Route {
    /// The releases that it leads to, each once.
    pub fn releases(&self) -> BTreeSet<&Name> {
        let split = self.backends.iter().flatten().filter_map(|branch| branch.release.as_ref());
        split.chain(&self.release).collect()
    }
}

/// Changes to what goes to one backend or release of a split, and comes from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendFilters {
    /// Changes to the request's fields, after those of the route.
    #[serde(default)]
    pub request_headers: HeaderChanges,
    /// Changes to the response's fields, before those of the route.
    #[serde(default)]
    pub response_headers: HeaderChanges,
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
    /// What pages of other origins may do. weir answers the browsers' questions (preflights) itself.
    pub cors: Option<Cors>,
}

/// What pages of other origins may do (CORS). What backends say about it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cors {
    /// Who may: `https://shop.example.com`, `https://*.example.com` (one or more labels), or `*` for all. Without a port it
    /// is the scheme's own.
    pub allow_origins: Vec<String>,
    /// The methods beside GET, HEAD and POST; or `*` alone.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// The request's fields that pages may set; or `*` alone.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// The response's fields that pages may read; or `*` alone, which browsers heed without credentials only.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// Whether cookies and other credentials may come along. Default: false.
    #[serde(default)]
    pub allow_credentials: bool,
    /// How long browsers may remember the answer, in whole seconds. Default: 5s.
    pub max_age: Option<Span>,
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
/// A failed canary attempt is repeated on stable. GET, HEAD and OPTIONS that wait at an endpoint which answers nobody any more
/// (for 2s, and three times what it takes otherwise) are asked elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included: 1 to 10. Whoever fell off the canary has as many on stable.
    /// While no endpoint can be reached, 4 are made even where fewer are written, except with 1. Default: 2.
    pub attempts: Option<u32>,
    /// The statuses that are repeated. Default: 502, 503, 504; on the canary every 5xx.
    pub statuses: Option<Vec<u16>>,
    /// Repeats are at most this share of a backend's requests (and always 10 a second). Default: 20%.
    pub budget: Option<Ratio>,
}
