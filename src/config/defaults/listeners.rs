//! Defaults below `listeners`.

use super::{Row, Setting};

pub(super) fn listener_rows() -> Vec<Row> {
    vec![LISTENER_HOST.row(), PUBLIC_PORT.row(), TRUSTED_PROXIES.row(), MIN_TLS.row(), CLIENT_CERTIFICATES.row()]
}

/// `listeners.*.host`
pub const LISTENER_HOST: Setting<&'static str> = Setting::new("listeners.*.host", "(any)", "routes tell hosts apart");
/// `listeners.*.publicPort`
pub const PUBLIC_PORT: Setting<&'static str> =
    Setting::new("listeners.*.publicPort", "(the address's own)", "mostly nothing is in between");
/// `listeners.*.trustedProxies`
pub const TRUSTED_PROXIES: Setting<&'static [&'static str]> =
    Setting::new("listeners.*.trustedProxies", &[], "whoever is believed can forge addresses");
/// `listeners.*.tls?.minVersion`
pub const MIN_TLS: Setting<&'static str> =
    Setting::new("listeners.*.tls?.minVersion", "1.2", "everything older is broken; some clients still lack 1.3");
/// `listeners.*.tls?.clientCertificates?.mode`
pub const CLIENT_CERTIFICATES: Setting<&'static str> =
    Setting::new("listeners.*.tls?.clientCertificates?.mode", "required", "who asks for certificates wants them");
