//! Defaults below `backends`.

use super::{Row, Setting};
use crate::types::{Ratio, Span};

pub(super) fn backend_rows() -> Vec<Row> {
    vec![
        UNRESOLVED.row(),
        PROTOCOL.row(),
        BALANCER.row(),
        HEALTH_HOST.row(),
        HEALTH_INTERVAL.row(),
        HEALTH_TIMEOUT.row(),
        HEALTHY_AFTER.row(),
        UNHEALTHY_AFTER.row(),
        OUTLIER_ENABLED.row(),
        OUTLIER_FAILURES.row(),
        OUTLIER_EJECTION.row(),
        OUTLIER_MAX.row(),
        CONNECT_TIMEOUT.row(),
        RESPONSE_TIMEOUT.row(),
        IDLE_TIMEOUT.row(),
        BACKEND_KEEP_ALIVE.row(),
        MAX_CONNECTIONS.row(),
        MAX_PENDING.row(),
        QUEUE_REQUESTS.row(),
        QUEUE_FOR.row(),
    ]
}

/// `backends.*.unresolved`
pub const UNRESOLVED: Setting<bool> = Setting::new("backends.*.unresolved", false, "who names a target has one");
/// `backends.*.protocol`
pub const PROTOCOL: Setting<&'static str> =
    Setting::new("backends.*.protocol", "auto", "ALPN knows better than a file");
/// `backends.*.balancer`
pub const BALANCER: Setting<&'static str> =
    Setting::new("backends.*.balancer", "leastLatency", "a slow endpoint gets less at once");
/// `backends.*.healthCheck?.host`
pub const HEALTH_HOST: Setting<&'static str> =
    Setting::new("backends.*.healthCheck?.host", "(the endpoint)", "most health endpoints answer any Host");
/// `backends.*.healthCheck?.interval`
pub const HEALTH_INTERVAL: Setting<Span> = Setting::new(
    "backends.*.healthCheck?.interval",
    Span::secs(5),
    "traffic itself tells sooner; a probe finds the way back",
);
/// `backends.*.healthCheck?.timeout`
pub const HEALTH_TIMEOUT: Setting<Span> =
    Setting::new("backends.*.healthCheck?.timeout", Span::secs(2), "a health endpoint that needs longer is not well");
/// `backends.*.healthCheck?.healthyAfter`
pub const HEALTHY_AFTER: Setting<u32> =
    Setting::new("backends.*.healthCheck?.healthyAfter", 2, "one good answer may be luck");
/// `backends.*.healthCheck?.unhealthyAfter`
pub const UNHEALTHY_AFTER: Setting<u32> =
    Setting::new("backends.*.healthCheck?.unhealthyAfter", 3, "one lost packet is no outage");
/// `backends.*.outlier.enabled`
pub const OUTLIER_ENABLED: Setting<bool> =
    Setting::new("backends.*.outlier.enabled", true, "users should not meet the same dead endpoint again");
/// `backends.*.outlier.consecutiveFailures`
pub const OUTLIER_FAILURES: Setting<u32> =
    Setting::new("backends.*.outlier.consecutiveFailures", 5, "five in a row are no accident, even at 10% errors");
/// `backends.*.outlier.ejection`
pub const OUTLIER_EJECTION: Setting<Span> =
    Setting::new("backends.*.outlier.ejection", Span::secs(10), "long enough for a restart, short enough to notice it");
/// `backends.*.outlier.maxEjected`
pub const OUTLIER_MAX: Setting<Ratio> =
    Setting::new("backends.*.outlier.maxEjected", Ratio::percent(50), "the other half would drown in the load of more");
/// `backends.*.timeouts.connect`
pub const CONNECT_TIMEOUT: Setting<Span> =
    Setting::new("backends.*.timeouts.connect", Span::secs(2), "twice the first retransmission of a SYN, which is 1s");
/// `backends.*.timeouts.response`
pub const RESPONSE_TIMEOUT: Setting<Span> =
    Setting::new("backends.*.timeouts.response", Span::secs(60), "what nginx and most load balancers have");
/// `backends.*.timeouts.idle`
pub const IDLE_TIMEOUT: Setting<Span> = Setting::new(
    "backends.*.timeouts.idle",
    Span::secs(300),
    "server-sent events and WebSockets speak at least that often",
);
/// `backends.*.timeouts.keepAlive`
pub const BACKEND_KEEP_ALIVE: Setting<Span> =
    Setting::new("backends.*.timeouts.keepAlive", Span::secs(60), "below the 75s after which most servers close");
/// `backends.*.maxConnections`
pub const MAX_CONNECTIONS: Setting<u32> = Setting::new(
    "backends.*.maxConnections",
    1024,
    "more than one endpoint can serve at once, fewer than there are ports",
);
/// `backends.*.maxPending`
pub const MAX_PENDING: Setting<u32> =
    Setting::new("backends.*.maxPending", 1024, "a short burst waits, a long one gets 503 instead of memory");
/// `backends.*.queue.requests`
pub const QUEUE_REQUESTS: Setting<u32> =
    Setting::new("backends.*.queue.requests", 1000, "some megabytes of waiting requests, however many come");
/// `backends.*.queue.for`
pub const QUEUE_FOR: Setting<Span> =
    Setting::new("backends.*.queue.for", Span::secs(5), "most processes restart faster, and people wait as long");
