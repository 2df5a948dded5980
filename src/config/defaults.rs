//! Every default of the configuration, in one place: where it holds, what it is, and why it is that.
//!
//! [`table`] feeds `weir check --print-effective`. A test writes every default out and finds that nothing changes, another
//! that no optional key of the schema lacks its row.

use serde::Serialize;

use super::schema::{Line, Preset, Risk};
use crate::stats::DEFAULT_BOUNDS_MS;
use crate::types::{Ratio, Span};

/// A default.
#[derive(Clone, Copy, Debug)]
pub struct Setting<T> {
    /// Where it holds. `*` is any item or name; a key with `?` must be written for the default below it to mean anything.
    pub path: &'static str,
    /// What holds when nothing is written.
    pub value: T,
    /// Why this.
    pub why: &'static str,
}

impl<T: Copy> Setting<T> {
    const fn new(path: &'static str, value: T, why: &'static str) -> Self {
        Self { path, value, why }
    }

    /// What was written, or the default.
    pub fn or(&self, written: Option<T>) -> T {
        written.unwrap_or(self.value)
    }
}

impl<T: Serialize> Setting<T> {
    fn row(&self) -> Row {
        let value = serde_json::to_value(&self.value).unwrap_or_default();
        Row { path: self.path, value, why: self.why }
    }
}

/// A row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// As [`Setting::path`].
    pub path: &'static str,
    /// The default as it would be written; a text in parentheses where that is not possible.
    pub value: serde_json::Value,
    /// Why this.
    pub why: &'static str,
}

/// All defaults, in the order of the file.
pub fn table() -> Vec<Row> {
    vec![
        // Listeners
        LISTENER_HOST.row(),
        PUBLIC_PORT.row(),
        TRUSTED_PROXIES.row(),
        MIN_TLS.row(),
        CLIENT_CERTIFICATES.row(),
        // Routes
        ROUTE_NAME.row(),
        ROUTE_LISTENERS.row(),
        ROUTE_TIMEOUT.row(),
        BACKEND_TIMEOUT.row(),
        CORS_MAX_AGE.row(),
        RETRY_ATTEMPTS.row(),
        RETRY_STATUSES.row(),
        RETRY_BUDGET.row(),
        MIRROR_SHARE.row(),
        MIRRORS_SHARE.row(),
        REDIRECT_STATUS.row(),
        SPLIT_WEIGHT.row(),
        // Backends
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
        // Releases
        STEPS.row(),
        START_BY_TRAFFIC.row(),
        STEP_AT_LEAST.row(),
        STEP_AT_MOST.row(),
        STEP_PAUSE.row(),
        MIRROR_FIRST_SHARE.row(),
        MIRROR_FIRST_REQUESTS.row(),
        MIRROR_FIRST_AT_LEAST.row(),
        MIRROR_FIRST_AT_MOST.row(),
        MIRROR_FIRST_METHODS.row(),
        HOLD_BACK_WEIGHT.row(),
        HOLD_BACK_FOR.row(),
        COOKIE_NAME.row(),
        COOKIE_MAX_AGE.row(),
        PRESET.row(),
        FALSE_ABORT.row(),
        FALSE_PROMOTE.row(),
        ERROR_TOLERABLE.row(),
        ERROR_BAD.row(),
        ROUTE_TOLERABLE.row(),
        ROUTE_BAD.row(),
        LATENCY_ENABLED.row(),
        LATENCY_TOLERABLE.row(),
        LATENCY_BAD.row(),
        LATENCY_BOUNDS.row(),
        FAILURE_STATUSES.row(),
        FAILURE_GRPC.row(),
        WARM_UP.row(),
        MINIMUM_TIME.row(),
        ON_NO_EVIDENCE.row(),
        ON_SUSPICION.row(),
        CHECK_INTERVAL.row(),
        CHECK_TIMEOUT.row(),
        CHECK_FAILURES.row(),
        // Admin
        ADMIN_ADDRESS.row(),
        ADMIN_HOSTS.row(),
        ADMIN_TOKEN_FILE.row(),
        // Proxy
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

// Listeners

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

// Routes

/// `routes.*.name`
pub const ROUTE_NAME: Setting<&'static str> = Setting::new(
    "routes.*.name",
    "(route-N, by its place in the file)",
    "a name in metrics that nobody has to think about",
);
/// `routes.*.listeners`
pub const ROUTE_LISTENERS: Setting<&'static str> =
    Setting::new("routes.*.listeners", "(all)", "one listener is the usual case");
/// `routes.*.timeout`
pub const ROUTE_TIMEOUT: Setting<&'static str> = Setting::new(
    "routes.*.timeout",
    "(none)",
    "streams and long downloads are no errors; the backend's own timeouts hold",
);
/// `routes.*.backendTimeout`
pub const BACKEND_TIMEOUT: Setting<&'static str> =
    Setting::new("routes.*.backendTimeout", "(none)", "the backend's own timeouts hold");
