//! Names that a backend's certificate may carry instead of the server name.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectName {
    /// Of a host; a wildcard in the certificate may stand for it.
    Host(ServerName<'static>),
    /// A URI, such as a SPIFFE ID; letter by letter.
    Uri(String),
}

impl SubjectName {
    fn is_in(&self, certificate: &CertificateDer<'_>) -> bool {
        match self {
            Self::Host(name) => ParsedCertificate::try_from(certificate)
                .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok()),
            Self::Uri(uri) => webpki::EndEntityCert::try_from(certificate)
                .is_ok_and(|certificate| certificate.valid_uri_names().any(|name| name == uri)),
        }
    }
}

/// Trusts certificates of its authorities that carry one of its names, whatever name the client sent as SNI.
#[derive(Debug)]
pub(super) struct AnyOf {
    roots: Arc<RootCertStore>,
    names: Box<[SubjectName]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyOf {
    pub(super) fn new(roots: Arc<RootCertStore>, names: &[SubjectName]) -> Self {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Self { roots, names: names.into(), algorithms }
    }
}

impl ServerCertVerifier for AnyOf {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, self.algorithms.all)?;
        if self.names.iter().any(|name| name.is_in(end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::NotValidForName.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
