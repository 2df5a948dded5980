//! The kinds of the Gateway API, as far as weir reads them.
//!
//! Own types instead of generated ones, for two reasons. What the API repeats for every kind (parents, backends, filters,
//! listeners) is one type here, so that there is one translation. And what is an enum there is text here: a value of a newer
//! version of the API is that object's problem, told in its conditions, and not the end of the whole list.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// The group of all kinds here.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// A class of Gateways, and who implements it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "GatewayClass", schema = "disabled")]
#[kube(status = "GatewayClassStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Who implements it.
    pub controller_name: String,
    /// More about it, in another object.
    pub parameters_ref: Option<ObjectRef>,
}

/// What weir says of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// Whether it is accepted.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// What is implemented, sorted by name.
    #[serde(default)]
    pub supported_features: Vec<SupportedFeature>,
}

/// A feature by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SupportedFeature {
    /// Such as `HTTPRouteCORS`.
    pub name: String,
}

/// Where clients connect.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "Gateway", namespaced, schema = "disabled")]
#[kube(status = "GatewayStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Its class.
    pub gateway_class_name: String,
    /// What it listens on.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// The addresses that are asked for.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// What the objects get that are made for it.
    pub infrastructure: Option<Infrastructure>,
    /// Which ListenerSets may add to it.
    pub allowed_listeners: Option<AllowedListeners>,
    /// TLS of the Gateway as a whole.
    pub tls: Option<GatewayTls>,
}

/// An address, asked for or given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// `IPAddress` (the default), `Hostname`, or a name of somebody's own.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The address; without it any of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What the objects get that are made for a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// Labels.
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
    /// More, in another object.
    pub parameters_ref: Option<ObjectRef>,
}

/// Which ListenerSets may add to a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AllowedListeners {
    /// Of which namespaces. Default: of none.
    pub namespaces: Option<FromNamespaces>,
}

/// A choice of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FromNamespaces {
    /// `All`, `Same`, `Selector` or `None`.
    pub from: Option<String>,
    /// The labels of namespaces, for `Selector`.
    pub selector: Option<LabelSelector>,
}

/// TLS of a Gateway as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayTls {
    /// Towards backends.
    pub backend: Option<GatewayTlsBackend>,
    /// Towards clients.
    pub frontend: Option<GatewayTlsFrontend>,
}

/// TLS towards backends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayTlsBackend {
    /// What the Gateway shows to backends.
    pub client_certificate_ref: Option<ObjectRef>,
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayTlsFrontend {
    /// For all ports that have nothing of their own.
    pub default: Option<FrontendTls>,
    /// For one port.
    #[serde(default)]
    pub per_port: Vec<PortTls>,
}

/// TLS towards the clients of one port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PortTls {
    /// The port.
    pub port: u16,
    /// What holds there.
    #[serde(default)]
    pub tls: FrontendTls,
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrontendTls {
    /// What clients have to show.
    pub validation: Option<FrontendValidation>,
}

/// What clients have to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendValidation {
    /// The authorities of their certificates.
    #[serde(default)]
    pub ca_certificate_refs: Vec<ObjectRef>,
    /// `AllowValidOnly` (the default) or `AllowInsecureFallback`.
    pub mode: Option<String>,
}

/// One thing that a Gateway or a ListenerSet listens on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its name, which is its own in the Gateway or the ListenerSet.
    pub name: String,
    /// The hosts it is for. Default: all.
    pub hostname: Option<String>,
    /// The port of the Gateway's address.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a name of somebody's own.
    #[serde(default)]
    pub protocol: String,
    /// Certificates and the like.
    pub tls: Option<ListenerTls>,
    /// Which routes may attach.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// TLS of a listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// `Terminate` (the default) or `Passthrough`.
    pub mode: Option<String>,
    /// The certificates.
    #[serde(default)]
    pub certificate_refs: Vec<ObjectRef>,
    /// What only some implementations know.
    #[serde(default)]
    pub options: std::collections::BTreeMap<String, String>,
}

/// Which routes may attach to a listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AllowedRoutes {
    /// Of which namespaces. Default: of the same.
    pub namespaces: Option<FromNamespaces>,
    /// Of which kinds. Default: all that fit the protocol.
    #[serde(default)]
    pub kinds: Vec<RouteKind>,
}

/// A kind of route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteKind {
    /// Its group.
    pub group: Option<String>,
    /// Its kind.
    pub kind: String,
}

/// What weir says of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Where it can be reached.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Of the whole.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Of each listener.
    #[serde(default)]
    pub listeners: Vec<ListenerStatus>,
    /// How many ListenerSets have been attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_listener_sets: Option<i32>,
}

/// What weir says of a listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The kinds of routes that it takes.
    #[serde(default)]
    pub supported_kinds: Vec<RouteKind>,
    /// How many routes have been attached.
    #[serde(default)]
    pub attached_routes: i32,
    /// Accepted, Programmed, ResolvedRefs, Conflicted.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// More listeners for a Gateway.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "ListenerSet", namespaced, schema = "disabled")]
#[kube(status = "ListenerSetStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct ListenerSetSpec {
    /// The Gateway.
    pub parent_ref: ObjectRef,
    /// What it listens on.
    #[serde(default)]
    pub listeners: Vec<Listener>,
}

/// What weir says of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListenerSetStatus {
    /// Of the whole.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Of each listener.
    #[serde(default)]
    pub listeners: Vec<ListenerStatus>,
}

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

/// Who in other namespaces may refer to what is here.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1beta1", kind = "ReferenceGrant", namespaced)]
#[kube(schema = "disabled", derive = "Default", derive = "PartialEq")]
pub struct ReferenceGrantSpec {
    /// Who.
    #[serde(default)]
    pub from: Vec<GrantFrom>,
    /// To what.
    #[serde(default)]
    pub to: Vec<GrantTo>,
}

/// Who may refer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrantFrom {
    /// The group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
}

/// What may be referred to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrantTo {
    /// The group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// Only this one. Default: all.
    pub name: Option<String>,
}

/// How backends are spoken to with TLS.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "BackendTLSPolicy", namespaced)]
#[kube(schema = "disabled", status = "PolicyStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct BackendTLSPolicySpec {
    /// Which backends.
    #[serde(default)]
    pub target_refs: Vec<PolicyTarget>,
    /// What they have to show.
    pub validation: BackendValidation,
}

/// A target of a policy in its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// The group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Only this port, by its name.
    pub section_name: Option<String>,
}

/// What backends have to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendValidation {
    /// The authorities of their certificates.
    #[serde(default)]
    pub ca_certificate_refs: Vec<ObjectRef>,
    /// `System` for the authorities of the machine.
    pub well_known_ca_certificates: Option<String>,
    /// The name to ask for (SNI), which the certificate must carry unless there are other names.
    pub hostname: String,
    /// Names of which the certificate must carry one.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name that a certificate must carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectAltName {
    /// `Hostname` or `URI`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// For `Hostname`.
    pub hostname: Option<String>,
    /// For `URI`.
    pub uri: Option<String>,
}

/// What controllers say of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// One for each Gateway that it matters to.
    #[serde(default)]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// What a controller says of a policy at one Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The Gateway.
    pub ancestor_ref: ParentRef,
    /// Who says so.
    pub controller_name: String,
    /// Accepted, ResolvedRefs.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
