//! TLS to backends: whom to trust, who we are, what is spoken.

mod names;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use names::SubjectName;

/// The text of a PEM file.
#[derive(Clone, Copy, Debug)]
pub struct Pem<'a> {
    /// The file's name, for errors.
    pub path: &'a Path,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// What ALPN offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2 before HTTP/1.1.
    Any,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Any => &[b"h2", b"http/1.1"],
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// Why there is no TLS client.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not PEM.
    #[error("cannot read `{}`: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: rustls_pki_types::pem::Error,
    },
    /// A file has no certificate in it.
    #[error("`{}` holds no certificate: it must be PEM, with `BEGIN CERTIFICATE`", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// A certificate in a file cannot be trusted as an authority.
    #[error("a certificate in `{}` is no authority that can be trusted: {error}", path.display())]
    BadAuthority {
        /// Which.
        path: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// The client's certificate and key are no pair, or of no use.
    #[error("the certificate `{}` and the key `{}` cannot be used together: {error}", certificate.display(), key.display())]
    BadIdentity {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// The machine has no authorities.
    #[error("this machine has no trusted authorities ({0}): install its CA certificates, or name a `ca` file")]
    NoRoots(String),
    /// The cryptography does not work here.
    #[error("TLS does not work here: {0}")]
    Unusable(rustls::Error),
}

/// A TLS client that trusts the authorities in `ca` (`None`: the machine's own), and shows the certificate `identity` (chain,
/// key) to servers that ask. TLS 1.2 and 1.3. With `names` a certificate must carry one of them; without, the name of the
/// server.
///
/// Connections are pooled by the returned `Arc`: where nothing has changed, use the one you have.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn client_config(
    ca: Option<Pem<'_>>,
    identity: Option<(Pem<'_>, Pem<'_>)>,
    names: &[SubjectName],
    alpn: Alpn,
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match ca {
        Some(pem) => Arc::new(authorities(pem)?),
        None => machine_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = if names.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(names::AnyOf::new(roots, names)))
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_slice(key.bytes)
                .map_err(|error| TlsError::Unreadable { path: key.path.to_owned(), error })?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| TlsError::BadIdentity {
                certificate: certificate.path.to_owned(),
                key: key.path.to_owned(),
                error,
            })?
        }
    };
    config.alpn_protocols = alpn.protocols();
    Ok(Arc::new(config))
}

/// The same client, offering `alpn`.
pub(super) fn offering(config: &Arc<ClientConfig>, alpn: Alpn) -> Arc<ClientConfig> {
    if config.alpn_protocols == alpn.protocols() {
        return config.clone();
    }
    let mut config = (**config).clone();
    config.alpn_protocols = alpn.protocols();
    Arc::new(config)
}

fn certificates(pem: Pem<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = || pem.path.to_owned();
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.bytes).collect();
    let found = found.map_err(|error| TlsError::Unreadable { path: path(), error })?;
    if found.is_empty() { Err(TlsError::NoCertificate { path: path() }) } else { Ok(found) }
}

/// The authorities to trust that are in `pem`, at least one.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn authorities(pem: Pem<'_>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| TlsError::BadAuthority { path: pem.path.to_owned(), error })?;
    }
    Ok(roots)
}

/// The machine's own authorities, read once: it takes milliseconds, and a reload may ask for every backend.
fn machine_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Machines carry odd certificates; those that cannot be parsed are of no use, and do no harm.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots(why));
    }
    Ok(ROOTS.get_or_init(|| Arc::new(roots)).clone())
}

#[cfg(test)]
mod tests;
