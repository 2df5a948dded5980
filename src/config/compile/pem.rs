//! Certificates and keys: PEM files, whether they belong together, and whether their time is right.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::Compiler;
use crate::config::load::reason;
use crate::config::schema;
use crate::config::tree::At;

impl Compiler<'_> {
    /// A chain and its key, and the names that the certificate is for.
    pub(super) fn certified_key(
        &mut self,
        pair: &schema::Certificate,
        at: &At<'_>,
    ) -> Option<(Vec<String>, CertifiedKey)> {
        let (at_chain, at_key) = (at.key("certificate"), at.key("key"));
        let chain = self.chain(&pair.certificate, &at_chain);
        let key = self.private_key(&pair.key, &at_key);
        let (chain, key) = (chain?, key?);
        let names = self.names(&chain, pair, &at_chain)?;
        match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
            Ok(certified) => Some((names, certified)),
            Err(rustls::Error::InconsistentKeys(_)) => {
                let (key, certificate) = (pair.key.display(), pair.certificate.display());
                self.error(&at_key, format!("the key `{key}` does not belong to the certificate `{certificate}`"))
                    .help("the first certificate in the file must be the server's own, made for this key");
                None
            }
            Err(error) => {
                self.error(&at_key, format!("the key `{}` cannot be used: {error}", pair.key.display()));
                None
            }
        }
    }

    /// Reads a PEM file.
    pub(super) fn pem(&mut self, path: &Path, at: &At<'_>) -> Option<Arc<[u8]>> {
        match self.loaded.read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.error(at, format!("`{}` cannot be read: {}", path.display(), reason(&error)))
                    .help("a relative path begins at the directory of the configuration file");
                None
            }
        }
    }

    /// The certificates in a file, at least one.
    pub(super) fn chain(&mut self, path: &Path, at: &At<'_>) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.pem(path, at)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let message = match chain {
            Ok(chain) if !chain.is_empty() => return Some(chain),
            Ok(_) => format!("there is no certificate in `{}`", path.display()),
            Err(error) => format!("`{}` is not a PEM file: {error}", path.display()),
        };
        self.error(at, message).help("a certificate begins with `-----BEGIN CERTIFICATE-----`");
        None
    }

    fn private_key(&mut self, path: &Path, at: &At<'_>) -> Option<PrivateKeyDer<'static>> {
        let pem = self.pem(path, at)?;
        let message = match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(key) => return Some(key),
            Err(rustls_pki_types::pem::Error::NoItemsFound) => {
                format!("there is no private key in `{}`", path.display())
            }
            Err(error) => format!("`{}` is not a PEM file: {error}", path.display()),
        };
        self.error(at, message).help("a key begins with `-----BEGIN PRIVATE KEY-----`, without a password");
        None
    }

    /// The names of the server's own certificate. Says so when its time is over, not yet there, or nearly over.
    fn names(&mut self, chain: &[CertificateDer<'_>], pair: &schema::Certificate, at: &At<'_>) -> Option<Vec<String>> {
        let path = pair.certificate.display();
        let parsed = match chain.first().map(webpki::EndEntityCert::try_from) {
            Some(Ok(parsed)) => parsed,
            _ => {
                self.error(at, format!("the first certificate in `{path}` cannot be understood"));
                return None;
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match (validity(&parsed, now), validity(&parsed, now + SOON)) {
            (Validity::Expired, _) => self.warn(at, format!("the certificate `{path}` has expired")).help(RENEW),
            (Validity::NotYet, _) => self.warn(at, format!("the certificate `{path}` is not valid yet")).help(CLOCK),
            (Validity::Good, Validity::Expired) => {
                self.warn(at, format!("the certificate `{path}` expires within three days")).help(RENEW);
            }
            _ => {}
        }
        Some(parsed.valid_dns_names().map(str::to_lowercase).collect())
    }
}

/// Whether a certificate may be used at a time.
#[derive(PartialEq, Eq)]
enum Validity {
    Good,
    NotYet,
    Expired,
}

/// webpki looks at the time before it looks for an issuer, so that no issuer is needed to learn it.
fn validity(certificate: &webpki::EndEntityCert<'_>, at: Duration) -> Validity {
    let time = UnixTime::since_unix_epoch(at);
    let usage = webpki::KeyUsage::server_auth();
    match certificate.verify_for_usage(&[], &[], &[], time, usage, None, None) {
        Err(webpki::Error::CertExpired { .. }) => Validity::Expired,
        Err(webpki::Error::CertNotValidYet { .. }) => Validity::NotYet,
        _ => Validity::Good,
    }
}

/// When to say that a certificate is about to expire: what still leaves time to act, and is silent with the short-lived
/// certificates of automated issuers, which are renewed earlier.
const SOON: Duration = Duration::from_secs(3 * 24 * 3600);

const RENEW: &str = "put a new one in its place: weir takes it without a restart";
const CLOCK: &str = "is the clock of this machine right?";
