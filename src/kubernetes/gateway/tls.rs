//! Certificates from Secrets, and authorities from ConfigMaps.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::api::ObjectRef;
use super::conditions::Refused;
use super::grants::Referrer;
use crate::config::Files;
use crate::config::schema::Certificate;
use crate::kubernetes::world::World;

/// The certificate and key in a Secret, put into `files`.
///
/// # Errors
/// `RefNotPermitted`, or `invalid` with what is wrong with the Secret.
pub fn certificate(
    world: &World,
    from: Referrer<'_>,
    object: &ObjectRef,
    invalid: &'static str,
    files: &mut Files,
) -> Result<Certificate, Refused> {
    let to = from.refers(object, "Secret");
    let name = format!("{}/{}", to.namespace, to.name);
    if !to.group.is_empty() || to.kind != "Secret" {
        return Err(Refused::new(invalid, format!("{} `{name}` is no Secret", to.kind)));
    }
    if !from.may_refer(to, world) {
        return Err(Refused::new(
            "RefNotPermitted",
            format!("no ReferenceGrant in the namespace `{}` lets this refer to the Secret `{name}`", to.namespace),
        ));
    }
    let Some(secret) = world.secrets.get(to.namespace, to.name) else {
        let message = format!("there is no Secret `{name}` of the type kubernetes.io/tls");
        return Err(Refused::new(invalid, message));
    };
    let part = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.as_slice());
    let (Some(chain), Some(key)) = (part("tls.crt"), part("tls.key")) else {
        return Err(Refused::new(invalid, format!("the Secret `{name}` lacks tls.crt or tls.key")));
    };
    check(chain, key).map_err(|error| Refused::new(invalid, format!("the Secret `{name}`: {error}")))?;
    let mut hold = |key: &str, bytes: &[u8]| {
        let path = PathBuf::from(format!("secret:{name}/{key}"));
        files.insert(path.clone(), Arc::from(bytes));
        path
    };
    Ok(Certificate { certificate: hold("tls.crt", chain), key: hold("tls.key", key) })
}

/// Whether a chain and a key can be used, and belong together.
fn check(chain: &[u8], key: &[u8]) -> Result<(), String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("tls.crt is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in tls.crt".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("tls.key is no private key: {error}"))?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    certified.map(drop).map_err(|error| format!("tls.crt and tls.key do not fit: {error}"))
}

/// Why a reference to authorities is no good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAuthority {
    /// It is no ConfigMap.
    Kind(String),
    /// It may not be referred to.
    NotPermitted(String),
    /// It is not there, or has nothing that can be used.
    Invalid(String),
}

/// The authorities in the `ca.crt` of a ConfigMap.
pub fn authorities(world: &World, from: Referrer<'_>, object: &ObjectRef) -> Result<String, NoAuthority> {
    let to = from.refers(object, "ConfigMap");
    let name = format!("{}/{}", to.namespace, to.name);
    if !to.group.is_empty() || to.kind != "ConfigMap" {
        return Err(NoAuthority::Kind(format!("authorities come from ConfigMaps, not from {} `{name}`", to.kind)));
    }
    if !from.may_refer(to, world) {
        let namespace = to.namespace;
        let message = format!("no ReferenceGrant in the namespace `{namespace}` lets this refer to `{name}`");
        return Err(NoAuthority::NotPermitted(message));
    }
    let map = world.config_maps.get(to.namespace, to.name);
    let Some(text) = map.and_then(|map| map.data.as_ref()).and_then(|data| data.get("ca.crt")) else {
        return Err(NoAuthority::Invalid(format!("there is no ConfigMap `{name}` with a key ca.crt")));
    };
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match parsed {
        Ok(chain) if !chain.is_empty() => Ok(text.clone()),
        _ => Err(NoAuthority::Invalid(format!("ca.crt of the ConfigMap `{name}` has no certificate in PEM"))),
    }
}
