//! Manifests that more than one kind of trial applies.

use crate::harness::Namespace;
use crate::weir;

/// The Gateway `shop` of the trial's own weir.
pub fn gateway(ns: &Namespace) -> String {
    GATEWAY.replace("CLASS", &weir::class(ns))
}

/// A route to the Service `name`: all requests to `name.test`.
pub fn route(name: &str) -> String {
    ROUTE.replace("NAME", name)
}

/// A release of the Deployment `name` that decides within seconds.
pub fn weighed(name: &str) -> String {
    WEIGHED.replace("NAME", name)
}

const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  gatewayClassName: CLASS
  listeners:
    - {name: http, port: 80, protocol: HTTP}
"#;

const WEIGHED: &str = r#"
apiVersion: weir.dev/v1alpha1
kind: CanaryRelease
metadata: {name: NAME}
spec:
  targetRef: {kind: Deployment, name: NAME}
  steps: [{weight: 20%}, {weight: 50%}]
  analysis:
    minimumTime: 3s
    warmUp: 1s
    errorRate: {tolerable: 1.25x + 5%, bad: 1.5x + 30%}
    routeErrorRate: {tolerable: 1.25x + 5%, bad: 1.5x + 40%}
    latency: {enabled: false}
"#;

const ROUTE: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: NAME}
spec:
  parentRefs: [{name: shop}]
  hostnames: [NAME.test]
  rules:
    - backendRefs: [{name: NAME, port: 80}]
"#;
