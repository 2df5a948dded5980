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

impl Policy {
    /// What no judge could go by: the first such thing in words, or `Ok`.
    pub fn check(&self) -> Result<(), String> {
        let probability = |name: &str, p: f64| {
            let good = p > 0.0 && p < 1.0;
            if good { Ok(()) } else { Err(format!("{name} must be between 0 and 1, not {p}")) }
        };
        probability("alpha", self.alpha)?;
        probability("beta", self.beta)?;
        probability("warmup_err_tol", self.warmup_err_tol)?;
        let pairs = [
            ("err", self.err_tol, self.err_bad),
            ("lat", self.lat_tol, self.lat_bad),
            ("route", self.route_tol, self.route_bad),
        ];
        for (name, tolerable, bad) in pairs {
            let good = |line: Line| line.times >= 0.0 && line.times.is_finite() && (0.0..1.0).contains(&line.plus);
            if !good(tolerable) || !good(bad) {
                return Err(format!("{name}_tol and {name}_bad must be [times >= 0, plus from 0 to below 1]"));
            }
            if tolerable.times > bad.times || tolerable.plus > bad.plus {
                return Err(format!("{name}_tol must not lie above {name}_bad"));
            }
        }
        let time = |seconds: f64| seconds >= 0.0 && seconds.is_finite();
        if time(self.warmup_s) && time(self.min_promote_s) {
            Ok(())
        } else {
            Err("warmup_s and min_promote_s must be seconds from 0 on".to_owned())
        }
    }
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