/// `routes.*.filters.cors?.maxAge`
pub const CORS_MAX_AGE: Setting<Span> =
    Setting::new("routes.*.filters.cors?.maxAge", Span::secs(5), "as browsers do, so that a change is soon felt");
/// `routes.*.retry.attempts`
pub const RETRY_ATTEMPTS: Setting<u32> =
    Setting::new("routes.*.retry.attempts", 2, "a second attempt hides nearly every single failure, a third adds load");
/// `routes.*.retry.statuses`
pub const RETRY_STATUSES: Setting<&'static [u16]> = Setting::new(
    "routes.*.retry.statuses",
    &[502, 503, 504],
    "what proxies and overloaded servers say before they have done anything",
);
/// `routes.*.retry.budget`
pub const RETRY_BUDGET: Setting<Ratio> =
    Setting::new("routes.*.retry.budget", Ratio::percent(20), "an outage may grow by a fifth, not double");
/// `routes.*.mirror?.share`
pub const MIRROR_SHARE: Setting<Ratio> =
    Setting::new("routes.*.mirror?.share", Ratio::ONE, "who mirrors mostly wants everything");
/// `routes.*.mirrors?.*.share`
pub const MIRRORS_SHARE: Setting<Ratio> = Setting::new("routes.*.mirrors?.*.share", Ratio::ONE, MIRROR_SHARE.why);
/// `routes.*.redirect?.status`
pub const REDIRECT_STATUS: Setting<u16> =
    Setting::new("routes.*.redirect?.status", 302, "browsers keep a permanent redirect for ever");
/// `routes.*.backends?.*.weight`
pub const SPLIT_WEIGHT: Setting<u32> =
    Setting::new("routes.*.backends?.*.weight", 1, "equal shares, as in the Gateway API");
// Backends

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
// Releases

/// `releases.*.steps`
pub const STEPS: Setting<&'static [Ratio]> = Setting::new(
    "releases.*.steps",
    &[Ratio::percent(1), Ratio::percent(5), Ratio::percent(25), Ratio::percent(50)],
    "a bad canary shows at 1%, a slow one under load at 50%",
);
/// `releases.*.startByTraffic`
pub const START_BY_TRAFFIC: Setting<&'static str> = Setting::new(
    "releases.*.startByTraffic",
    "(true with the default steps)",
    "1% of little traffic shows nothing; whoever writes steps of his own means the first one",
);
/// `releases.*.steps?.*.atLeast`
pub const STEP_AT_LEAST: Setting<Span> =
    Setting::new("releases.*.steps?.*.atLeast", Span::secs(0), "evidence decides, not time");
/// `releases.*.steps?.*.atMost`
pub const STEP_AT_MOST: Setting<&'static str> =
    Setting::new("releases.*.steps?.*.atMost", "(none)", "a night without traffic is no reason to decide");
/// `releases.*.steps?.*.pause`
pub const STEP_PAUSE: Setting<bool> =
    Setting::new("releases.*.steps?.*.pause", false, "weir decides by itself unless told to ask");
/// `releases.*.mirrorFirst?.share`
pub const MIRROR_FIRST_SHARE: Setting<Ratio> = Setting::new(
    "releases.*.mirrorFirst?.share",
    Ratio::percent(10),
    "enough to see a broken canary in seconds, and little work on top",
);
/// `releases.*.mirrorFirst?.requests`
pub const MIRROR_FIRST_REQUESTS: Setting<u32> =
    Setting::new("releases.*.mirrorFirst?.requests", 100, "what fails one request in thirty has shown by then");
