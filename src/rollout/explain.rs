//! Every decision in one plain sentence: what happened to the canary, and what was seen that led to it.

use super::words::{counted, one_in, part, part_again, rate_of, slower_than};
use super::{Command, OnNoEvidence, Pause, Phase, Reason, Spec, State};
use crate::analysis::{Culprit, Report};
use crate::stats::{Bounds, Tally};
use crate::types::{Name, Ratio, Span};

/// What sentences need to know beside the decision.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The release.
    pub release: &'a Name,
    /// Its stable backend.
    pub stable: &'a Name,
    /// Its canary backend.
    pub canary: &'a Name,
    /// What the rollout is to do.
    pub spec: &'a Spec,
    /// What was seen of stable and of the canary in this attempt.
    pub seen: (&'a Tally, &'a Tally),
    /// What was seen of them since the weight is as it is. Only this compares like with like: over several weights a version
    /// that was busier in bad times looks worse than it is.
    pub at_weight: (&'a Tally, &'a Tally),
    /// Whether what is seen of the canary are its answers to copies of requests.
    pub mirrored: bool,
    /// `(answers, failures)` to copies, among what the judge counts of the canary: see [`State::of_copies`].
    pub copies: (u64, u64),
    /// How the tallies' buckets are to be read.
    pub bounds: &'a Bounds,
}

impl Scene<'_> {
    /// `(requests, failures)` of the canary's users; while it gets copies alone, of these.
    fn of_canary(&self, report: &Report) -> (u64, u64) {
        let (requests, failures) = report.canary;
        if self.mirrored {
            return report.canary;
        }
        (requests.saturating_sub(self.copies.0), failures.saturating_sub(self.copies.1))
    }

    /// `4 canary responses`, and how many answers to copies came before them.
    pub(super) fn responses(&self, report: &Report) -> String {
        let responses = counted(self.of_canary(report).0, "canary response");
        if self.mirrored || self.copies.0 == 0 {
            return responses;
        }
        format!("{responses} and {} to copies", counted(self.copies.0, "answer"))
    }

    /// Whether no user of the canary has been answered yet.
    pub(super) fn has_no_response(&self, report: &Report) -> bool {
        self.of_canary(report).0 == 0
    }
}

/// Why `state` was entered, from the weight `from`: one sentence, without capital and full stop.
pub fn decision(scene: &Scene<'_>, from: Ratio, reason: &Reason, state: &State, report: &Report) -> String {
    let Scene { release, canary, spec, .. } = scene;
    let weight = state.weight;
    match reason {
        Reason::Started if state.is_mirrored() => format!("started: {}", copies(scene)),
        Reason::Started => format!("started: {canary} gets {weight} of the traffic{}", of_steps(spec, state, ", ")),
        Reason::Mirrored if spec.mirror_first.is_none() => {
            format!(
                "{}: the configuration asks for no copies of requests before that any more",
                rises(scene, from, state)
            )
        }
        Reason::Mirrored => format!("{}: {}", rises(scene, from, state), comparison(scene, report)),
        Reason::LittleTraffic => {
            let traffic = report.rate.map_or_else(|| "few requests".to_owned(), rate_of);
            format!("only {traffic}: {canary} starts at {weight} instead of {from}{}", of_steps(spec, state, ", "))
        }
        Reason::StepPassed => format!("{}: {}", rises(scene, from, state), comparison(scene, report)),
        Reason::SteppedBack => {
            let step = of_steps(spec, state, ", ");
            format!(
                "{canary} goes back from {from} to {weight}{step}: there is some evidence against it; {}",
                comparison(scene, report)
            )
        }
        Reason::Healthy => {
            let odds = odds(report.log_promote, "a bad version gets this far in");
            format!("{}; {}{odds}", won(scene, state), comparison(scene, report))
        }
        Reason::HoldBackOver => {
            let time = Span(spec.time_held_back());
            format!(
                "promoted: {canary} gets all traffic, after {time} in which it had {from} and was still watched; {}",
                comparison(scene, report)
            )
        }
        Reason::Convicted { culprit } => {
            let odds = odds(report.log_e, "a difference like this comes up by chance in");
            let when = if scene.mirrored { "before its first user".to_owned() } else { format!("at {from}") };
            format!("aborted {when}: {}{odds}", accusation(scene, culprit, report))
        }
        Reason::CheckFailed { check, detail } => format!("aborted at {from}: the check {check} failed: {detail}"),
        Reason::NoEvidence => no_evidence(scene, from, state, report),
        Reason::AwaitingApproval => {
            let step = of_steps(spec, state, "");
            format!("paused at {weight}: {step} has passed and waits for a human; {}", ways_on(release, spec, weight))
        }
        Reason::CannotStart { detail } => format!("aborted at {from}: {canary} does not start: {detail}"),
        Reason::Undone => format!("aborted at {from}: {canary} was undone by whoever deploys it"),
        Reason::Command { command, by } => obeyed(scene, from, *command, by, state),
        Reason::StepsChanged if weight < from => {
            format!(
                "the steps in the configuration changed: {canary} goes back from {from} to {weight}{}",
                of_steps(spec, state, ", ")
            )
        }
        Reason::StepsChanged => {
            format!(
                "the steps in the configuration changed: {canary} stays at {weight}{}",
                of_steps(spec, state, ", now ")
            )
        }
    }
}

