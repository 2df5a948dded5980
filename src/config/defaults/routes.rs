//! Defaults below `routes`.

use super::{Row, Setting};
use crate::types::{Ratio, Span};

pub(super) fn route_rows() -> Vec<Row> {
    vec![
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
    ]
}

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
