//! Addresses for Services of type LoadBalancer. kube-proxy does the rest.

use std::net::Ipv4Addr;
use std::pin::pin;

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

/// Gives every such Service an address that no other had: the one of 10.245.0.0/16 that it asks for, or the next. What asks
/// for another one gets none.
pub(super) async fn serve(client: Client) {
    let services: Api<Service> = Api::all(client.clone());
    let mut changes = pin!(watcher(services, watcher::Config::default()).default_backoff().applied_objects());
    let mut given = 0;
    loop {
        match changes.try_next().await {
            Ok(Some(service)) if wants_address(&service) => {
                given += 1;
                let Some(address) = address(&service, given) else { continue };
                if let Err(error) = assign(&client, &service, address).await {
                    eprintln!("cluster: no address for Service {}: {error}", service.name_any());
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => eprintln!("cluster: cannot watch Services: {error}"),
        }
    }
}

fn wants_address(service: &Service) -> bool {
    let balancer = service
        .spec
        .as_ref()
        .is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none());
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer && status.and_then(|balancer| balancer.ingress.as_ref()).is_none_or(Vec::is_empty)
}

fn address(service: &Service, number: u16) -> Option<Ipv4Addr> {
    let wanted = service.spec.as_ref().and_then(|spec| spec.load_balancer_ip.as_deref());
    let [third, fourth] = number.to_be_bytes();
    match wanted.filter(|text| !text.is_empty()) {
        Some(text) => text.parse().ok().filter(|address: &Ipv4Addr| address.octets()[..2] == [10, 245]),
        None => Some(Ipv4Addr::new(10, 245, third, fourth)),
    }
}

async fn assign(client: &Client, service: &Service, address: Ipv4Addr) -> kube::Result<()> {
    let services: Api<Service> = Api::namespaced(client.clone(), &service.namespace().unwrap_or_default());
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address.to_string()}]}}});
    services.patch_status(&service.name_any(), &PatchParams::default(), &Patch::Merge(status)).await.map(drop)
}
