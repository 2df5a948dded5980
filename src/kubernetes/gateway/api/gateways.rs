//! Where clients connect: classes, Gateways, ListenerSets.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::ObjectRef;

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
