use std::time::Duration;

use super::*;
use crate::analysis::{Report, Verdict};
use crate::types::{Name, Ratio, Timestamp};

mod machine;
mod properties;
mod sentences;
mod traffic;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn plain(percent: u32) -> Step {
    Step { weight: Ratio::percent(percent), at_least: Duration::ZERO, at_most: None, pause: false }
}

fn spec(steps: Vec<Step>) -> Spec {
    Spec {
        rollout: "v1>v2#".to_owned(),
        mirror_first: None,
        steps,
        on_no_evidence: OnNoEvidence::Hold,
        on_suspicion: OnSuspicion::Hold,
        hold_back: None,
        start_by_traffic: false,
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn check(verdict: Verdict) -> CheckResult {
    CheckResult { name: name("slo"), verdict, detail: "0.2 is not below 0.1".to_owned() }
}

/// A report in which both the next step and promotion stand as given.
fn report(verdict: Verdict) -> Report {
    Report { verdict, next: verdict, ..Report::default() }
}

fn tick(spec: &Spec, state: &State, now: Timestamp, verdict: Verdict) -> Transition {
    step(spec, state, now, Input::Tick { report: &report(verdict), checks: &[] })
}

fn command(spec: &Spec, state: &State, now: Timestamp, command: Command) -> Transition {
    step(spec, state, now, Input::Command { command, by: "alice", report: &Report::default() })
}
