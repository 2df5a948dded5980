//! Every metric that weir exposes: its name, labels and meaning. Names are an interface: a new one follows Prometheus's
//! conventions (base units, `_total` for counters), has labels with few values (never a path, user or URL), and goes into
//! [`ALL`], which a test compares with a real scrape.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, from 0 at each start.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// Finished requests. An empty `route`: no route matched. An empty `backend`: weir answered by itself. `code` is the class
/// of the status (`2xx`), or `none` where the client left before there was one.
pub const REQUESTS: Metric = Metric {
    name: "weir_requests_total",
    kind: Kind::Counter,
    labels: &["listener", "route", "backend", "code"],
    help: "Finished requests by class of status; code none: the client left before there was one.",
};

/// Time from the request head to the end of the response.
pub const REQUEST_DURATION: Metric = Metric {
    name: "weir_request_duration_seconds",
    kind: Kind::Histogram,
    labels: &["route", "backend"],
    help: "Time from the request head to the end of the response.",
};

/// Time from forwarding a request to the response head.
pub const UPSTREAM_DURATION: Metric = Metric {
    name: "weir_upstream_duration_seconds",
    kind: Kind::Histogram,
    labels: &["route", "backend"],
    help: "Time from forwarding a request to the backend's response head.",
};

/// Requests under way.
pub const IN_FLIGHT: Metric = Metric {
    name: "weir_requests_in_flight",
    kind: Kind::Gauge,
    labels: &["route", "backend"],
    help: "Requests under way.",
};

/// Attempts beyond the first.
pub const RETRIES: Metric = Metric {
    name: "weir_retries_total",
    kind: Kind::Counter,
    labels: &["route", "backend"],
    help: "Attempts beyond the first of a request.",
};

/// Requests that wait because their backend has no endpoint.
pub const QUEUED: Metric = Metric {
    name: "weir_requests_queued",
    kind: Kind::Gauge,
    labels: &["backend"],
    help: "Requests that wait because their backend has no endpoint.",
};

/// Waits for an endpoint that are over, by how: `served`, `expired`, `full` (it did not begin) or `given_up`.
pub const QUEUE_ENDED: Metric = Metric {
    name: "weir_queued_requests_total",
    kind: Kind::Counter,
    labels: &["backend", "result"],
    help: "Requests that waited because their backend had no endpoint, by how that ended.",
};

/// The canary's share in force, 0 to 1.
pub const RELEASE_WEIGHT: Metric = Metric {
    name: "weir_release_weight_ratio",
    kind: Kind::Gauge,
    labels: &["release"],
    help: "The canary's share of the traffic in force, 0 to 1.",
};

/// The canary's answers to copies of requests, before its first user, by result: `success` or `failure`. No user got them.
pub const RELEASE_COPIES: Metric = Metric {
    name: "weir_release_mirrored_answers_total",
    kind: Kind::Counter,
    labels: &["release", "result"],
    help: "The canary's answers to copies of requests before its first user (mirrorFirst). No user got them.",
};

/// Whether this weir may raise weights.
pub const LEADER: Metric = Metric {
    name: "weir_leader",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while this weir may raise weights: always without others, with others while it holds the lease.",
};

/// Decisions that rest on what was seen, by what it said: `pass`, `fail` or `inconclusive`.
pub const RELEASE_VERDICTS: Metric = Metric {
    name: "weir_release_verdicts_total",
    kind: Kind::Counter,
    labels: &["release", "verdict"],
    help: "Decisions that rest on what was seen, by what it said.",
};

/// Decisions, by why.
pub const RELEASE_TRANSITIONS: Metric = Metric {
    name: "weir_release_transitions_total",
    kind: Kind::Counter,
    labels: &["release", "reason"],
    help: "Decisions by reason: what the journal has a line for.",
};

/// Whether an endpoint takes requests.
pub const ENDPOINT_HEALTHY: Metric = Metric {
    name: "weir_endpoint_healthy",
    kind: Kind::Gauge,
    labels: &["backend", "endpoint"],
    help: "1 while the endpoint takes requests, 0 while its probes fail or it is ejected.",
};

/// Reloads of the configuration, by result: `success` or `failure`.
pub const RELOADS: Metric = Metric {
    name: "weir_config_reloads_total",
    kind: Kind::Counter,
    labels: &["result"],
    help: "Reloads of the configuration.",
};

/// 1 when the last reload was good, or when there was none; 0 while the old configuration is kept.
pub const LAST_RELOAD_SUCCESSFUL: Metric = Metric {
    name: "weir_config_last_reload_successful",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 when the last reload of the configuration was good, 0 while the old one is kept.",
};

/// When the configuration in force was loaded.
pub const LAST_RELOAD_TIME: Metric = Metric {
    name: "weir_config_last_reload_success_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the configuration in force was loaded, in seconds since the Unix epoch.",
};

/// Defects of weir that showed.
pub const PANICS: Metric = Metric {
    name: "weir_panics_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Panics: defects of weir that cost one connection or task each, and that the log tells more of.",
};

/// Always 1.
pub const BUILD_INFO: Metric = Metric {
    name: "weir_build_info",
    kind: Kind::Gauge,
    labels: &["version", "os", "arch"],
    help: "Always 1; the labels say what runs.",
};

/// Processor time, from `/proc`.
pub const PROCESS_CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    labels: &[],
    help: "User and system processor time in seconds.",
};

/// Memory in use, from `/proc`.
pub const PROCESS_MEMORY: Metric =
    Metric { name: "process_resident_memory_bytes", kind: Kind::Gauge, labels: &[], help: "Resident memory in bytes." };

/// File descriptors in use, from `/proc`.
pub const PROCESS_FDS: Metric =
    Metric { name: "process_open_fds", kind: Kind::Gauge, labels: &[], help: "Open file descriptors." };

/// The limit on file descriptors, from `/proc`.
pub const PROCESS_MAX_FDS: Metric = Metric {
    name: "process_max_fds",
    kind: Kind::Gauge,
    labels: &[],
    help: "The most file descriptors that may be open.",
};

/// When the process started.
pub const PROCESS_START: Metric = Metric {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the process started, in seconds since the Unix epoch.",
};

/// All of them.
pub const ALL: &[Metric] = &[
    REQUESTS,
    REQUEST_DURATION,
    UPSTREAM_DURATION,
    IN_FLIGHT,
    RETRIES,
    QUEUED,
    QUEUE_ENDED,
    LEADER,
    RELEASE_WEIGHT,
    RELEASE_COPIES,
    RELEASE_VERDICTS,
    RELEASE_TRANSITIONS,
    ENDPOINT_HEALTHY,
    RELOADS,
    LAST_RELOAD_SUCCESSFUL,
    LAST_RELOAD_TIME,
    PANICS,
    BUILD_INFO,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FDS,
    PROCESS_MAX_FDS,
    PROCESS_START,
];
