//! The loop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::checks::{Answer, Attempt, ask};
use super::control::{CommandError, Control, Desk, Request};
use super::journal::Journal;
use super::ledger::Ledger;
use super::status::status;
use super::trace_file;
use super::tracked::Tracked;
use super::{JournalEntry, ReleaseStatus, StateDir, StateError};
use crate::analysis::Verdict;
use crate::clock::Clock;
use crate::rollout::{self, Command, Phase, Transition, permits};
use crate::snapshot::{Current, Release, Snapshot};
use crate::types::{Name, Timestamp};

/// Drives all releases of the snapshot in force.
#[derive(Debug)]
pub struct Engine {
    dir: StateDir,
    clock: Watch,
    failed: Arc<Notify>,
    journal: Journal,
    /// With other engines that drive the same releases.
    ledger: Option<Arc<dyn Ledger>>,
    desk: Desk,
    tracked: BTreeMap<Name, Tracked>,
    pub(super) asks: JoinSet<Answer>,
    looks: Looks,
}

/// When to look between two seconds.
#[derive(Debug)]
struct Looks {
    last: Instant,
    due: Option<Instant>,
}

impl Engine {
    /// An engine that remembers in `dir`, and is rung by `failed` (see [`crate::snapshot::Leaves::failed`]) on failures of
    /// canaries; and the handle to it.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn open(dir: StateDir, clock: Arc<dyn Clock>, failed: Arc<Notify>) -> Result<(Self, Control), StateError> {
        let journal = Journal::open(&dir.journal())?;
        let (control, desk) = Control::new(journal.past().clone(), dir.traces());
        let looks = Looks { last: Instant::now(), due: None };
        let (tracked, asks) = (BTreeMap::new(), JoinSet::new());
        let ledger = None;
        Ok((Self { dir, clock: Watch(clock), failed, journal, ledger, desk, tracked, asks, looks }, control))
    }

    /// The same, as one of several engines that drive the same releases.
    #[must_use]
    pub fn with_ledger(self, ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// Goes by `snapshot`: puts the weight of every release in force, as the journal has it; begins rollouts that it does not
    /// know. To be called before listeners open, so that no request sees another weight; [`Engine::run`] goes on from there.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let now = self.clock.now();
        let gone = |name: &Name, tracked: &Tracked| {
            snapshot.releases.get(name).is_none_or(|release| release.spec.rollout != tracked.state.rollout)
        };
        for (name, mut tracked) in std::mem::take(&mut self.tracked) {
            if gone(&name, &tracked) {
                tracked.close_tick(now);
                tracing::info!(release = %name, rollout = tracked.state.rollout, "the rollout is no longer in the configuration");
            } else {
                self.tracked.insert(name, tracked);
            }
        }
        for release in snapshot.releases.values().filter(|release| release.follows.is_none()) {
            match self.tracked.get_mut(&release.name) {
                Some(tracked) if Arc::ptr_eq(&tracked.release, release) => {}
                Some(tracked) => tracked.update(release.clone(), now),
                None => self.take_up(release, now),
            }
        }
        self.fit(now);
        self.publish();
    }

    /// Drives until `cancel`; then ends every trace whole.
    pub async fn run(mut self, current: Arc<Current>, cancel: CancellationToken) {
        let mut second = interval_at(Instant::now() + SECOND, SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let failed = self.failed.clone();
        self.restore(&current.load_full());
        loop {
            let look = self.looks.due;
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                () = failed.notified(), if look.is_none() => self.rung(),
                () = sleep_until(look.unwrap_or(self.looks.last)), if look.is_some() => self.look(),
                Some(request) = self.desk.requests.recv() => self.serve(request, &current),
                _ = second.tick() => self.second(),
                Some(answer) = self.asks.join_next() => self.answered(answer),
            }
        }
        let now = self.clock.now();
        self.tracked.values_mut().for_each(|tracked| tracked.close_tick(now));
        self.journal.settle();
    }

    /// A second has passed: all releases are looked at.
    pub(super) fn second(&mut self) {
        let now = self.clock.now();
        self.journal.settle();
        self.fit(now);
        let names: Vec<Name> = self.tracked.keys().cloned().collect();
        for name in names {
            if let Some(tracked) = self.tracked.get_mut(&name) {
                tracked.close_tick(now);
            }
            self.decide(&name, now);
            self.ask(&name, now);
        }
        self.publish();
    }

    /// A canary failed: looked at now, or soon after the last look.
    fn rung(&mut self) {
        let earliest = self.looks.last + BETWEEN_LOOKS;
        if Instant::now() >= earliest { self.look() } else { self.looks.due = Some(earliest) }
    }

    /// Ends the second early where it convicts already.
    pub(super) fn look(&mut self) {
        let now = self.clock.now();
        let convicted: Vec<Name> =
            self.tracked.iter().filter(|(_, tracked)| tracked.convicts()).map(|(name, _)| name.clone()).collect();
        for name in &convicted {
            if let Some(tracked) = self.tracked.get_mut(name) {
                tracked.close_tick(now);
            }
            self.decide(name, now);
        }
        if !convicted.is_empty() {
            self.publish();
        }
        self.looks = Looks { last: Instant::now(), due: None };
    }

    fn serve(&mut self, request: Request, current: &Current) {
        // An asker who has gone away does not want to know.
        match request {
            Request::Command { release, command, by, reply } => {
                let _ = reply.send(self.command(&release, command, &by));
                self.publish();
            }
            Request::Reloaded { reply } => {
                self.restore(&current.load_full());
                let _ = reply.send(());
            }
            Request::Adopt { entry } => self.adopt(*entry),
            Request::Inherit { release, rollout, attempt, trace } => {
                self.inherit(&release, &(rollout, attempt), &trace)
            }
        }
    }
}

