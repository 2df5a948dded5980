//! The Services of Gateways: an address for each, whose ports lead to ports that weir assigns inside its own pods.
//!
//! A Gateway's Service is beside the Gateway and belongs to it, so that it goes with it. It has no selector, because weir's
//! pods may be in another namespace: weir writes its EndpointSlice too. Which port of the pods a port of the Gateway leads to
//! is written in the Service alone (`targetPort`), so that all replicas agree, and a restart changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::gateway::api::{Address, Gateway};
use super::gateway::emit::Ports;
use super::gateway::listeners::Front;
use super::settings::Settings;
use super::world::{Key, World};

/// Something to write by server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// `Service` or `EndpointSlice`.
    pub kind: &'static str,
    /// Which one.
    pub key: Key,
    /// All of it that is weir's.
    pub object: Value,
}

/// The ports that the Services say.
pub fn assigned(world: &World, fronts: &[Front<'_>]) -> Ports {
    let mut ports = Ports::new();
    for front in fronts {
        for (port, target) in service_of(world, front.key).map(targets).into_iter().flatten() {
            ports.insert((front.key.clone(), port), target);
        }
    }
    ports
}

/// The Services that are not yet as they should be.
pub fn services(world: &World, fronts: &[Front<'_>], settings: &Settings) -> Vec<Apply> {
    let mut taken: BTreeSet<u16> = of_weir(world).flat_map(targets).map(|(_, target)| target).collect();
    let mut applies = Vec::new();
    for front in fronts.iter().filter(|front| front.refused.is_none()) {
        let wanted: BTreeSet<u16> =
            front.listeners.iter().filter(|bound| bound.refused.is_none()).map(|bound| bound.spec.port).collect();
        let present: BTreeMap<u16, u16> = service_of(world, front.key).map(targets).into_iter().flatten().collect();
        let mut ports = BTreeMap::new();
        for port in wanted {
            let target = present.get(&port).copied();
            let free = || settings.ports.clone().find(|target| !taken.contains(target));
            if let Some(target) = target.or_else(free) {
                taken.insert(target);
                ports.insert(port, target);
            }
        }
        if !ports.is_empty() {
            applies.extend(service(world, front, &ports, settings));
        }
    }
    applies
}

/// The Services that this controller made for Gateways that are another's now. Those of Gateways that are gone go by
/// themselves, and those that another controller made are its own.
///
/// Only what is known for sure counts: what cannot be read at the moment must not cost anybody an address.
pub fn leftovers(world: &World, settings: &Settings) -> Vec<Key> {
    let is_another = |gateway: &Gateway| {
        let class = world.gateway_classes.get("", &gateway.spec.gateway_class_name);
        class.is_some_and(|class| class.spec.controller_name != settings.controller)
    };
    let lost = world.gateways.iter().filter(|(_, gateway)| is_another(gateway));
    let made_here = |service: &&Service| service.annotations().get(CONTROLLER) == Some(&settings.controller);
    lost.filter_map(|(key, _)| service_of(world, key)).filter(made_here).map(Key::of).collect()
}

/// Where a Gateway can be reached.
pub fn addresses(world: &World, gateway: &Key) -> Vec<Address> {
    let Some(service) = service_of(world, gateway) else { return Vec::new() };
    let spec = service.spec.as_ref();
    let address = |kind: &str, value: &String| Address { kind: Some(kind.to_owned()), value: Some(value.clone()) };
    if spec.and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer") {
        let given = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let given = given.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
        let one = |ingress: &k8s_openapi::api::core::v1::LoadBalancerIngress| {
            let ip = ingress.ip.as_ref().map(|ip| address("IPAddress", ip));
            ip.or_else(|| ingress.hostname.as_ref().map(|host| address("Hostname", host)))
        };
        return given.iter().filter_map(one).collect();
    }
    let ips = spec.and_then(|spec| spec.cluster_ips.as_deref()).unwrap_or_default();
    ips.iter().filter(|ip| *ip != "None").map(|ip| address("IPAddress", ip)).collect()
}

/// The EndpointSlices that are not yet as they should be: weir's own pods, wherever they are ready.
pub fn slices(world: &World, fronts: &[Front<'_>], settings: &Settings) -> Vec<Apply> {
    let pods: Vec<&Pod> = world.pods.of_namespace(&settings.namespace).map(|(_, pod)| &**pod).collect();
    let endpoints: Vec<Value> = pods.into_iter().filter(|pod| settings.is_weir(pod)).filter_map(endpoint).collect();
    let slice = |front: &Front<'_>| slice(world, service_of(world, front.key)?, &endpoints);
    fronts.iter().filter_map(slice).collect()
}

fn slice(world: &World, service: &Service, endpoints: &[Value]) -> Option<Apply> {
    let key = Key::of(service);
    let ports: Vec<Value> = targets(service)
        .map(|(port, target)| json!({ "name": port_name(port), "port": target, "protocol": "TCP" }))
        .collect();
    let v6 =
        endpoints.first().and_then(|endpoint| endpoint["addresses"][0].as_str()).is_some_and(|ip| ip.contains(':'));
    let content = json!({ "addressType": if v6 { "IPv6" } else { "IPv4" }, "ports": ports, "endpoints": endpoints });
    let hash = hash(&content);
    let present = world.endpoint_slices.get(&key.namespace, &key.name);
    if present.is_some_and(|slice| annotation(&**slice) == Some(&hash)) {
        return None;
    }
    let mut object = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": { "kubernetes.io/service-name": key.name, "endpointslice.kubernetes.io/managed-by": MANAGER },
            "annotations": { APPLIED: hash },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": key.name, "uid": service.uid() }],
        },
    });
    merge(&mut object, content);
    Some(Apply { kind: "EndpointSlice", key, object })
}

