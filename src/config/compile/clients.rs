//! Certificates of clients: whom a TLS listener lets in.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::Compiler;
use crate::config::schema;
use crate::config::tree::At;
use crate::upstream::tls::{Pem, authorities};

impl Compiler<'_> {
    /// Checks clients' certificates against the authorities in a file.
    pub(super) fn client_verifier(
        &mut self,
        clients: &schema::ClientCertificates,
        at: &At<'_>,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        let at_ca = at.key("ca");
        let pem = self.pem(&clients.ca, &at_ca)?;
        let roots = match authorities(Pem { path: &clients.ca, bytes: &pem }) {
            Ok(roots) => Arc::new(roots),
            Err(error) => {
                self.error(&at_ca, error.to_string());
                return None;
            }
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        match WebPkiClientVerifier::builder_with_provider(roots, provider).build() {
            Ok(strict) => Some(match clients.mode {
                schema::ClientCertificateMode::Required => strict,
                schema::ClientCertificateMode::Optional => Arc::new(Lenient(strict)),
            }),
            Err(error) => {
                self.error(&at_ca, format!("clients cannot be checked by `{}`: {error}", clients.ca.display()));
                None
            }
        }
    }
}

/// Asks for a certificate, and lets in who has none or a wrong one, all the same.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // With hints, clients whose certificate is of another authority would not show it, or not come at all.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let checked = self.0.verify_client_cert(end_entity, intermediates, now);
        checked.or_else(|_| Ok(ClientCertVerified::assertion()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
