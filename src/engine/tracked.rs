//! One release under the engine's eyes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::JournalEntry;
use super::checks::{Attempt, Checks};
use super::clients_file::ClientsFile;
use super::evidence::{Evidence, header, routing};
use super::meter::{Meter, Reading};
use super::trace_file::{self, TraceFile};
use crate::analysis::trace::TraceError;
use crate::analysis::{RouteTally, Tick};
use crate::failures::Failures;
use crate::rollout::{Command, Input, Scene, State, Transition, invariants, reconcile, start, step};
use crate::snapshot::Release;
use crate::stats::Tally;
use crate::types::{Ratio, Side, Timestamp};

/// A release, its state, and the evidence for what comes next.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) release: Arc<Release>,
    pub(super) state: State,
    /// The decision that led to `state`; `None` while that could not be journaled.
    pub(super) last: Option<JournalEntry>,
    pub(super) evidence: Evidence,
    pub(super) checks: Checks,
    meter: Meter,
    /// Whether there may be evidence of this attempt from before this engine watched it.
    pub(super) late: bool,
    /// When this engine proposed for the first time to begin: nobody has seen anything of an attempt that began after that.
    pub(super) proposed: Option<Timestamp>,
    /// With an open rollout alone.
    trace: Option<TraceFile>,
    /// With an open rollout alone.
    clients: Option<ClientsFile>,
    /// What failed in this attempt before this process saw it.
    failed_before: Failures,
    /// Requests a second lately: stable, canary.
    rates: (f64, f64),
}

impl Tracked {
    /// Goes on with an attempt from `traces`.
    pub(super) fn resume(release: Arc<Release>, last: JournalEntry, traces: &Path, now: Timestamp) -> Self {
        let header = header(&release, last.state.started);
        let state = last.state.clone();
        if !state.phase.is_open() {
            let evidence = Evidence::settled(&header, &last.report);
            return Self::new(release, state, Some(last), evidence, now);
        }
        let path = traces.join(trace_file::name(&release.name, &state));
        let clients = ClientsFile::resume(&path, &release.live);
        let failed_before = last.failures.clone();
        let (trace, evidence) = TraceFile::resume(path, header);
        let resumed = Self::new(release, state, Some(last), evidence, now);
        Self { trace: Some(trace), clients: Some(clients), failed_before, late: true, ..resumed }
    }

    /// A rollout that stands at `state` without having begun: its canary gets nothing until somebody begins it.
    pub(super) fn idle(release: Arc<Release>, state: State, now: Timestamp) -> Self {
        let evidence = Evidence::none(&header(&release, state.started));
        Self::new(release, State { weight: Ratio::ZERO, ..state }, None, evidence, now)
    }

    fn new(
        release: Arc<Release>,
        state: State,
        last: Option<JournalEntry>,
        evidence: Evidence,
        now: Timestamp,
    ) -> Self {
        let meter = Meter::new(Reading::of(&release), now, evidence.last);
        let checks = Checks::new(&release.checks);
        let (trace, clients, failed_before, rates, late) = Default::default();
        Self {
            release,
            state,
            last,
            evidence,
            checks,
            meter,
            late,
            proposed: None,
            trace,
            clients,
            failed_before,
            rates,
        }
    }

    /// Begins an attempt at `state`: no evidence, a trace of its own.
    pub(super) fn begin(&mut self, state: State, traces: &Path, now: Timestamp) {
        let header = header(&self.release, state.started);
        self.evidence = Evidence::none(&header);
        self.checks = Checks::new(&self.release.checks);
        self.meter = Meter::new(Reading::of(&self.release), now, None);
        self.release.live.forget_failures();
        self.failed_before = Failures::default();
        let path = traces.join(trace_file::name(&self.release.name, &state));
        self.clients = Some(ClientsFile::begin(&path));
        self.trace = Some(TraceFile::begin(path, header));
        let own = self.proposed.is_some_and(|first| first <= state.started);
        self.late = !own && now.since(state.started) > PROMPT;
        self.state = state;
    }

