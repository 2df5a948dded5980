//! TLS towards clients: certificates by name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Compiler;
use crate::config::schema::{self, TlsVersion};
use crate::config::tree::At;

impl Compiler<'_> {
    pub(super) fn listener_tls(&mut self, tls: &schema::ListenerTls, at: &At<'_>) -> Option<Arc<ServerConfig>> {
        let list = at.key("certificates");
        if tls.certificates.is_empty() && !list.lost_any() {
            self.error(&list, "there is no certificate")
                .help("add `- { certificate: FILE, key: FILE }`, or remove `tls`");
        }
        let mut by_name = ByName::default();
        for (index, pair) in tls.certificates.iter().enumerate() {
            if let Some((names, key)) = self.certified_key(pair, &list.item(index)) {
                by_name.add(&names, Arc::new(key));
            }
        }
        let clients = tls.client_certificates.as_ref();
        let verifier = clients.map(|clients| self.client_verifier(clients, &at.key("clientCertificates")));
        let verifier = match verifier {
            Some(None) => return None,
            Some(some) => some,
            None => None,
        };
        let versions: &[&rustls::SupportedProtocolVersion] = match tls.min_version {
            TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::V1_3 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = match builder.with_protocol_versions(versions) {
            Ok(builder) => builder,
            Err(error) => {
                self.error(at, format!("TLS cannot be set up: {error}"));
                return None;
            }
        };
        // Who resumes a session is not asked again: tickets of listeners that ask nobody must not open those that ask.
        let tickets = if verifier.is_some() { None } else { self.leaves.session_tickets() };
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(by_name));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if let Some(tickets) = tickets {
            config.ticketer = tickets;
        }
        Some(Arc::new(config))
    }
}

/// Finds the certificate for the name that a client asks for.
#[derive(Debug, Default)]
struct ByName {
    /// By name; a wildcard without its `*`, so with a dot first. Several for one name: of several kinds of key.
    names: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For clients that ask for no name, or for one that nobody has.
    first: Option<Arc<CertifiedKey>>,
}

impl ByName {
    fn add(&mut self, names: &[String], key: Arc<CertifiedKey>) {
        for name in names {
            let name = name.strip_prefix('*').unwrap_or(name);
            self.names.entry(name.to_owned()).or_default().push(key.clone());
        }
        self.first.get_or_insert(key);
    }

    /// Those for `name`: exact before wildcard. A wildcard stands for one label.
    fn of(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let wildcard = || self.names.get(&name[name.find('.')?..]);
        self.names.get(name).or_else(wildcard).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_lowercase);
        let Some(keys) = name.as_deref().and_then(|name| self.of(name)) else { return self.first.clone() };
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        keys.iter().find(usable).or(keys.first()).cloned()
    }
}

#[cfg(test)]
mod tests;
