//! BackendTLSPolicy: with which TLS a Service is spoken to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kube::ResourceExt;

use super::api::BackendTLSPolicy;
use super::conditions::Refused;
use super::grants::Referrer;
use super::tls::{NoAuthority, authorities};
use crate::config::Files;
use crate::config::schema::{BackendTls, SubjectAltName};
use crate::kubernetes::world::{Key, World};

/// Namespace and name of a Service, and its port's name; `None` for all of its ports.
type Target = (Key, Option<String>);

/// The policies, by what they are for.
#[derive(Debug, Default)]
pub struct Policies {
    by_target: BTreeMap<Target, Result<BackendTls, Refused>>,
    /// What became of each policy.
    pub verdicts: BTreeMap<Key, Verdict>,
}

/// What became of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is not in force.
    pub refused: Option<Refused>,
    /// What is wrong with its references.
    pub unresolved: Option<Refused>,
    /// The Services that it is for.
    pub services: Vec<Key>,
}

impl Policies {
    /// Of all policies; of several for one port, the oldest counts.
    pub fn of(world: &World, files: &mut Files) -> Self {
        let mut ordered: Vec<_> = world.backend_tls_policies.iter().collect();
        ordered.sort_by_key(|(key, policy)| (policy.creation_timestamp(), *key));
        let mut policies = Self::default();
        for (key, policy) in ordered {
            policies.add(world, key, policy, files);
        }
        policies
    }

    /// How a port of a Service is spoken to; `None` without TLS.
    ///
    /// # Errors
    /// There is a policy that cannot be obeyed: to send anything without it would be wrong.
    pub fn tls(&self, namespace: &str, service: &str, port: Option<&str>) -> Result<Option<BackendTls>, Refused> {
        let key = Key::new(namespace, service);
        let named = port.and_then(|port| self.by_target.get(&(key.clone(), Some(port.to_owned()))));
        match named.or_else(|| self.by_target.get(&(key, None))) {
            Some(Ok(tls)) => Ok(Some(tls.clone())),
            Some(Err(refused)) => Err(refused.clone()),
            None => Ok(None),
        }
    }

    fn add(&mut self, world: &World, key: &Key, policy: &BackendTLSPolicy, files: &mut Files) {
        let (tls, unresolved) = client(world, key, policy, files);
        let mut verdict = Verdict { unresolved, refused: tls.as_ref().err().cloned(), services: Vec::new() };
        let services = policy.spec.target_refs.iter().filter(|to| to.group.is_empty() && to.kind == "Service");
        let mut taken = true;
        for to in services {
            let service = Key::new(&key.namespace, &to.name);
            verdict.services.push(service.clone());
            if let std::collections::btree_map::Entry::Vacant(place) =
                self.by_target.entry((service, to.section_name.clone()))
            {
                place.insert(tls.clone());
                taken = false;
            }
        }
        if taken && !verdict.services.is_empty() {
            verdict.refused = Some(Refused::new("Conflicted", "an older policy is for the same targets"));
        }
        self.verdicts.insert(key.clone(), verdict);
    }
}

/// The client that a policy asks for, and what is wrong with its references.
fn client(
    world: &World,
    key: &Key,
    policy: &BackendTLSPolicy,
    files: &mut Files,
) -> (Result<BackendTls, Refused>, Option<Refused>) {
    let validation = &policy.spec.validation;
    let names = validation.subject_alt_names.iter().filter_map(|name| match name.kind.as_str() {
        "URI" => name.uri.clone().map(SubjectAltName::Uri),
        _ => name.hostname.clone().map(SubjectAltName::Hostname),
    });
    let mut tls = BackendTls {
        server_name: Some(validation.hostname.clone()),
        subject_alt_names: names.collect(),
        ..BackendTls::default()
    };
    if validation.ca_certificate_refs.is_empty() {
        let system = validation.well_known_ca_certificates.as_deref() == Some("System");
        let refused = || Refused::new("Invalid", "caCertificateRefs or wellKnownCACertificates: System is needed");
        return (system.then_some(tls).ok_or_else(refused), None);
    }
    let from = Referrer { kind: "BackendTLSPolicy", namespace: &key.namespace };
    let (mut pem, mut unresolved) = (String::new(), None);
    for object in &validation.ca_certificate_refs {
        match authorities(world, from, object) {
            Ok(text) => pem.push_str(&text),
            Err(NoAuthority::Kind(message)) => unresolved = Some(Refused::new("InvalidKind", message)),
            Err(NoAuthority::NotPermitted(message) | NoAuthority::Invalid(message)) => {
                unresolved = Some(Refused::new("InvalidCACertificateRef", message));
            }
        }
    }
    if pem.is_empty() {
        let refused = Refused::new("NoValidCACertificate", "none of the caCertificateRefs can be used");
        return (Err(refused), unresolved);
    }
    let path = PathBuf::from(format!("policy:{key}/ca.crt"));
    files.insert(path.clone(), Arc::from(pem.as_bytes()));
    tls.ca = Some(path);
    (Ok(tls), unresolved)
}
