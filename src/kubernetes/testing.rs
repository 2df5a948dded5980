//! Clusters written as YAML, and what weir makes of them.

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::plan::{Plan, Rejected, translate};
use super::settings::Settings;
use super::world::{Objects, World};
use crate::config::{Compiled, Problems, Resolved, compile};
use crate::snapshot::Leaves;

/// A world of these objects, one YAML document each.
pub(crate) fn world(documents: &[&str]) -> World {
    let mut world = World::default();
    for document in documents.iter().flat_map(|text| text.split("\n---\n")).filter(|text| !text.trim().is_empty()) {
        let value: Value = serde_saphyr::from_str(document).expect("the document is YAML");
        put(&mut world, value);
    }
    world
}

/// Puts an object into the world, or a new version of one.
pub(crate) fn put(world: &mut World, value: Value) {
    fn add<K: DeserializeOwned + kube::ResourceExt>(objects: &mut Objects<K>, value: Value) {
        objects.put(serde_json::from_value(value).expect("the object is of its kind"));
    }
    match value["kind"].as_str().expect("the document has a kind") {
        "GatewayClass" => add(&mut world.gateway_classes, value),
        "Gateway" => add(&mut world.gateways, value),
        "ListenerSet" => add(&mut world.listener_sets, value),
        "HTTPRoute" => add(&mut world.http_routes, value),
        "GRPCRoute" => add(&mut world.grpc_routes, value),
        "ReferenceGrant" => add(&mut world.reference_grants, value),
        "BackendTLSPolicy" => add(&mut world.backend_tls_policies, value),
        "Ingress" => add(&mut world.ingresses, value),
        "IngressClass" => add(&mut world.ingress_classes, value),
        "Service" => add(&mut world.services, value),
        "EndpointSlice" => add(&mut world.endpoint_slices, value),
        "Secret" => add(&mut world.secrets, value),
        "ConfigMap" => add(&mut world.config_maps, value),
        "Namespace" => add(&mut world.namespaces, value),
        "Pod" => add(&mut world.pods, value),
        "ReplicaSet" => add(&mut world.replica_sets, value),
        "Deployment" => add(&mut world.deployments, value),
        "CanaryRelease" => add(&mut world.canary_releases, value),
        other => panic!("no {other} here"),
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        pod: "weir-0".to_owned(),
        controller: "weir.dev/gateway-controller".to_owned(),
        namespace: "weir-system".to_owned(),
        selector: [("app.kubernetes.io/name".to_owned(), "weir".to_owned())].into(),
        address: [0, 0, 0, 0].into(),
        ports: 20_000..=20_099,
        service_type: "LoadBalancer".to_owned(),
        admin: ([127, 0, 0, 1], 9180).into(),
        admin_token_file: None,
        admin_token_source: None,
        workers: Some(1),
    }
}

pub(crate) fn plan(world: &World) -> Plan {
    plan_without(world, &Rejected::new())
}

pub(crate) fn plan_without(world: &World, rejected: &Rejected) -> Plan {
    translate(world, &settings(), rejected, Timestamp::UNIX_EPOCH)
}

pub(crate) fn compiled(plan: &Plan) -> Result<Compiled, Problems> {
    compile(&plan.loaded(), &Leaves::new(1), &Resolved::new(), 1)
}

/// The conditions of an object that the plan writes, such as `Accepted=True Accepted`; of a route those of its first parent.
pub(crate) fn conditions(plan: &Plan, kind: &str, key: &str) -> Vec<String> {
    let status = status(plan, kind, key);
    let first = ["parents", "ancestors"].iter().find_map(|list| status[list].get(0).cloned());
    shown(&first.unwrap_or(status)["conditions"])
}

/// The conditions of a listener that the plan writes.
pub(crate) fn listener_conditions(plan: &Plan, kind: &str, key: &str, listener: &str) -> Vec<String> {
    shown(&listener_status(plan, kind, key, listener)["conditions"])
}

/// The status of a listener that the plan writes.
pub(crate) fn listener_status(plan: &Plan, kind: &str, key: &str, listener: &str) -> Value {
    let status = status(plan, kind, key);
    let listeners = status["listeners"].as_array().expect("it has listeners");
    listeners.iter().find(|l| l["name"] == listener).expect("the listener is there").clone()
}

/// The status that the plan writes.
pub(crate) fn status(plan: &Plan, kind: &str, key: &str) -> Value {
    let write = plan.statuses().iter().find(|write| write.kind == kind && write.key.to_string() == key);
    write.unwrap_or_else(|| panic!("no status for {kind} {key}")).status.clone()
}

/// The world after everything in the plan's statuses has been written.
pub(crate) fn written(world: &World, plan: &Plan) -> World {
    let mut world = world.clone();
    for write in plan.statuses() {
        let mut object = match write.kind {
            "GatewayClass" => json!(world.gateway_classes.at(&write.key).map(|object| &**object)),
            "Gateway" => json!(world.gateways.at(&write.key).map(|object| &**object)),
            "HTTPRoute" => json!(world.http_routes.at(&write.key).map(|object| &**object)),
            other => panic!("no {other} here"),
        };
        object["status"] = write.status.clone();
        put(&mut world, object);
    }
    world
}

fn shown(conditions: &Value) -> Vec<String> {
    let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let one = |c: &Value| format!("{}={} {}", text(c, "type"), text(c, "status"), text(c, "reason"));
    conditions.as_array().into_iter().flatten().map(one).collect()
}
