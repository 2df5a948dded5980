//! Which requests go where.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Which HTTP requests go where.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "HTTPRoute", namespaced, schema = "disabled")]
#[kube(status = "RouteStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct HTTPRouteSpec {
    /// Where it attaches.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// The hosts. Default: all of the listener.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules.
    #[serde(default)]
    pub rules: Vec<HttpRule>,
}

/// Which gRPC calls go where.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "GRPCRoute", namespaced, schema = "disabled")]
#[kube(status = "RouteStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct GRPCRouteSpec {
    /// Where it attaches.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// The hosts. Default: all of the listener.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules.
    #[serde(default)]
    pub rules: Vec<GrpcRule>,
}

/// What a route attaches to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Default: that of the Gateway API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Default: `Gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Default: that of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Only this listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Only listeners with this port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// A reference to an object, perhaps of another namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its namespace. Default: that of whoever refers to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A reference to a backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackendRef {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Which of its ports.
    pub port: Option<u16>,
    /// Its share of the sum of the weights. Default: 1.
    pub weight: Option<u32>,
    /// What happens to the requests that go there.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

/// A rule of an HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRule {
    /// Its name.
    pub name: Option<String>,
    /// Which requests; any of them will do. Default: all.
    #[serde(default)]
    pub matches: Vec<HttpMatch>,
    /// What happens to them.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Where they go.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
    /// How long they may take.
    pub timeouts: Option<Timeouts>,
}

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// The path. Default: every path.
    pub path: Option<ValueMatch>,
    /// Fields, all of them.
    #[serde(default)]
    pub headers: Vec<NamedMatch>,
    /// Query parameters, all of them.
    #[serde(default)]
    pub query_params: Vec<NamedMatch>,
    /// The method.
    pub method: Option<String>,
}

/// How a text is compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValueMatch {
    /// `Exact`, `PathPrefix` or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// With what.
    pub value: Option<String>,
}

/// How a field or a parameter is compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedMatch {
    /// `Exact` (the default) or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Of the field or parameter.
    pub name: String,
    /// With what.
    #[serde(default)]
    pub value: String,
}

/// How long requests may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// All in all.
    pub request: Option<String>,
    /// Each attempt.
    pub backend_request: Option<String>,
}

/// A rule of a GRPCRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRule {
    /// Its name.
    pub name: Option<String>,
    /// Which calls; any of them will do. Default: all.
    #[serde(default)]
    pub matches: Vec<GrpcMatch>,
    /// What happens to them.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Where they go.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// Which calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrpcMatch {
    /// The method. Default: every method.
    pub method: Option<GrpcMethod>,
    /// Metadata, all of it.
    #[serde(default)]
    pub headers: Vec<NamedMatch>,
}

/// A gRPC method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrpcMethod {
    /// `Exact` (the default) or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Default: every service.
    pub service: Option<String>,
    /// Default: every method.
    pub method: Option<String>,
}

/// Something that happens to requests; the field that `type` names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Which one.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Changes to the request's fields.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Changes to the response's fields.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A copy for somebody else.
    pub request_mirror: Option<RequestMirror>,
    /// A redirect.
    pub request_redirect: Option<RequestRedirect>,
    /// Changes to the target.
    pub url_rewrite: Option<UrlRewrite>,
    /// What other origins may do.
    pub cors: Option<Cors>,
}

/// Changes to fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeaderModifier {
    /// Replaced.
    #[serde(default)]
    pub set: Vec<NamedMatch>,
    /// Added.
    #[serde(default)]
    pub add: Vec<NamedMatch>,
    /// Removed.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A copy of requests for somebody else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// For whom.
    pub backend_ref: BackendRef,
    /// Of how many in a hundred. Default: all.
    pub percent: Option<u32>,
    /// Of how many.
    pub fraction: Option<Fraction>,
}

/// A share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fraction {
    /// So many.
    pub numerator: u32,
    /// Of so many. Default: 100.
    pub denominator: Option<u32>,
}

/// A redirect. What is missing stays as in the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The host.
    pub hostname: Option<String>,
    /// The path.
    pub path: Option<PathModifier>,
    /// The port.
    pub port: Option<u16>,
    /// Default: 302.
    pub status_code: Option<u16>,
}

/// Changes to the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UrlRewrite {
    /// The host.
    pub hostname: Option<String>,
    /// The path.
    pub path: Option<PathModifier>,
}

/// A change to a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathModifier {
    /// `ReplaceFullPath` or `ReplacePrefixMatch`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The whole path.
    pub replace_full_path: Option<String>,
    /// Instead of the prefix that matched.
    pub replace_prefix_match: Option<String>,
}

/// What other origins may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Which ones; `*` for all.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Whether with credentials.
    pub allow_credentials: Option<bool>,
    /// With which methods.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// With which fields.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Which fields of the response they may see.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// Seconds that the answer holds.
    pub max_age: Option<u32>,
}

/// What weir says of a route, and what others say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// One for each parent that is known.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// What a controller says of a route at one parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// Which parent, as the route names it.
    pub parent_ref: ParentRef,
    /// Who says so.
    pub controller_name: String,
    /// Accepted, ResolvedRefs.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
