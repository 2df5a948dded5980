//! Defaults below `proxy`.

use super::{Row, Setting};
use crate::types::Span;

pub(super) fn proxy_rows() -> Vec<Row> {
    vec![
        WORKERS.row(),
        DRAIN_TIMEOUT.row(),
        DRAIN_DELAY.row(),
        CONNECTIONS.row(),
        HEADER_BYTES.row(),
        HEADER_COUNT.row(),
        BODY_BYTES.row(),
        HTTP2_STREAMS.row(),
        HANDSHAKE_TIMEOUT.row(),
        HEADER_TIMEOUT.row(),
        CLIENT_KEEP_ALIVE.row(),
        ACCESS_LOG.row(),
        ACCESS_LOG_TEMPLATE.row(),
    ]
}

/// `proxy.workers`
pub const WORKERS: Setting<&'static str> =
    Setting::new("proxy.workers", "(one for each core)", "more threads only take turns");
/// `proxy.drainTimeout`
pub const DRAIN_TIMEOUT: Setting<Span> =
    Setting::new("proxy.drainTimeout", Span::secs(30), "what Kubernetes and systemd-style stops allow");
/// `proxy.drainDelay`
pub const DRAIN_DELAY: Setting<Span> =
    Setting::new("proxy.drainDelay", Span::secs(0), "nobody has to notice on a single machine");
/// `proxy.limits.connections`
pub const CONNECTIONS: Setting<u32> =
    Setting::new("proxy.limits.connections", 65_536, "about 1 GiB of memory at worst");
/// `proxy.limits.headerBytes`
pub const HEADER_BYTES: Setting<u32> =
    Setting::new("proxy.limits.headerBytes", 65_536, "large cookies pass, floods do not");
/// `proxy.limits.headerCount`
pub const HEADER_COUNT: Setting<u32> = Setting::new("proxy.limits.headerCount", 100, "as hyper, nginx and HAProxy");
/// `proxy.limits.bodyBytes`
pub const BODY_BYTES: Setting<&'static str> = Setting::new(
    "proxy.limits.bodyBytes",
    "(no limit)",
    "bodies are streamed, never held: the application knows its limit",
);
/// `proxy.limits.http2Streams`
pub const HTTP2_STREAMS: Setting<u32> =
    Setting::new("proxy.limits.http2Streams", 100, "the least that RFC 9113 recommends");
/// `proxy.timeouts.handshake`
pub const HANDSHAKE_TIMEOUT: Setting<Span> =
    Setting::new("proxy.timeouts.handshake", Span::secs(10), "two lost packets on a slow phone");
/// `proxy.timeouts.header`
pub const HEADER_TIMEOUT: Setting<Span> =
    Setting::new("proxy.timeouts.header", Span::secs(15), "slower heads are attacks (slowloris)");
/// `proxy.timeouts.keepAlive`
pub const CLIENT_KEEP_ALIVE: Setting<Span> = Setting::new(
    "proxy.timeouts.keepAlive",
    Span::secs(75),
    "what nginx has; above the 60s of common load balancers in front",
);
/// `proxy.accessLog.format`
pub const ACCESS_LOG: Setting<&'static str> =
    Setting::new("proxy.accessLog.format", "off", "metrics count everything; a line for each request costs");
/// `proxy.accessLog.template`
pub const ACCESS_LOG_TEMPLATE: Setting<&'static str> =
    Setting::new("proxy.accessLog.template", TEMPLATE, "Envoy's own order, so that its parsers work");

const TEMPLATE: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";