/// What becomes of a decision.
impl Engine {
    fn decide(&mut self, name: &Name, now: Timestamp) {
        let judged = self.tracked.get(name).filter(|tracked| tracked.is_judged());
        if let Some(entry) = judged.and_then(|tracked| entry(tracked, tracked.decide(now, None), now)) {
            // What cannot be journaled is decided again in a second.
            let _ = self.carry_out(entry, now);
        }
    }

    pub(super) fn command(&mut self, release: &str, command: Command, by: &str) -> Result<ReleaseStatus, CommandError> {
        let now = self.clock.now();
        let unknown = || CommandError::Unknown(release.to_owned());
        let (name, tracked) = self.tracked.iter_mut().find(|(name, _)| name.as_str() == release).ok_or_else(unknown)?;
        let name = name.clone();
        permits(&tracked.state, command).map_err(|refusal| CommandError::Refused { release: name.clone(), refusal })?;
        tracked.close_tick(now);
        let transition = tracked.decide(now, Some((command, by)));
        if let Some(entry) = entry(tracked, transition, now) {
            self.carry_out(entry, now).map_err(CommandError::Journal)?;
        }
        self.status_of(&name, now).ok_or_else(unknown)
    }

    /// Goes by a decision that is kept for all engines. One's own conviction stands until somebody tries again.
    pub(super) fn adopt(&mut self, entry: JournalEntry) {
        let now = self.clock.now();
        let Some(tracked) = self.tracked.get_mut(&entry.release) else { return };
        let (ours, theirs) = (&tracked.state, &entry.state);
        let convicted = tracked.last.is_some() && ours.phase == Phase::Aborted && ours.attempt == theirs.attempt;
        let other = theirs.rollout != tracked.release.spec.rollout;
        if other || (convicted && theirs.phase != Phase::Promoted) {
            return;
        }
        if tracked.last.as_ref() == Some(&entry) {
            return tracked.release.put_in_force(&entry.state);
        }
        self.journal.note(entry.clone());
        self.stand(vec![entry], now);
        self.publish();
    }

    /// Takes in what another engine has seen of `attempt`, if it is still the present one.
    pub(super) fn inherit(&mut self, release: &Name, attempt: &Attempt, trace: &Path) {
        let now = self.clock.now();
        if let Some(tracked) = self.tracked.get_mut(release).filter(|tracked| tracked.attempt() == *attempt) {
            match tracked.inherit(trace, now) {
                Ok(()) => tracing::info!(%release, "went by what another replica has seen of this rollout"),
                Err(error) => tracing::warn!(%release, %error, "another replica's evidence cannot be used"),
            }
        }
        // It is there still when it was of no use.
        let _ = std::fs::remove_file(trace);
        self.publish();
    }

    /// Takes up a release: from the journal, or from the beginning.
    fn take_up(&mut self, release: &Arc<Release>, now: Timestamp) {
        let traces = self.dir.traces();
        let tracked = match self.journal.past().last(&release.name, &release.spec.rollout) {
            Some(last) => {
                // With a ledger others may have decided since: nothing rises before it has its say.
                if self.ledger.is_none() {
                    release.put_in_force(&last.state);
                }
                Tracked::resume(release.clone(), last, &traces, now)
            }
            None => Tracked::idle(release.clone(), rollout::start(&release.spec, now).state, now),
        };
        // A conviction may be in the trace without being in the journal. Anything else waits for fresh evidence.
        let convicted = tracked.evidence.report.verdict == Verdict::Fail;
        self.tracked.insert(release.name.clone(), tracked);
        if convicted {
            self.decide(&release.name, now);
        }
    }

