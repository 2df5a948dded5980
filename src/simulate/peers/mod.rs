//! The documented decision rules of other tools, for comparison on the same traffic.
//!
//! Each is what the tool's own documentation shows first, at its numbers; a team that tunes it gets other figures. Metrics
//! arrive at once here, which flatters them: in the field a scrape and a query stand in between.
//!
//! - [`Flagger`]: the first example of `docs/gitbook/usage/how-it-works.md` of <https://github.com/fluxcd/flagger>; the order of
//!   events in `advanceCanary` and `runCanary` (`pkg/controller/scheduler.go`), what no data means in `scheduler_metrics.go`
//!   beside it, the queries in `pkg/metrics/observers/istio.go`.
//! - [`Argo`]: the first example ("Background Analysis") of `docs/features/analysis.md` of
//!   <https://github.com/argoproj/argo-rollouts>; what `failureLimit` means in `assessMetricFailureInconclusiveOrError`
//!   (`analysis/analysis.go`), and what not a number means in `EvaluateResult` (`utils/evaluate/evaluate.go`).
//! - [`Kayenta`]: <https://spinnaker.io/docs/guides/user/canary/best-practices/> for times and thresholds; of
//!   <https://github.com/spinnaker/kayenta> the judge `NetflixACAJudge` (`kayenta-judge`: tolerance 0.25, confidence 0.98), its
//!   `MannWhitneyClassifier`, the test itself in `kayenta-mannwhitney`, `WeightedSumScorer` for half of the data missing, and
//!   `SetupAndExecuteCanariesStage` (`kayenta-standalone-canary-analysis`) for what an analysis looks at.

mod argo;
mod flagger;
mod kayenta;
mod mann_whitney;
mod window;

pub use argo::Argo;
pub use flagger::Flagger;
pub use kayenta::Kayenta;

#[cfg(test)]
mod tests;