/// `releases.*.mirrorFirst?.atLeast`
pub const MIRROR_FIRST_AT_LEAST: Setting<Span> =
    Setting::new("releases.*.mirrorFirst?.atLeast", Span::secs(0), STEP_AT_LEAST.why);
/// `releases.*.mirrorFirst?.atMost`
pub const MIRROR_FIRST_AT_MOST: Setting<&'static str> =
    Setting::new("releases.*.mirrorFirst?.atMost", "(none)", STEP_AT_MOST.why);
/// `releases.*.mirrorFirst?.methods`
pub const MIRROR_FIRST_METHODS: Setting<&'static [&'static str]> = Setting::new(
    "releases.*.mirrorFirst?.methods",
    &["GET", "HEAD", "OPTIONS"],
    "safe by their definition: carried out twice they change nothing",
);
/// `releases.*.holdBack?.weight`
pub const HOLD_BACK_WEIGHT: Setting<Ratio> =
    Setting::new("releases.*.holdBack?.weight", Ratio::percent(5), "enough to compare with, and few who have to move");
/// `releases.*.holdBack?.for`
pub const HOLD_BACK_FOR: Setting<Span> =
    Setting::new("releases.*.holdBack?.for", Span::secs(1800), "what leaks or fills up shows in half an hour");
/// `releases.*.affinity?.cookie?.name`
pub const COOKIE_NAME: Setting<&'static str> =
    Setting::new("releases.*.affinity?.cookie?.name", "(weir-RELEASE)", "two releases must not share one");
/// `releases.*.affinity?.cookie?.maxAge`
pub const COOKIE_MAX_AGE: Setting<Span> =
    Setting::new("releases.*.affinity?.cookie?.maxAge", Span::secs(86_400), "longer than most rollouts");
/// `releases.*.analysis.preset`
pub const PRESET: Setting<Preset> = Setting::new(
    "releases.*.analysis.preset",
    Preset::Standard,
    "sure enough for most, and soon enough for a working day",
);
/// `releases.*.analysis.falseAbort`
pub const FALSE_ABORT: Setting<Risk> = Setting::new(
    "releases.*.analysis.falseAbort",
    Risk(Ratio::percent(1)),
    "one good release of a hundred may be tried again",
);
/// `releases.*.analysis.falsePromote`
pub const FALSE_PROMOTE: Setting<Risk> = Setting::new(
    "releases.*.analysis.falsePromote",
    Risk(Ratio::percent(1)),
    "one bad release of a hundred may pass, at most",
);
/// `releases.*.analysis.errorRate.tolerable`
pub const ERROR_TOLERABLE: Setting<Line> = Setting::new(
    "releases.*.analysis.errorRate.tolerable",
    line(1.25, 1_000),
    "a quarter more errors than stable is within what deployments do",
);
/// `releases.*.analysis.errorRate.bad`
pub const ERROR_BAD: Setting<Line> = Setting::new(
    "releases.*.analysis.errorRate.bad",
    line(1.5, 5_000),
    "half as many errors again is what users notice",
);
/// `releases.*.analysis.routeErrorRate.tolerable`
pub const ROUTE_TOLERABLE: Setting<Line> = Setting::new(
    "releases.*.analysis.routeErrorRate.tolerable",
    line(1.25, 10_000),
    "a single route has little traffic: its line is coarser",
);
/// `releases.*.analysis.routeErrorRate.bad`
pub const ROUTE_BAD: Setting<Line> = Setting::new(
    "releases.*.analysis.routeErrorRate.bad",
    line(1.5, 50_000),
    "one request of twenty on one route is broken for its users",
);
/// `releases.*.analysis.latency.enabled`
pub const LATENCY_ENABLED: Setting<bool> =
    Setting::new("releases.*.analysis.latency.enabled", true, "slow is the second way to be broken");