fn obeyed(scene: &Scene<'_>, from: Ratio, command: Command, by: &str, state: &State) -> String {
    let Scene { canary, spec, .. } = scene;
    let weight = state.weight;
    match command {
        Command::Promote => format!("promoted by {by} at {from}: {canary} gets all traffic"),
        Command::Abort => format!("aborted by {by} at {from}: {canary} gets no traffic any more"),
        Command::Pause if state.pause == Some(Pause::Mirroring) => {
            format!("paused by {by}: {canary} gets copies of requests and no user until resumed, and is still watched")
        }
        Command::Pause => format!("paused by {by}: {canary} stays at {weight} until resumed, and is still watched"),
        Command::Resume if state.phase == Phase::Promoted => {
            format!("approved by {by} at {from}: {canary} is promoted and gets all traffic")
        }
        Command::Resume if state.is_mirrored() => format!("resumed by {by}: {}", copies(scene)),
        Command::Resume if state.phase == Phase::HoldingBack && weight == from => {
            let time = Span(spec.time_held_back());
            format!("resumed by {by}: {canary} goes on at {weight}, and is watched for another {time}")
        }
        Command::Resume if state.phase == Phase::HoldingBack => {
            format!("approved by {by} at {from}: {}", won(scene, state))
        }
        Command::Resume if weight == from => {
            format!("resumed by {by}: {canary} goes on at {weight}{}", of_steps(spec, state, ", "))
        }
        Command::Resume => format!("resumed by {by}: {}", rises(scene, from, state)),
        Command::SetWeight(_) if weight == from => format!("held at {weight} by {by} until resumed"),
        Command::SetWeight(_) => format!("set from {from} to {weight} by {by}, and held there until resumed"),
        Command::Retry => {
            let attempt = state.attempt;
            let gets = if state.is_mirrored() {
                copies(scene)
            } else {
                format!("{canary} gets {weight} of the traffic{}", of_steps(spec, state, ", "))
            };
            format!("tried again by {by} (attempt {attempt}), with fresh evidence: {gets}")
        }
    }
}

fn no_evidence(scene: &Scene<'_>, from: Ratio, state: &State, report: &Report) -> String {
    let Scene { canary, spec, .. } = scene;
    let at_most = if scene.mirrored { spec.mirror().at_most } else { spec.step(spec.fitting(from)).at_most };
    let limit = at_most.map_or_else(String::new, |limit| format!(" ({})", Span(limit)));
    let seen = scene.responses(report);
    match state.phase {
        Phase::Aborted => {
            format!("aborted at {from}: {seen} are too few to be sure of {canary}, and the time for it is over{limit}")
        }
        Phase::Promoted => format!("promoted without full evidence, as onNoEvidence says: {seen} within atMost{limit}"),
        Phase::HoldingBack => {
            format!("{}, without full evidence, as onNoEvidence says: {seen} within atMost{limit}", won(scene, state))
        }
        Phase::Mirroring | Phase::Progressing | Phase::Paused => {
            let rises = rises(scene, from, state);
            format!("{rises}, without full evidence, as onNoEvidence says: {seen} within atMost{limit}")
        }
    }
}