    /// Begins what has not begun, and fits the rest to its configuration. What must be on disk first goes there together: a
    /// thousand releases that begin wait for it once.
    fn fit(&mut self, now: Timestamp) {
        let fits = self.tracked.values().filter_map(|tracked| entry(tracked, tracked.fit(now), now));
        let (patient, other): (Vec<_>, Vec<_>) =
            fits.partition(|entry| self.ledger.is_none() && !self.is_urgent(entry));
        for entry in other {
            // What cannot be journaled is tried again in a second.
            let _ = self.carry_out(entry, now);
        }
        if !patient.is_empty() && self.journal.commit(&patient).is_ok() {
            self.stand(patient, now);
        }
    }

    /// Whether a decision does not wait for the disk: a weight that falls, and what keeps it from rising.
    fn is_urgent(&self, entry: &JournalEntry) -> bool {
        let cautious = matches!(entry.state.phase, Phase::Paused | Phase::Aborted) && entry.state.weight == entry.from;
        let has_begun = self.tracked.get(&entry.release).is_some_and(|tracked| tracked.last.is_some());
        entry.state.weight < entry.from || (cautious && has_begun)
    }

    /// Journals a decision and puts its weight in force: in this order, but for an urgent one. That is written, put in force,
    /// and then made durable, and what cannot be written is written later.
    fn carry_out(&mut self, entry: JournalEntry, now: Timestamp) -> Result<(), String> {
        if self.is_urgent(&entry) {
            self.journal.note(entry.clone());
            if let Some(ledger) = &self.ledger {
                ledger.note(&entry);
            }
        } else if let Some(ledger) = &self.ledger {
            if let Some(tracked) = self.tracked.get_mut(&entry.release) {
                tracked.proposed.get_or_insert(now);
            }
            return ledger.propose(&entry);
        } else if let Err(error) = self.journal.commit(std::slice::from_ref(&entry)) {
            return Err(format!("it cannot be journaled: {error}"));
        }
        self.stand(vec![entry], now);
        self.journal.settle();
        Ok(())
    }

    /// Puts decisions in force. Whose attempt begins with it gives up its oldest traces.
    fn stand(&mut self, entries: Vec<JournalEntry>, now: Timestamp) {
        let traces = self.dir.traces();
        let mut begun = Vec::new();
        for entry in entries {
            tracing::info!(release = %entry.release, reason = entry.reason.label(), from = %entry.from, to = %entry.state.weight, "{}", entry.message);
            let tracked = self.tracked.get_mut(&entry.release);
            begun.extend(tracked.and_then(|tracked| tracked.stand(entry, &traces, now)));
        }
        trace_file::prune(&traces, &begun);
    }
}

/// What is asked and told.
impl Engine {
    fn ask(&mut self, name: &Name, now: Timestamp) {
        let Some(tracked) = self.tracked.get_mut(name).filter(|tracked| tracked.is_judged()) else { return };
        for check in tracked.checks.take_due() {
            let told = status(tracked, now, self.journal.trouble());
            self.asks.spawn(ask(check, tracked.attempt(), told));
        }
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, JoinError>) {
        match answer {
            Ok(answer) => {
                let tracked = self.tracked.get_mut(answer.release());
                if let Some(tracked) = tracked.filter(|tracked| tracked.attempt() == *answer.attempt()) {
                    tracked.checks.take(answer);
                }
            }
            Err(error) => {
                tracing::error!(%error, "a check was lost");
                self.tracked.values_mut().for_each(|tracked| tracked.checks.ask_again());
            }
        }
    }

    fn status_of(&self, name: &Name, now: Timestamp) -> Option<ReleaseStatus> {
        self.tracked.get(name).map(|tracked| status(tracked, now, self.journal.trouble()))
    }

    pub(super) fn publish(&self) {
        let now = self.clock.now();
        let trouble = self.journal.trouble();
        let statuses = self.tracked.values().map(|tracked| status(tracked, now, trouble)).collect();
        self.desk.statuses.send_replace(Arc::new(statuses));
    }
}

/// What the journal says of a transition; nothing of one without a reason.
fn entry(tracked: &Tracked, transition: Transition, now: Timestamp) -> Option<JournalEntry> {
    let (reason, state) = (transition.reason?, transition.state);
    let release = &tracked.release;
    let (from, report) = (release.live.weight(), tracked.evidence.report.clone());
    let message = rollout::decision(&tracked.scene(), from, &reason, &state, &report);
    let (stable, canary) = (release.stable.name.clone(), release.canary.name.clone());
    let again = state.attempt != tracked.state.attempt;
    let (failures, routes) = if again { Default::default() } else { (tracked.failures(), tracked.routes()) };
    Some(JournalEntry {
        time: now,
        release: release.name.clone(),
        stable,
        canary,
        reason,
        from,
        state,
        report,
        failures,
        routes,
        message,
    })
}

/// A clock that can be shown.
struct Watch(Arc<dyn Clock>);

impl Watch {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Between two regular looks: the second of the trace.
const SECOND: Duration = Duration::from_secs(1);

/// Between two looks at failures: a canary that fails a thousand times a second must not keep this thread busy, and a
/// conviction has ten milliseconds to take effect.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests;
