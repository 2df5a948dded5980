//! The status as it is to be written: what was decided and planned, in the words of the kind. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;

use super::crd::CanaryRelease;
use super::revision::{Lint, MAX_SURGE_PINNED, Plan, Trouble};
use super::status::{CanaryReleaseStatus, Revisions, Seen};
use crate::engine::{JournalEntry, ReleaseStatus, SideStatus};
use crate::kubernetes::gateway::conditions::Refused;
use crate::rollout::{Phase, Reason};
use crate::types::{Ratio, Timestamp};

/// What is known of a release.
pub(super) struct Known<'a> {
    /// The weir that says so.
    pub(super) controller: Option<String>,
    pub(super) release: &'a CanaryRelease,
    /// With `targetRef`, while there is the Deployment.
    pub(super) plan: Option<&'a Plan>,
    /// Why it cannot be compiled, if it cannot.
    pub(super) refused: Option<&'a Refused>,
    /// All decisions that are to be kept.
    pub(super) decisions: Vec<JournalEntry>,
    /// The last one, when it is about the present rollout.
    pub(super) last: Option<JournalEntry>,
    /// What the engine says at the moment; `None`: no route leads to the release.
    pub(super) live: Option<&'a ReleaseStatus>,
    pub(super) now: Timestamp,
}

impl Known<'_> {
    /// The status.
    pub(super) fn status(self) -> CanaryReleaseStatus {
        let before = self.release.status.clone().unwrap_or_default();
        let phase = self.last.as_ref().map(|last| last.state.phase);
        let open = phase.is_some_and(Phase::is_open);
        let live = self
            .live
            .filter(|live| live.last.as_ref().map(|last| &last.state) == self.last.as_ref().map(|last| &last.state));
        let seen = |side: fn(&ReleaseStatus) -> &SideStatus, before: Option<Seen>| live.map(side).map(seen).or(before);
        CanaryReleaseStatus {
            controller: self.controller.clone(),
            observed_generation: self.release.metadata.generation,
            conditions: self.conditions(&before.conditions),
            phase: Some(self.word().to_owned()),
            weight: Some(self.last.as_ref().map_or(Ratio::ZERO, |last| last.state.weight)),
            step: self
                .last
                .as_ref()
                .filter(|_| open)
                .zip(live)
                .map(|(last, live)| format!("{}/{}", last.state.step + 1, live.steps.len())),
            message: Some(self.sentence(live)),
            eta: live.filter(|_| open).and_then(|live| live.eta),
            stable: seen(|live| &live.stable, before.stable),
            canary: seen(|live| &live.canary, before.canary),
            report: live.filter(|_| open).map(|live| live.report.clone()),
            failures: live.filter(|_| open).map(|live| live.failures.clone()).unwrap_or_default(),
            routes: live.filter(|_| open).map(|live| live.routes.clone()).unwrap_or_default(),
            revisions: self.plan.and_then(|plan| plan.revisions.clone()).or(before.revisions),
            decisions: self.decisions,
        }
    }

    fn word(&self) -> &'static str {
        match self.last.as_ref().map(|last| last.state.phase) {
            Some(Phase::Mirroring) => MIRRORING,
            Some(Phase::Progressing) => "Progressing",
            Some(Phase::Paused) => "Paused",
            Some(Phase::HoldingBack) => HOLDING_BACK,
            Some(Phase::Promoted) => "Promoted",
            Some(Phase::Aborted) => "Aborted",
            None if self.in_question() => "Starting",
            None => match self.decisions.last().map(|last| last.state.phase) {
                Some(Phase::Promoted) => "Promoted",
                Some(Phase::Aborted) => "Aborted",
                _ => "Idle",
            },
        }
    }

    fn sentence(&self, live: Option<&ReleaseStatus>) -> String {
        let trouble =
            self.trouble().map_or_else(String::new, |trouble| format!("; the canary does not start: {trouble}"));
        if let Some(refused) = self.refused {
            return not_carried_out(refused);
        }
        match (live, self.last.as_ref().or(self.decisions.last())) {
            (Some(live), _) => format!("{}{trouble}", live.message),
            (None, Some(last)) if self.last.is_some() || !self.in_question() => format!("{}{trouble}", last.message),
            _ if self.in_question() => format!("a new revision waits for its first traffic{trouble}"),
            _ => self.lint(Lint::bars).map_or_else(|| "no canary".to_owned(), Lint::message),
        }
    }

    /// Whether there is a canary.
    fn in_question(&self) -> bool {
        match self.plan {
            Some(plan) => plan.revisions.as_ref().is_some_and(|revisions| revisions.canary.is_some()),
            None => self.release.spec.target_ref.is_none(),
        }
    }

    fn lint(&self, wanted: fn(&Lint) -> bool) -> Option<&Lint> {
        self.plan?.lints.iter().find(|lint| wanted(lint))
    }

    fn trouble(&self) -> Option<&Trouble> {
        self.plan.and_then(|plan| plan.trouble.as_ref())
    }

    fn conditions(&self, before: &[Condition]) -> Vec<Condition> {
        let word = self.word();
        let reason =
            self.last.as_ref().or(self.decisions.last()).map_or_else(|| word.to_owned(), |last| camel(&last.reason));
        let message = self.sentence(self.live);
        let (ready, ready_reason, ready_message) = self.readiness();
        let mut conditions = vec![self.condition(before, "Ready", ready, ready_reason, &ready_message)];
        for kind in ["Progressing", "Paused", "Promoted", "Aborted"] {
            let is = word == kind || ([MIRRORING, HOLDING_BACK].contains(&word) && kind == "Progressing");
            let reason = if is { reason.as_str() } else { word };
            conditions.push(self.condition(before, kind, is, reason, if is { &message } else { "" }));
        }
        conditions
    }

    /// Whether weir can do what is asked of it.
    fn readiness(&self) -> (bool, &'static str, String) {
        if let Some(refused) = self.refused {
            return (false, refused.reason, not_carried_out(refused));
        }
        if let Some(plan) = self.plan {
            if plan.revisions.is_none() {
                return (false, "NoRevision", "the Deployment has no revision in service yet".to_owned());
            }
            if let Some(trouble) = &plan.trouble {
                return (false, "CanaryNotReady", format!("the canary does not start: {trouble}"));
            }
        }
        if let Some(live) = self.live.filter(|live| live.weight < Ratio::ONE)
            && (live.stable.endpoints, live.canary.available > 0) == (0, true)
        {
            return (false, "StableNotReady", live.message.clone());
        }
        if let Some(lint) = self.lint(Lint::bars) {
            return (false, lint.reason(), lint.message());
        }
        if self.in_question() && self.live.is_none() {
            let nowhere = no_route();
            return (false, nowhere.reason, nowhere.message);
        }
        if let Some(lint) = self.lint(|lint| !lint.is_advice()) {
            return (true, lint.reason(), lint.message());
        }
        if let Some(message) = self.written_back() {
            return (true, MAX_SURGE_PINNED, message.to_owned());
        }
        if let Some(lint) = self.lint(Lint::is_advice) {
            return (true, lint.reason(), lint.message());
        }
        (true, "Ready", String::new())
    }

    /// What was said of a `maxSurge` that weir wrote back since: it holds as long as there is the same canary, because whoever
    /// writes it will do so again.
    fn written_back(&self) -> Option<&str> {
        let canary = |revisions: &Revisions| revisions.canary.clone().zip(revisions.since);
        let now = canary(self.plan?.revisions.as_ref()?)?;
        let before = self.release.status.as_ref()?;
        let said = before.conditions.iter().find(|one| one.type_ == "Ready" && one.reason == MAX_SURGE_PINNED)?;
        (canary(before.revisions.as_ref()?)? == now).then_some(&said.message)
    }

    fn condition(&self, before: &[Condition], kind: &str, is: bool, reason: &str, message: &str) -> Condition {
        let status = if is { "True" } else { "False" };
        let same = before.iter().find(|one| one.type_ == kind && one.status == status);
        let now = || jiff::Timestamp::from_second(self.now.as_secs()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            observed_generation: self.release.metadata.generation,
            last_transition_time: same.map_or_else(|| Time(now()), |one| one.last_transition_time.clone()),
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }
}

