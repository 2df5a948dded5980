//! Defaults below `releases`.

use super::{Row, Setting};
use crate::config::schema::{Line, Preset, Risk};
use crate::stats::DEFAULT_BOUNDS_MS;
use crate::types::{Ratio, Span};

pub(super) fn release_rows() -> Vec<Row> {
    vec![
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
    ]
}

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