    /// Takes the trace at `from`, which another engine wrote of this attempt, in place of its own, if that one has seen more.
    /// At the seam a second's evidence may be missing, or there twice.
    pub(super) fn inherit(&mut self, from: &Path, now: Timestamp) -> Result<(), TraceError> {
        self.late = false;
        self.close_tick(now);
        let Some(own) = &self.trace else { return Ok(()) };
        let evidence = own.evidence_at(from)?;
        let requests = |evidence: &Evidence| evidence.seen.0.requests + evidence.seen.1.requests;
        if requests(&evidence) > requests(&self.evidence)
            && let Some(own) = self.trace.take()
        {
            let (trace, evidence) = own.replace_by(from)?;
            self.meter = Meter::new(Reading::of(&self.release), now, evidence.last);
            (self.trace, self.evidence) = (Some(trace), evidence);
        }
        Ok(())
    }

    /// Goes by another configuration of the same rollout from now on. Evidence is judged by the new one, as far as it counts
    /// the same things.
    pub(super) fn update(&mut self, release: Arc<Release>, now: Timestamp) {
        self.close_tick(now);
        if !Arc::ptr_eq(&self.release.live, &release.live) {
            self.meter = Meter::new(Reading::of(&release), now, self.evidence.last);
        }
        let mirrors = self.release.live.mirrored() > Ratio::ZERO;
        self.release = release;
        if mirrors {
            self.release.live.set_mirrored(self.release.spec.mirrored(&self.state));
        }
        self.checks.update(&self.release.checks);
        let header = header(&self.release, self.state.started);
        if let Some(trace) = self.trace.take_if(|trace| *trace.header() != header) {
            let (trace, evidence) = TraceFile::resume(trace.path().to_owned(), header);
            (self.trace, self.evidence) = (Some(trace), evidence);
        }
    }

    /// Whether there is something to decide: begun, and neither promoted nor aborted.
    pub(super) fn is_judged(&self) -> bool {
        self.state.phase.is_open() && self.last.is_some()
    }

    /// Whether the open tick convicts the canary already.
    pub(super) fn convicts(&self) -> bool {
        if !self.is_judged() {
            return false;
        }
        let tick = self.open_tick();
        // Every look costs a copy of the judge; without a failure there is nothing to see.
        tick.canary.errors > 0 && self.evidence.convicts(&tick)
    }

    /// Ends the open tick: it goes into the trace, and the judge weighs it. Nothing more counts once the rollout is over.
    pub(super) fn close_tick(&mut self, now: Timestamp) {
        let tick = self.open_tick();
        let seconds = now.since(self.meter.opened()).as_secs_f64();
        self.rates =
            (faded(self.rates.0, tick.stable.requests, seconds), faded(self.rates.1, tick.canary.requests, seconds));
        if self.is_judged() {
            if let Some(clients) = &mut self.clients {
                clients.write(&self.release.live);
            }
            if let Some(trace) = &mut self.trace {
                trace.write(&tick);
            }
            self.evidence.observe(&tick);
        }
        self.meter.close(&tick, now);
    }

    /// What the state machine makes of the evidence, or of a command.
    pub(super) fn decide(&self, now: Timestamp, command: Option<(Command, &str)>) -> Transition {
        let (report, checks) = (&self.evidence.report, self.checks.results());
        let input = match command {
            Some((command, by)) => Input::Command { command, by, report },
            None => Input::Tick { report, checks: &checks },
        };
        self.lawful(step(&self.release.spec, &self.state, now, input), Some(input))
    }

    /// What the state machine makes of the configuration: begins what has not begun, fits what has.
    pub(super) fn fit(&self, now: Timestamp) -> Transition {
        let spec = &self.release.spec;
        if self.last.is_none() { start(spec, now) } else { self.lawful(reconcile(spec, &self.state, now), None) }
    }

