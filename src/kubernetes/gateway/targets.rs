//! What rules send to: references to Services, as backends of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ServicePort;

use xxhash_rust::xxh3::xxh3_64;

use super::api::BackendRef;
use super::conditions::Refused;
use super::grants::Referrer;
use super::policies::Policies;
use super::queue::queue;
use crate::config::schema::{Backend, Certificate, Protocol};
use crate::kubernetes::endpoints::{addresses, service_port};
use crate::kubernetes::world::{Key, World};
use crate::types::Name;

/// The backends that routes name.
#[derive(Debug)]
pub struct Targets<'a> {
    world: &'a World,
    policies: &'a Policies,
    /// Whose routes are being translated, where that Gateway shows a certificate to backends.
    identity: Option<(Key, Certificate)>,
    /// The Services that have been referred to since they were asked for.
    referred: BTreeSet<Key>,
    /// What is wrong with Services, and does not keep them from being served.
    pub problems: BTreeMap<Key, Vec<String>>,
    /// By the names that they have in the configuration.
    pub backends: BTreeMap<Name, Backend>,
}

impl<'a> Targets<'a> {
    /// None yet.
    pub fn new(world: &'a World, policies: &'a Policies) -> Self {
        let (referred, problems, backends) = Default::default();
        Self { world, policies, identity: None, referred, problems, backends }
    }

    /// The Services that have been referred to since this was asked last.
    pub fn take_referred(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.referred)
    }

    /// From now on, backends with TLS are shown the certificate of this Gateway, or none.
    pub fn speak_as(&mut self, identity: Option<(Key, Certificate)>) {
        self.identity = identity;
    }

    /// The backend that a reference means.
    ///
    /// # Errors
    /// Why there is none: what goes there is answered with 500.
    pub fn resolve(&mut self, from: Referrer<'_>, reference: &BackendRef) -> Result<Name, Refused> {
        let to = from.refers(&reference.object, "Service");
        if !to.group.is_empty() || to.kind != "Service" {
            let group = if to.group.is_empty() { "core" } else { to.group };
            return Err(Refused::new("InvalidKind", format!("weir sends to Services, not to {} of {group}", to.kind)));
        }
        let (namespace, service_name) = (to.namespace, to.name);
        if !from.may_refer(to, self.world) {
            let message =
                format!("no ReferenceGrant in the namespace `{namespace}` lets this refer to `{service_name}`");
            return Err(Refused::new("RefNotPermitted", message));
        }
        let missing = |what: String| Refused::new("BackendNotFound", what);
        let service = self
            .world
            .services
            .get(namespace, service_name)
            .ok_or_else(|| missing(format!("there is no Service `{namespace}/{service_name}`")))?;
        let number = reference.port.ok_or_else(|| missing("a reference to a Service needs a port".to_owned()))?;
        if service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
            return Err(missing(format!("`{namespace}/{service_name}` is an ExternalName, which has no endpoints")));
        }
        let port = service_port(service, number)
            .ok_or_else(|| missing(format!("the Service `{namespace}/{service_name}` has no port {number} for TCP")))?;
        self.referred.insert(Key::new(namespace, service_name));
        let mut text = format!("{namespace}/{service_name}/{number}");
        let mut backend = self.backend(namespace, service_name, port)?;
        let (queue, problems) = queue(service);
        backend.queue = queue;
        if !problems.is_empty() {
            self.problems.insert(Key::new(namespace, service_name), problems);
        }
        if let (Some(tls), Some((gateway, certificate))) = (&mut backend.tls, &self.identity) {
            text = format!("{text}/{gateway}");
            tls.client_certificate = Some(certificate.clone());
        }
        let name = name(&text).ok_or_else(|| Refused::new("UnsupportedValue", format!("`{text}` is not a name")))?;
        self.backends.entry(name.clone()).or_insert(backend);
        Ok(name)
    }

    /// The backend that stands for what cannot be resolved.
    pub fn unresolved(&mut self) -> Name {
        let name: Name = UNRESOLVED.parse().expect("letters are a name");
        self.backends.entry(name.clone()).or_insert_with(|| Backend { unresolved: true, ..Backend::default() });
        name
    }

    fn backend(&self, namespace: &str, name: &str, port: &ServicePort) -> Result<Backend, Refused> {
        let protocol = match port.app_protocol.as_deref() {
            Some("kubernetes.io/h2c") => Protocol::Http2,
            Some("kubernetes.io/ws" | "kubernetes.io/wss") => Protocol::Http1,
            _ => Protocol::Auto,
        };
        Ok(Backend {
            endpoints: addresses(self.world, namespace, name, port),
            protocol,
            tls: self.policies.tls(namespace, name, port.name.as_deref())?,
            ..Backend::default()
        })
    }
}

/// A name of the configuration. One that is too long ends in a hash of the whole; `None` for what no object can be named.
pub fn name(text: &str) -> Option<Name> {
    if text.len() <= MAX_NAME {
        return text.parse().ok();
    }
    let kept = text.get(..MAX_NAME - 17)?.trim_end_matches(['-', '.', '/']);
    format!("{kept}-{:016x}", xxh3_64(text.as_bytes())).parse().ok()
}

/// The backend of what cannot be resolved.
const UNRESOLVED: &str = "unresolved";

/// The longest name of the configuration.
const MAX_NAME: usize = 253;
