//! What weir asks of the API server: every kind, verb by verb. The roles in `deploy/` grant these rows and nothing more.

use k8s_openapi::api::rbac::v1::PolicyRule;

/// One kind, and what is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The group of its API, empty for the core.
    pub group: &'static str,
    /// Its plural, with the subresource.
    pub resource: &'static str,
    /// What is done.
    pub verbs: &'static [&'static str],
}

const FOLLOW: &[&str] = &["list", "watch"];
const SAY: &[&str] = &["patch"];
const GATEWAY: &str = "gateway.networking.k8s.io";

/// In all namespaces.
pub const CLUSTER: &[Access] = &[
    // Routes, and what they lead to.
    of(GATEWAY, "gatewayclasses", FOLLOW),
    of(GATEWAY, "gateways", FOLLOW),
    of(GATEWAY, "listenersets", FOLLOW),
    of(GATEWAY, "httproutes", FOLLOW),
    of(GATEWAY, "grpcroutes", FOLLOW),
    of(GATEWAY, "referencegrants", FOLLOW),
    of(GATEWAY, "backendtlspolicies", FOLLOW),
    of("networking.k8s.io", "ingressclasses", FOLLOW),
    of("networking.k8s.io", "ingresses", FOLLOW),
    of("", "namespaces", FOLLOW),
    // Certificates of authorities, and those that listeners show: Gateways may name Secrets of any namespace.
    of("", "configmaps", FOLLOW),
    of("", "secrets", FOLLOW),
    // Revisions of workloads.
    of("", "pods", FOLLOW),
    of("apps", "replicasets", FOLLOW),
    // The fields that hold a rollout; with `onAbort: undo` the template.
    of("apps", "deployments", &["get", "list", "watch", "patch", "update"]),
    // A canary has as many pods as its weight needs, and stable all of its own.
    of("apps", "replicasets/scale", SAY),
    // Each Gateway has a Service of its own, and weir's pods are its endpoints.
    of("", "services", &["list", "watch", "create", "patch", "delete"]),
    of("discovery.k8s.io", "endpointslices", &["list", "watch", "create", "patch"]),
    // What came of it.
    of(GATEWAY, "gatewayclasses/status", SAY),
    of(GATEWAY, "gateways/status", SAY),
    of(GATEWAY, "listenersets/status", SAY),
    of(GATEWAY, "httproutes/status", SAY),
    of(GATEWAY, "grpcroutes/status", SAY),
    of(GATEWAY, "backendtlspolicies/status", SAY),
    of("networking.k8s.io", "ingresses/status", SAY),
    of("events.k8s.io", "events", &["create"]),
    // Releases and commands to them.
    of("weir.dev", "canaryreleases", &["list", "watch", "patch"]),
    of("weir.dev", "canaryreleases/status", &["update"]),
    of("weir.dev", "canaryreleasecommands", &["list", "watch", "delete"]),
    of("weir.dev", "canaryreleasecommands/status", SAY),
];

/// In weir's own namespace.
pub const OWN: &[Access] = &[
    // Who leads.
    of("coordination.k8s.io", "leases", &["get", "create", "update"]),
    // How replicas know each other.
    of("", "secrets", &["create"]),
    // What is held.
    of("", "serviceaccounts", SAY),
];

impl Access {
    /// As a role has it.
    pub fn rule(self) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.group.to_owned()]),
            resources: Some(vec![self.resource.to_owned()]),
            verbs: self.verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            ..PolicyRule::default()
        }
    }
}

const fn of(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Access {
    Access { group, resource, verbs }
}
