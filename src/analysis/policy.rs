//! What the judge must be sure of, and how sure.

use serde::{Deserialize, Serialize};

/// `times * stable + plus`: a line in the plane of (stable's rate, canary's rate).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
pub struct Line {
    /// Times stable's rate.
    pub times: f64,
    /// Plus this rate, as a fraction of one.
    pub plus: f64,
}

impl From<(f64, f64)> for Line {
    fn from((times, plus): (f64, f64)) -> Self {
        Self { times, plus }
    }
}

impl From<Line> for (f64, f64) {
    fn from(line: Line) -> Self {
        (line.times, line.plus)
    }
}

/// What the judge must be sure of, and how sure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Bound on the probability that a tolerable canary is ever aborted.
    pub alpha: f64,
    /// Bound on the probability that a bad canary is ever promoted.
    pub beta: f64,
    /// Seconds after the canary's first traffic in which only errors far above stable's may abort.
    pub warmup_s: f64,
    /// How far above stable's the canary's error rate may be during warm-up, as a fraction of one.
    pub warmup_err_tol: f64,
    /// Seconds after the start before which nothing is promoted.
    pub min_promote_s: f64,
    /// Errors: tolerable up to this line.
    pub err_tol: Line,
    /// Errors: bad from this line on.
    pub err_bad: Line,
    /// Share slower than a bound, for each bound: tolerable up to this line.
    pub lat_tol: Line,
    /// Share slower than a bound: bad from this line on.
    pub lat_bad: Line,
    /// Errors of one route: tolerable up to this line.
    pub route_tol: Line,
    /// Errors of one route: bad from this line on.
    pub route_bad: Line,
}

impl Default for Policy {
    fn default() -> Self {
        let line = |times, plus| Line { times, plus };
        Self {
            alpha: 0.01,
            beta: 0.01,
            warmup_s: 15.0,
            warmup_err_tol: 0.3,
            min_promote_s: 240.0,
            err_tol: line(1.25, 0.001),
            err_bad: line(1.5, 0.005),
            lat_tol: line(1.25, 0.005),
            lat_bad: line(1.5, 0.02),
            route_tol: line(1.25, 0.01),
            route_bad: line(1.5, 0.05),
        }
    }
}
