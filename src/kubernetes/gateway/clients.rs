//! What a Gateway asks its clients to show: certificates of authorities that it names.

use std::path::PathBuf;
use std::sync::Arc;

use super::api::{FrontendValidation, Gateway, ObjectRef};
use super::conditions::Refused;
use super::grants::Referrer;
use super::listeners::Bound;
use super::tls::{NoAuthority, authorities};
use crate::config::Files;
use crate::config::schema::{ClientCertificateMode, ClientCertificates};
use crate::kubernetes::world::{Key, World};

/// Has a listener for HTTPS ask its clients, as the Gateway says for its port.
pub fn ask(world: &World, key: &Key, gateway: &Gateway, bound: &mut Bound<'_>, files: &mut Files) {
    let Some(validation) = validation(gateway, bound.spec.port) else { return };
    let from = Referrer { kind: "Gateway", namespace: &key.namespace };
    let mut pem = String::new();
    for object in &validation.ca_certificate_refs {
        let refused = match authorities(world, from, object) {
            Ok(text) => {
                pem.push_str(&text);
                continue;
            }
            Err(NoAuthority::Kind(message)) => Refused::new("InvalidCACertificateKind", message),
            Err(NoAuthority::NotPermitted(message)) => Refused::new("RefNotPermitted", message),
            Err(NoAuthority::Invalid(message)) => Refused::new("InvalidCACertificateRef", message),
        };
        bound.unresolved.get_or_insert(refused);
    }
    if pem.is_empty() {
        let message = "clients have to show a certificate, but of no authority: see tls.frontend of the Gateway";
        bound.refused = Some(Refused::new("NoValidCACertificate", message));
        return;
    }
    let ca = PathBuf::from(format!("clients:{key}/{}/ca.crt", bound.spec.port));
    files.insert(ca.clone(), Arc::from(pem.as_bytes()));
    let mode = match lets_all_in(validation) {
        true => ClientCertificateMode::Optional,
        false => ClientCertificateMode::Required,
    };
    bound.clients = Some(ClientCertificates { ca, mode });
}

/// Whether clients without a good certificate are let in anywhere.
pub fn is_insecure(gateway: &Gateway) -> bool {
    validations(gateway).any(lets_all_in)
}

/// The authorities that it names.
pub fn references(gateway: &Gateway) -> impl Iterator<Item = &ObjectRef> {
    validations(gateway).flat_map(|validation| &validation.ca_certificate_refs)
}

fn validations(gateway: &Gateway) -> impl Iterator<Item = &FrontendValidation> {
    let frontend = gateway.spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref());
    frontend.into_iter().flat_map(|frontend| {
        let ports = frontend.per_port.iter().map(|port| &port.tls);
        frontend.default.iter().chain(ports).filter_map(|tls| tls.validation.as_ref())
    })
}

/// What holds for a port: its own, or the default.
fn validation(gateway: &Gateway, port: u16) -> Option<&FrontendValidation> {
    let frontend = gateway.spec.tls.as_ref()?.frontend.as_ref()?;
    let own = frontend.per_port.iter().find(|own| own.port == port).map(|own| &own.tls);
    own.or(frontend.default.as_ref())?.validation.as_ref()
}

fn lets_all_in(validation: &FrontendValidation) -> bool {
    validation.mode.as_deref() == Some("AllowInsecureFallback")
}