fn not_carried_out(refused: &Refused) -> String {
    format!("the release is not carried out: {}", refused.message)
}

/// Why nothing leads to a release, whether it never did or does no more.
pub(super) fn no_route() -> Refused {
    let nowhere = "no route or Ingress of a weir sends to its Service and leaves it to the release who gets what";
    Refused::new("NoRoute", nowhere)
}

/// What people read before the first user; for programs it is progressing.
const MIRRORING: &str = "Mirroring";

/// What people read while stable keeps a share after the canary has won; for programs it is still progressing.
const HOLDING_BACK: &str = "HoldingBack";

/// A member of a group has the group's evidence, and pods of its own.
pub(super) fn put_own_pods(status: &mut CanaryReleaseStatus, plan: &Plan) {
    let Some((revisions, canary)) = plan.revisions.as_ref().and_then(|all| Some((all, all.canary.as_ref()?))) else {
        return;
    };
    let sides = [(&mut status.stable, &revisions.stable, plan.ready.0), (&mut status.canary, canary, plan.ready.1)];
    for (seen, version, ready) in sides {
        if let Some(seen) = seen {
            (seen.version, seen.ready) = (version.clone(), ready);
        }
    }
}

/// The reason as Kubernetes writes it: `step_passed` is `StepPassed`.
pub(super) fn camel(reason: &Reason) -> String {
    let words = reason.label().split('_');
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn seen(side: &SideStatus) -> Seen {
    let version = side.backend.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    let ready = u32::try_from(side.available).unwrap_or(u32::MAX);
    let SideStatus { requests, errors, copies, failed_copies, .. } = *side;
    Seen { version, requests, errors, copies, failed_copies, ready }
}

#[cfg(test)]
mod tests;