    /// `transition`, once it keeps every rule; where assertions are compiled in.
    fn lawful(&self, transition: Transition, input: Option<Input<'_>>) -> Transition {
        if cfg!(debug_assertions) {
            let kept = invariants(&self.release.spec, &self.state, &transition, input);
            assert_eq!(kept, Ok(()), "from {:?} by {input:?} to {transition:?}", self.state);
        }
        transition
    }

    /// Stands at the state of `entry` from now on, and has its weight in force. Returns the trace that it began, if any.
    pub(super) fn stand(&mut self, entry: JournalEntry, traces: &Path, now: Timestamp) -> Option<PathBuf> {
        let again = (&entry.state.rollout, entry.state.attempt) != (&self.state.rollout, self.state.attempt);
        let mut begun = None;
        if again || self.last.is_none() {
            self.begin(entry.state.clone(), traces, now);
            begun = self.trace.as_ref().map(|trace| trace.path().to_owned());
        } else if self.release.spec.share(&entry.state) != self.release.live.share() && entry.state.phase.is_open() {
            // What came while the journal was written belongs to the old weight.
            self.close_tick(now);
        }
        if self.state.is_mirrored() && !entry.state.is_mirrored() {
            // A first step may have the very weight that copies were drawn with.
            self.evidence.at_weight = Default::default();
        }
        self.state = entry.state.clone();
        self.last = Some(entry);
        self.release.put_in_force(&self.state);
        if !self.state.phase.is_open() {
            (self.trace, self.clients) = (None, None);
        }
        begun
    }

    /// What sentences about it need to know.
    pub(super) fn scene(&self) -> Scene<'_> {
        let release = &self.release;
        Scene {
            release: &release.name,
            stable: &release.stable.name,
            canary: &release.canary.name,
            spec: &release.spec,
            seen: (&self.evidence.seen.0, &self.evidence.seen.1),
            at_weight: (&self.evidence.at_weight.0, &self.evidence.at_weight.1),
            mirrored: self.state.is_mirrored(),
            copies: self.copies(),
            bounds: &release.bounds,
        }
    }

    /// What of the canary's answers were answers to copies, and failures among them.
    pub(super) fn copies(&self) -> (u64, u64) {
        self.state.of_copies(&self.evidence.report)
    }

    /// What was seen of one side, and its requests a second lately.
    pub(super) fn side(&self, side: Side) -> (&Tally, f64) {
        match side {
            Side::Stable => (&self.evidence.seen.0, self.rates.0),
            Side::Canary => (&self.evidence.seen.1, self.rates.1),
        }
    }

    /// What failed in this attempt, as far as this weir knows; nothing more once it is over.
    pub(super) fn failures(&self) -> Failures {
        match &self.last {
            Some(last) if !self.state.phase.is_open() => last.failures.clone(),
            None => Failures::default(),
            Some(_) => self.release.live.all_failures(&self.failed_before),
        }
    }

    /// What was seen in this attempt by route; nothing more once it is over.
    pub(super) fn routes(&self) -> Vec<RouteTally> {
        match &self.last {
            Some(last) if !self.state.phase.is_open() => last.routes.clone(),
            _ => self.evidence.worst_routes(),
        }
    }

    /// Which attempt this is.
    pub(super) fn attempt(&self) -> Attempt {
        (self.state.rollout.clone(), self.state.attempt)
    }

    fn open_tick(&self) -> Tick {
        let release = &self.release;
        self.meter.tick(&Reading::of(release), self.state.started, release.live.share(), routing(release))
    }
}

/// A moving average over some [`MEMORY`] seconds.
fn faded(before: f64, requests: u64, seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return before;
    }
    let new = 1.0 - (-seconds / MEMORY).exp();
    before + (requests as f64 / seconds - before) * new
}

/// Who takes up an attempt within this time of its beginning has missed nothing of weight.
const PROMPT: Duration = Duration::from_secs(3);

/// Long enough to be steady at a few requests a second, short enough to show a change while somebody watches.
const MEMORY: f64 = 5.0;