/// A pod as an endpoint; one that is not ready or is ending gets nothing.
fn endpoint(pod: &Pod) -> Option<Value> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if !ready || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(json!({
        "addresses": [status.pod_ip.as_ref()?],
        "conditions": { "ready": true, "serving": true, "terminating": false },
        "nodeName": pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()),
        "targetRef": { "kind": "Pod", "name": pod.name_any(), "namespace": pod.namespace(), "uid": pod.uid() },
    }))
}

fn service(world: &World, front: &Front<'_>, ports: &BTreeMap<u16, u16>, settings: &Settings) -> Option<Apply> {
    let key = service_key(front.key);
    let present = world.services.at(&key);
    if present.is_some_and(|service| !is_weirs(service)) {
        return None;
    }
    let ports: Vec<Value> = ports
        .iter()
        .map(
            |(port, target)| json!({ "name": port_name(*port), "port": port, "targetPort": target, "protocol": "TCP" }),
        )
        .collect();
    let mut spec = json!({ "type": settings.service_type, "ports": ports });
    let asked = front.gateway.spec.addresses.iter().find_map(|address| address.value.as_ref());
    if let (Some(address), "LoadBalancer") = (asked, settings.service_type.as_str()) {
        spec["loadBalancerIP"] = address.clone().into();
    }
    if settings.service_type != "ClusterIP" {
        spec["externalTrafficPolicy"] = "Local".into();
    }
    let (labels, mut annotations) = infrastructure(front.gateway, front.key);
    annotations.insert(CONTROLLER.to_owned(), settings.controller.clone());
    let content = json!({ "spec": spec, "labels": labels, "annotations": annotations });
    let hash = hash(&content);
    if present.is_some_and(|service| annotation(&**service) == Some(&hash)) {
        return None;
    }
    annotations.insert(APPLIED.to_owned(), hash);
    let object = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "Gateway",
                "name": front.key.name,
                "uid": front.gateway.uid(),
                "controller": true,
            }],
        },
        "spec": spec,
    });
    Some(Apply { kind: "Service", key, object })
}

/// Labels and annotations of what is made for a Gateway.
fn infrastructure(gateway: &Gateway, key: &Key) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let wanted = gateway.spec.infrastructure.clone().unwrap_or_default();
    let mut labels = wanted.labels;
    labels.insert("gateway.networking.k8s.io/gateway-name".to_owned(), short(&key.name));
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    (labels, wanted.annotations)
}

/// The Service of a Gateway.
pub fn service_key(gateway: &Key) -> Key {
    Key::new(&gateway.namespace, short(&format!("weir-{}", gateway.name)))
}

/// A name of at most 63 characters that differs where `name` differs.
fn short(name: &str) -> String {
    if name.len() <= 63 {
        return name.to_owned();
    }
    format!("{}-{:08x}", name[..54].trim_end_matches(['-', '.']), xxh3_64(name.as_bytes()) as u32)
}

fn service_of<'a>(world: &'a World, gateway: &Key) -> Option<&'a Service> {
    world.services.at(&service_key(gateway)).map(|service| &**service).filter(|service| is_weirs(service))
}

fn of_weir(world: &World) -> impl Iterator<Item = &Service> {
    world.services.iter().map(|(_, service)| &**service).filter(|service| is_weirs(service))
}

fn is_weirs(service: &Service) -> bool {
    service.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|by| by == MANAGER)
}

/// Port and target port.
fn targets(service: &Service) -> impl Iterator<Item = (u16, u16)> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    ports.iter().filter_map(|port| match port.target_port {
        Some(IntOrString::Int(target)) => Some((u16::try_from(port.port).ok()?, u16::try_from(target).ok()?)),
        _ => None,
    })
}

fn port_name(port: u16) -> String {
    format!("port-{port}")
}

fn hash(content: &Value) -> String {
    format!("{:016x}", xxh3_64(content.to_string().as_bytes()))
}

fn annotation(object: &impl ResourceExt) -> Option<&String> {
    object.annotations().get(APPLIED)
}

fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// What was written last, as a hash: what is the same is not written again.
const APPLIED: &str = "weir.dev/applied";

/// Which controller made a Service.
const CONTROLLER: &str = "weir.dev/controller";

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

const MANAGER: &str = "weir.dev";
