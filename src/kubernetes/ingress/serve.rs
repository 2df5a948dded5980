//! The part of a plan that comes from Ingresses: two listeners for all of them, their routes, and their addresses.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{Ingress, ServiceBackendPort};
use kube::ResourceExt;
use serde_json::json;

use super::{Ingresses, Target, addresses, translate};
use crate::config::schema::{Certificate, Listener, ListenerTls, TlsVersion};
use crate::kubernetes::gateway::api::{BackendRef, ObjectRef};
use crate::kubernetes::gateway::grants::Referrer;
use crate::kubernetes::gateway::policies::Policies;
use crate::kubernetes::gateway::status::StatusWrite;
use crate::kubernetes::gateway::targets::Targets;
use crate::kubernetes::gateway::tls;
use crate::kubernetes::plan::{Draft, Origin, Rejected};
use crate::kubernetes::settings::Settings;
use crate::kubernetes::world::{Key, World};
use crate::types::Name;

/// The Service, in weir's own namespace, that clients of Ingresses connect to.
pub const SERVICE: &str = "weir-ingress";
/// The port inside of weir's pods that its port 80 leads to.
pub const HTTP_PORT: u16 = 8080;
/// The port inside of weir's pods that its port 443 leads to.
pub const HTTPS_PORT: u16 = 8443;

/// Adds the Ingresses of weir's classes to `draft`; nothing while there is none.
pub fn serve(world: &World, settings: &Settings, rejected: &Rejected, draft: &mut Draft) {
    let policies = Policies::of(world, &mut draft.files);
    let mut targets = Targets::new(world, &policies);
    let mut found = translate(world, &mut |service, port| find(world, &mut targets, service, port));
    if found.problems.is_empty() {
        return;
    }
    draft.file.backends.extend(targets.backends);
    draft.problems.extend(targets.problems.into_iter().map(|(key, told)| (Origin::service(&key), told)));
    let listeners = listeners(world, settings, &mut found, draft);
    let names: Vec<Name> = listeners.iter().map(|listener| listener.name.clone()).collect();
    draft.listener_origins.extend(listeners.iter().map(|_| origin(&Key::new(&settings.namespace, SERVICE))));
    draft.file.listeners.extend(listeners);
    for (key, mut route) in found.origins.into_iter().zip(found.routes) {
        if let Some(refused) = rejected.get(&origin(&key)) {
            tell(&mut found.problems, &key, &refused.message);
            continue;
        }
        route.listeners = Some(names.clone());
        draft.file.routes.push(route);
        draft.route_origins.push(origin(&key));
    }
    let statuses = found.problems.keys().filter_map(|key| status(world, settings, key));
    draft.statuses.extend(statuses);
    draft.problems.extend(found.problems.into_iter().map(|(key, problems)| (origin(&key), problems)));
}

fn origin(key: &Key) -> Origin {
    Origin { kind: "Ingress", key: key.clone() }
}

fn tell(problems: &mut BTreeMap<Key, Vec<String>>, key: &Key, problem: &str) {
    let problems = problems.entry(key.clone()).or_default();
    if !problems.iter().any(|told| told == problem) {
        problems.push(problem.to_owned());
    }
}

/// The backend of a Service's port. What leads nowhere is answered with 500.
fn find(world: &World, targets: &mut Targets<'_>, service: &Key, port: &ServiceBackendPort) -> Target {
    let number = port.number.or_else(|| named_port(world, service, port.name.as_deref()?));
    let object = ObjectRef { name: service.name.clone(), ..ObjectRef::default() };
    let port = number.and_then(|number| u16::try_from(number).ok());
    let reference = BackendRef { object, port, ..BackendRef::default() };
    match targets.resolve(Referrer { kind: "Ingress", namespace: &service.namespace }, &reference) {
        Ok(backend) => Target { backend, problem: None },
        Err(refused) => Target { backend: targets.unresolved(), problem: Some(refused.message) },
    }
}

fn named_port(world: &World, service: &Key, name: &str) -> Option<i32> {
    let ports = world.services.at(service)?.spec.as_ref()?.ports.as_ref()?;
    ports.iter().find(|port| port.name.as_deref() == Some(name)).map(|port| port.port)
}

/// One for HTTP, and one for HTTPS when there is a certificate that can be used.
fn listeners(world: &World, settings: &Settings, found: &mut Ingresses, draft: &mut Draft) -> Vec<Listener> {
    let mut certificates = Vec::new();
    for secret in &found.secrets {
        let from = Referrer { kind: "Ingress", namespace: &secret.namespace };
        let object = ObjectRef { name: secret.name.clone(), ..ObjectRef::default() };
        match tls::certificate(world, from, &object, "InvalidCertificate", &mut draft.files) {
            Ok(certificate) => certificates.push(certificate),
            Err(refused) => {
                let users = world.ingresses.of_namespace(&secret.namespace);
                for (key, _) in users.filter(|(_, ingress)| names_secret(ingress, &secret.name)) {
                    if let Some(problems) = found.problems.get_mut(key) {
                        problems.push(refused.message.clone());
                    }
                }
            }
        }
    }
    let https =
        (!certificates.is_empty()).then(|| listener(settings, "ingress/https", HTTPS_PORT, 443, Some(certificates)));
    [Some(listener(settings, "ingress/http", HTTP_PORT, 80, None)), https].into_iter().flatten().flatten().collect()
}

fn listener(
    settings: &Settings,
    name: &str,
    port: u16,
    public_port: u16,
    certificates: Option<Vec<Certificate>>,
) -> Option<Listener> {
    let tls = certificates.map(|certificates| ListenerTls {
        certificates,
        min_version: TlsVersion::default(),
        client_certificates: None,
    });
    Some(Listener {
        name: name.parse().ok()?,
        address: (settings.address, port).into(),
        host: None,
        public_port: Some(public_port),
        tls,
        trusted_proxies: Vec::new(),
    })
}

fn names_secret(ingress: &Ingress, secret: &str) -> bool {
    let tls = ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
    tls.filter_map(|tls| tls.secret_name.as_deref()).any(|name| name == secret)
}

/// Where an Ingress is reached, unless its status says so already.
fn status(world: &World, settings: &Settings, key: &Key) -> Option<StatusWrite> {
    let ingress = world.ingresses.at(key)?;
    let wanted = addresses(world.services.get(&settings.namespace, SERVICE)?);
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    if status.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default() == wanted {
        return None;
    }
    Some(StatusWrite {
        kind: "Ingress",
        key: key.clone(),
        resource_version: ingress.resource_version(),
        status: json!({ "loadBalancer": { "ingress": wanted } }),
    })
}
