//! EndpointSlices to the addresses that get requests.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::Endpoint;

use super::world::World;

/// The addresses of a Service's port, as `address:port`, in order: those that are ready. One that is being terminated
/// is not, so that it gets no new requests.
pub fn addresses(world: &World, namespace: &str, service: &str, port: &ServicePort) -> Vec<String> {
    let wanted = port.name.as_deref().unwrap_or_default();
    let mut found = BTreeSet::new();
    let slices = world.endpoint_slices.of_namespace(namespace).map(|(_, slice)| slice);
    for slice in slices.filter(|slice| service_of(slice) == Some(service) && slice.address_type != "FQDN") {
        let ports = slice.ports.iter().flatten();
        let same = ports.filter(|port| port.name.as_deref().unwrap_or_default() == wanted);
        for number in same.filter_map(|port| port.port) {
            let ready = slice.endpoints.iter().filter(|endpoint| is_ready(endpoint));
            found.extend(ready.filter_map(|endpoint| endpoint.addresses.first()).map(|ip| with_port(ip, number)));
        }
    }
    found.into_iter().collect()
}

/// The port of a Service with this number, for TCP.
pub fn service_port(service: &Service, number: u16) -> Option<&ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_deref().unwrap_or_default();
    let tcp = |port: &&ServicePort| port.protocol.as_deref().unwrap_or("TCP") == "TCP";
    ports.iter().filter(tcp).find(|port| port.port == i32::from(number))
}

fn service_of(slice: &k8s_openapi::api::discovery::v1::EndpointSlice) -> Option<&str> {
    slice.metadata.labels.as_ref()?.get("kubernetes.io/service-name").map(String::as_str)
}

/// No word about it means ready.
fn is_ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    let says = |value: Option<Option<bool>>, default| value.flatten().unwrap_or(default);
    says(conditions.map(|conditions| conditions.ready), true)
        && !says(conditions.map(|conditions| conditions.terminating), false)
}

fn with_port(ip: &str, port: i32) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