/// What the canary gets that has won.
fn won(scene: &Scene<'_>, state: &State) -> String {
    let Scene { stable, canary, spec, .. } = scene;
    if state.phase != Phase::HoldingBack {
        return format!("promoted: {canary} gets all traffic");
    }
    let (weight, kept, time) = (state.weight, state.weight.complement(), Span(spec.time_held_back()));
    format!("{canary} has won and gets {weight}; {stable} keeps {kept} for {time}, to return to at once")
}

/// What the canary gets before its first user.
fn copies(scene: &Scene<'_>) -> String {
    let Scene { canary, spec, .. } = scene;
    format!("{canary} gets copies of {} of the requests, and no user yet", spec.mirror().share)
}

/// `shop-v2 goes from 1% to 5% (step 2 of 4)`.
fn rises(scene: &Scene<'_>, from: Ratio, state: &State) -> String {
    format!("{} goes from {from} to {} ({})", scene.canary, state.weight, of_steps(scene.spec, state, ""))
}

/// `step 2 of 4`, behind `before`.
pub(super) fn of_steps(spec: &Spec, state: &State, before: &str) -> String {
    format!("{before}step {} of {}", state.step + 1, spec.steps.len())
}

/// What a human can do at an approval.
pub(super) fn ways_on(release: &Name, spec: &Spec, weight: Ratio) -> String {
    match spec.next_weight(weight) {
        Some(next) => format!("`weir resume {release}` goes on to {next}, `weir promote {release}` to 100%"),
        None => format!("`weir promote {release}` gives it all traffic"),
    }
}

/// Both error rates, canary first, at one weight where there is anything to tell of it; else as the judge counts.
pub(super) fn comparison(scene: &Scene<'_>, report: &Report) -> String {
    let (stable, canary) = scene.at_weight;
    let all = scene.of_canary(report);
    let telling = canary.errors > 0 || (canary.requests > 0 && all.1 == 0);
    let (canary, stable) = if telling {
        ((canary.requests, canary.errors), (stable.requests, stable.errors))
    } else {
        (all, report.stable)
    };
    let lately = if canary == all { "" } else { " at this weight" };
    let of_canary = part(canary.1, canary.0, if scene.mirrored { "mirrored request" } else { "request" });
    format!("{} failed {of_canary}{lately}, {} {}", scene.canary, scene.stable, part_again(stable.1, stable.0))
}

/// What convicts, in the numbers that convict.
fn accusation(scene: &Scene<'_>, culprit: &Culprit, report: &Report) -> String {
    match culprit {
        Culprit::Errors => comparison(scene, report),
        Culprit::Latency(millis) => slowness(scene, *millis)
            .unwrap_or_else(|| format!("too many responses of {} took longer than {millis}ms", scene.canary)),
        Culprit::Route(route) => {
            format!("{} fails too often on route {route}; in all {}", scene.canary, comparison(scene, report))
        }
    }
}

fn slowness(scene: &Scene<'_>, millis: u32) -> Option<String> {
    let (stable, canary) = if scene.at_weight.1.requests > 0 { scene.at_weight } else { scene.seen };
    let slow = part(slower_than(canary, scene.bounds, millis)?, canary.requests, "response");
    let slow_stable = part_again(slower_than(stable, scene.bounds, millis)?, stable.requests);
    Some(format!("{slow} of {} took longer than {millis}ms, of {} {slow_stable}", scene.canary, scene.stable))
}

/// `; CLAIM fewer than 1 in 100 releases`, or nothing where there is little to claim.
fn odds(log: f64, claim: &str) -> String {
    one_in(log).map_or_else(String::new, |number| format!("; {claim} fewer than 1 in {number} releases"))
}

/// What the configuration says about steps without evidence, as it is written there.
pub(super) const fn rule(rule: OnNoEvidence) -> &'static str {
    match rule {
        OnNoEvidence::Hold => "hold",
        OnNoEvidence::Promote => "promote",
        OnNoEvidence::Abort => "abort",
    }
}
