//! How replicas know each other: one certificate and key, in a Secret that weir alone reads. Who shows it is weir.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The name in the certificate; no host has it.
pub const NAME: &str = "replica.weir.internal";

/// The Secret, in weir's own namespace.
pub const SECRET: &str = "weir-peers";

/// The protocol of a connection that asks for a trace; one without a protocol listens to reports.
pub(super) const TRACE: &[u8] = b"weir/trace";

/// Both sides of the TLS between replicas.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    /// The client's side, to ask for a trace.
    pub(super) heir: Arc<ClientConfig>,
}

/// Why a Secret is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A key is missing in it, or is not PEM.
    #[error("the Secret {SECRET} has no {0} in PEM: delete it, and weir makes another one")]
    Missing(&'static str),
    /// They do not go together.
    #[error("the Secret {SECRET} is of no use ({0}): delete it, and weir makes another one")]
    Unusable(String),
}

/// A Secret with a new certificate and key.
///
/// # Errors
/// When there is no randomness.
pub fn create() -> Result<Secret, rcgen::Error> {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    let data = [
        ("tls.crt".to_owned(), ByteString(made.cert.pem().into_bytes())),
        ("tls.key".to_owned(), ByteString(made.signing_key.serialize_pem().into_bytes())),
    ];
    Ok(Secret {
        metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(data.into()),
        ..Secret::default()
    })
}

impl Identity {
    /// From the Secret.
    ///
    /// # Errors
    /// When it is of no use.
    pub fn of(secret: &Secret) -> Result<Self, IdentityError> {
        let pem = |key: &'static str| {
            let data = secret.data.as_ref().and_then(|data| data.get(key));
            data.map(|bytes| bytes.0.as_slice()).ok_or(IdentityError::Missing(key))
        };
        let certificate =
            CertificateDer::from_pem_slice(pem("tls.crt")?).map_err(|_| IdentityError::Missing("tls.crt"))?;
        let key = PrivateKeyDer::from_pem_slice(pem("tls.key")?).map_err(|_| IdentityError::Missing("tls.key"))?;
        Self::build(certificate, key).map_err(IdentityError::Unusable)
    }

    fn build(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<Self, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(|error| text(&error))?;
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let verifier = verifier.map_err(|error| text(&error))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| text(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.clone()], key.clone_key())
            .map_err(|error| text(&error))?;
        server.alpn_protocols = vec![TRACE.to_vec()];
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| text(&error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .map_err(|error| text(&error))?;
        let mut heir = client.clone();
        heir.alpn_protocols = vec![TRACE.to_vec()];
        Ok(Self { server: Arc::new(server), client: Arc::new(client), heir: Arc::new(heir) })
    }
}