/// `releases.*.analysis.latency.tolerable`
pub const LATENCY_TOLERABLE: Setting<Line> = Setting::new(
    "releases.*.analysis.latency.tolerable",
    line(1.25, 5_000),
    "as for errors, with room for the noise of latency",
);
/// `releases.*.analysis.latency.bad`
pub const LATENCY_BAD: Setting<Line> =
    Setting::new("releases.*.analysis.latency.bad", line(1.5, 20_000), "two requests of a hundred slower than before");
/// `releases.*.analysis.latency.bounds`
pub const LATENCY_BOUNDS: Setting<&'static [Span]> = Setting::new(
    "releases.*.analysis.latency.bounds",
    &LATENCY_BOUNDS_TABLE,
    "close enough that a shift of a third crosses one anywhere between 5ms and 10s",
);
/// `releases.*.analysis.failures.statuses`
pub const FAILURE_STATUSES: Setting<&'static [&'static str]> =
    Setting::new("releases.*.analysis.failures.statuses", &["500-599"], "4xx is the client's doing");
/// `releases.*.analysis.failures.grpc`
pub const FAILURE_GRPC: Setting<&'static [u8]> = Setting::new(
    "releases.*.analysis.failures.grpc",
    &[2, 4, 12, 13, 14, 15],
    "the codes that gRPC gives to faults of the server",
);
/// `releases.*.analysis.warmUp`
pub const WARM_UP: Setting<Span> = Setting::new(
    "releases.*.analysis.warmUp",
    Span::secs(15),
    "caches and connections are cold in every first request",
);
/// `releases.*.analysis.minimumTime`
pub const MINIMUM_TIME: Setting<Span> = Setting::new(
    "releases.*.analysis.minimumTime",
    Span::secs(240),
    "some faults need minutes to show: leaks, timers, token expiry",
);
/// `releases.*.analysis.onNoEvidence`
pub const ON_NO_EVIDENCE: Setting<&'static str> =
    Setting::new("releases.*.analysis.onNoEvidence", "hold", "no evidence is neither good nor bad");
/// `releases.*.analysis.onSuspicion`
pub const ON_SUSPICION: Setting<&'static str> =
    Setting::new("releases.*.analysis.onSuspicion", "hold", "a weight that goes up and down has to be asked for");
/// `releases.*.checks.*.interval`
pub const CHECK_INTERVAL: Setting<Span> =
    Setting::new("releases.*.checks.*.interval", Span::secs(15), "as often as Prometheus scrapes by default");
/// `releases.*.checks.*.timeout`
pub const CHECK_TIMEOUT: Setting<Span> =
    Setting::new("releases.*.checks.*.timeout", Span::secs(5), "a check that is asked every 15s has answered by then");
/// `releases.*.checks.*.failures`
pub const CHECK_FAILURES: Setting<u32> =
    Setting::new("releases.*.checks.*.failures", 2, "one failed look may be the look's own fault");
// Admin

/// `admin.address`
pub const ADMIN_ADDRESS: Setting<&'static str> =
    Setting::new("admin.address", "127.0.0.1:9180", "commands are for this machine unless a token protects them");
/// `admin.hosts`
pub const ADMIN_HOSTS: Setting<&'static [&'static str]> =
    Setting::new("admin.hosts", &[], "any other name may be a stranger's that leads here (DNS rebinding)");
/// `admin.tokenFile`
pub const ADMIN_TOKEN_FILE: Setting<&'static str> =
    Setting::new("admin.tokenFile", "(made at the start)", "the command line on the same machine just works");
// Proxy

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

/// `times`x + `ppm` parts per million.
const fn line(times: f64, ppm: u32) -> Line {
    Line { times, plus: Ratio::from_ppm(ppm).expect("the table's shares are below one million") }
}

const LATENCY_BOUNDS_TABLE: [Span; DEFAULT_BOUNDS_MS.len()] = {
    let mut spans = [Span::millis(0); DEFAULT_BOUNDS_MS.len()];
    let mut index = 0;
    while index < spans.len() {
        spans[index] = Span::millis(DEFAULT_BOUNDS_MS[index] as u64);
        index += 1;
    }
    spans
};

const TEMPLATE: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";

#[cfg(test)]
mod tests;
