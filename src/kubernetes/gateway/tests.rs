//! Objects of a cluster in, configuration and conditions out.

use crate::kubernetes::plan::{Plan, Rejected};
use crate::kubernetes::testing::{compiled, plan, plan_without, world, written};

mod gateways;
mod listeners;
mod routes;
mod tls;

const CLASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weir, generation: 3 }
spec: { controllerName: weir.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: other }
spec: { controllerName: example.com/other }
";

/// A Gateway for HTTP on port 80, and the Service that it gets.
const GATEWAY: &str = "
kind: Gateway
metadata: { name: web, namespace: infra, uid: abc, generation: 7 }
spec:
  gatewayClassName: weir
  listeners:
    - { name: http, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }
";

const GATEWAY_SERVICE: &str = "
kind: Service
metadata: { name: weir-web, namespace: infra, labels: { app.kubernetes.io/managed-by: weir.dev } }
spec:
  type: LoadBalancer
  ports:
    - { name: port-80, port: 80, targetPort: 20007 }
    - { name: port-443, port: 443, targetPort: 20008 }
status: { loadBalancer: { ingress: [{ ip: 192.0.2.10 }] } }
";

/// A Service with two pods that are ready, and one that is on its way out.
const SHOP: &str = "
kind: Service
metadata: { name: shop, namespace: shop }
spec: { ports: [{ port: 8080, targetPort: http }] }
---
kind: EndpointSlice
metadata: { name: shop-1, namespace: shop, labels: { kubernetes.io/service-name: shop } }
addressType: IPv4
ports: [{ name: '', port: 3000 }]
endpoints:
  - { addresses: [10.0.0.1], conditions: { ready: true } }
  - { addresses: [10.0.0.2], conditions: {} }
  - { addresses: [10.0.0.3], conditions: { ready: false } }
  - { addresses: [10.0.0.4], conditions: { ready: true, serving: true, terminating: true } }
";

const ROUTE: &str = "
kind: HTTPRoute
metadata: { name: shop, namespace: shop, generation: 2 }
spec:
  parentRefs: [{ name: web, namespace: infra }]
  rules: [{ backendRefs: [{ name: shop, port: 8080 }] }]
";

/// The whole configuration as JSON.
fn file(plan: &Plan) -> serde_json::Value {
    serde_json::to_value(plan.file()).expect("the configuration is JSON")
}

#[test]
fn nothing_is_written_twice() {
    let before = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE]);
    let first = plan(&before);
    assert!(!first.statuses().is_empty());
    let after = written(&before, &first);
    assert_eq!(plan(&after).statuses(), []);
}

#[test]
fn an_empty_cluster_is_a_configuration_too() {
    let plan = plan_without(&world(&[]), &Rejected::new());
    compiled(&plan).expect("it compiles");
    assert!(plan.statuses().is_empty() && plan.applies().is_empty());
}
