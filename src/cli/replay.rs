//! `weir replay`: what the judge says of recorded traffic, or of traffic that it steers itself.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::analysis::{Line, Policy, Verdict};
use crate::config::schema;

mod file;
mod interactive;

/// Judges recorded rollouts: traces that weir wrote, or that others wrote in the same format.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Traces (`canary-trace v1`). One line of JSON each: the decision, its second, its reason.
    #[arg(required_unless_present = "interactive", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Reads a rollout from stdin as it happens, a line of JSON a second, and answers each line with the weight wanted next.
    #[arg(long, conflicts_with = "files")]
    pub interactive: bool,
    /// Exits with 1 when a canary is aborted, with 3 when one is neither aborted nor promoted.
    #[arg(long)]
    pub exit_code: bool,
    /// What to judge by instead of what the trace says.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Parts of a policy, each instead of the trace's.
#[derive(Clone, Debug, Default, Args)]
pub struct PolicyArgs {
    /// Bound on the probability that a tolerable canary is aborted.
    #[arg(long, value_name = "P")]
    pub alpha: Option<f64>,
    /// Bound on the probability that a bad canary is promoted.
    #[arg(long, value_name = "P")]
    pub beta: Option<f64>,
    /// Seconds after the canary's first request in which only gross failure counts.
    #[arg(long, value_name = "SECONDS")]
    pub warm_up: Option<f64>,
    /// Seconds before which nothing is promoted.
    #[arg(long, value_name = "SECONDS")]
    pub min_promote: Option<f64>,
    /// Tolerable error rates, such as `1.25x + 0.1%`.
    #[arg(long, value_name = "LINE")]
    pub errors_tolerable: Option<schema::Line>,
    /// Bad error rates, such as `1.5x + 0.5%`.
    #[arg(long, value_name = "LINE")]
    pub errors_bad: Option<schema::Line>,
    /// Tolerable shares of answers slower than a bound.
    #[arg(long, value_name = "LINE")]
    pub latency_tolerable: Option<schema::Line>,
    /// Bad shares of answers slower than a bound.
    #[arg(long, value_name = "LINE")]
    pub latency_bad: Option<schema::Line>,
    /// Tolerable error rates of a route.
    #[arg(long, value_name = "LINE")]
    pub route_tolerable: Option<schema::Line>,
    /// Bad error rates of a route.
    #[arg(long, value_name = "LINE")]
    pub route_bad: Option<schema::Line>,
}

impl PolicyArgs {
    /// Puts these parts in the place of the policy's own.
    pub fn override_in(&self, policy: &mut Policy) {
        let number = |from: Option<f64>, to: &mut f64| *to = from.unwrap_or(*to);
        number(self.alpha, &mut policy.alpha);
        number(self.beta, &mut policy.beta);
        number(self.warm_up, &mut policy.warmup_s);
        number(self.min_promote, &mut policy.min_promote_s);
        let line = |from: Option<schema::Line>, to: &mut Line| {
            *to = from.map_or(*to, |line| Line { times: line.times, plus: line.plus.fraction() });
        };
        line(self.errors_tolerable, &mut policy.err_tol);
        line(self.errors_bad, &mut policy.err_bad);
        line(self.latency_tolerable, &mut policy.lat_tol);
        line(self.latency_bad, &mut policy.lat_bad);
        line(self.route_tolerable, &mut policy.route_tol);
        line(self.route_bad, &mut policy.route_bad);
    }
}

/// Runs the command: 0 when everything could be judged (see `--exit-code`), 2 when something could not be read.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let verdict = if args.interactive {
        let input = std::io::stdin().lock();
        Some(interactive::run(input, std::io::stdout().lock(), &args.policy)?)
    } else {
        file::run(&args.files, &args.policy)
    };
    Ok(match verdict {
        None => ExitCode::from(2),
        Some(Verdict::Fail) if args.exit_code => ExitCode::from(1),
        Some(Verdict::Inconclusive) if args.exit_code => ExitCode::from(3),
        Some(_) => ExitCode::SUCCESS,
    })
}

/// A decision as replay words it.
fn decision(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "promote",
        Verdict::Fail => "abort",
        Verdict::Inconclusive => "hold",
    }
}

/// A number as JSON has it: what is not finite is null.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// The reason of a promotion.
const HEALTHY: &str = "healthy";

#[cfg(test)]
mod tests;
