//! A bench for the engine: a release, its counters, a clock that is moved by hand, and visitors by the dice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::analysis::trace::Reader;
use crate::analysis::{Judge, Policy, Report, Tick};
use crate::clock::ManualClock;
use crate::outcome::FailurePolicy;
use crate::rollout::{Command, HoldBack, MirrorFirst, OnNoEvidence, OnSuspicion, Phase, Spec, State, Step};
use crate::snapshot::testing::empty;
use crate::snapshot::{Affinity, Current, Leaves, Release, ReleaseLive, Snapshot};
use crate::types::{Name, Ratio, Side, Timestamp};
use crate::upstream::testing::backend;

pub(super) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(super) fn plain(percent: u32) -> Step {
    Step { weight: Ratio::percent(percent), at_least: Duration::ZERO, at_most: None, pause: false }
}

/// A rollout at its beginning, without a weight.
pub(super) fn begun() -> State {
    State {
        rollout: "v1>v2#".to_owned(),
        attempt: 1,
        phase: Phase::Progressing,
        pause: None,
        step: 0,
        weight: Ratio::ZERO,
        started: START,
        step_started: START,
        ended: None,
        copies: None,
    }
}

/// What the configuration says of the release `shop`.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) canary: &'static str,
    pub(super) steps: Vec<Step>,
    pub(super) mirror_first: Option<MirrorFirst>,
    pub(super) hold_back: Option<HoldBack>,
    pub(super) start_by_traffic: bool,
    pub(super) policy: Policy,
    pub(super) affinity: Option<Affinity>,
    pub(super) checks: Vec<crate::snapshot::Check>,
}

impl Default for Wish {
    /// 5% and 50%, decided within seconds.
    fn default() -> Self {
        let policy = Policy { warmup_s: 2.0, min_promote_s: 5.0, ..Policy::default() };
        let steps = vec![plain(5), plain(50)];
        Self {
            canary: "shop-v2",
            steps,
            mirror_first: None,
            hold_back: None,
            start_by_traffic: false,
            policy,
            affinity: None,
            checks: Vec::new(),
        }
    }
}

impl Wish {
    pub(super) fn release(&self, leaves: &Leaves) -> Release {
        let version = |text: &str| {
            let address = "127.0.0.1:9".parse().expect("an address");
            Arc::new(crate::snapshot::Backend { name: name(text), ..backend(address) })
        };
        let rollout = format!("shop-v1>{}#", self.canary);
        Release {
            name: name("shop"),
            follows: None,
            stable: version("shop-v1"),
            canary: version(self.canary),
            affinity: self.affinity.clone(),
            overrides: Vec::new(),
            failures: FailurePolicy::new([500..=599], []),
            bounds: Default::default(),
            spec: Spec {
                rollout: rollout.clone(),
                mirror_first: self.mirror_first,
                steps: self.steps.clone(),
                on_no_evidence: OnNoEvidence::Hold,
                on_suspicion: OnSuspicion::Hold,
                hold_back: self.hold_back,
                start_by_traffic: self.start_by_traffic,
            },
            mirrored_methods: Box::default(),
            policy: self.policy.clone(),
            judge_latency: true,
            checks: self.checks.clone(),
            routes: Vec::new(),
            live: leaves.release(&name("shop"), &rollout),
        }
    }
}

pub(super) fn snapshot(releases: impl IntoIterator<Item = Release>) -> Snapshot {
    let releases = releases.into_iter().map(|release| (release.name.clone(), Arc::new(release))).collect();
    Snapshot { releases, ..empty(1) }
}

/// How visitors fare.
#[derive(Clone, Copy)]
pub(super) struct Visitors {
    /// Requests a second, both versions together.
    pub(super) rate: u32,
    /// Shares that fail: stable, canary.
    pub(super) fail: (f64, f64),
    /// The latency bucket of each version.
    pub(super) bucket: (usize, usize),
}

pub(super) const GOOD: Visitors = Visitors { rate: 200, fail: (0.0, 0.0), bucket: (3, 3) };
pub(super) const BAD: Visitors = Visitors { fail: (0.0, 0.4), ..GOOD };

pub(super) struct Bench {
    pub(super) dir: Arc<TempDir>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) leaves: Leaves,
    pub(super) wish: Wish,
    pub(super) engine: Option<Engine>,
    pub(super) ledger: Option<Arc<dyn Ledger>>,
    control: Option<Control>,
    dice: fastrand::Rng,
}

impl Bench {
    pub(super) fn new(wish: Wish) -> Self {
        Self::with_ledger(wish, None)
    }

    /// One of several weirs that drive the same release.
    pub(super) fn with_ledger(wish: Wish, ledger: Option<Arc<dyn Ledger>>) -> Self {
        let dir = Arc::new(TempDir::new().expect("a folder"));
        let clock = Arc::new(ManualClock::at(START));
        let (leaves, dice) = (Leaves::new(2), fastrand::Rng::with_seed(7));
        let mut bench = Self { dir, clock, leaves, wish, engine: None, ledger, control: None, dice };
        bench.start();
        bench
    }

    /// Starts weir.
    pub(super) fn start(&mut self) {
        let dir = StateDir::open(self.dir.path()).expect("the state directory is good");
        let opened = Engine::open(dir, self.clock.clone(), self.leaves.failed.clone());
        let (mut engine, control) = opened.expect("the journal is good");
        if let Some(ledger) = self.ledger.clone() {
            engine = engine.with_ledger(ledger);
        }
        engine.restore(&snapshot([self.wish.release(&self.leaves)]));
        (self.engine, self.control) = (Some(engine), Some(control));
    }

    /// The handle to the engine, which outlives it.
    pub(super) fn control(&self) -> &Control {
        self.control.as_ref().expect("it ran")
    }

    /// Kills weir, and starts it again with counters at zero.
    pub(super) fn restart(&mut self) {
        self.engine = None;
        self.leaves = Leaves::new(2);
        self.start();
    }

    /// Puts another configuration in force.
    pub(super) fn reload(&mut self, wish: Wish) {
        self.wish = wish;
        let snapshot = snapshot([self.wish.release(&self.leaves)]);
        self.engine().restore(&snapshot);
    }

    pub(super) fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("it runs")
    }

    pub(super) fn live(&self) -> Arc<ReleaseLive> {
        self.leaves.release(&name("shop"), &format!("shop-v1>{}#", self.wish.canary))
    }

    pub(super) fn weight(&self) -> Ratio {
        self.live().weight()
    }

    pub(super) fn status(&self) -> ReleaseStatus {
        self.control().status().into_iter().next().expect("there is one release")
    }

    pub(super) fn state(&self) -> State {
        self.status().last.expect("it has begun").state
    }

    pub(super) fn history(&self) -> Vec<JournalEntry> {
        self.control().history(None)
    }

    pub(super) fn command(&mut self, command: Command) -> Result<ReleaseStatus, CommandError> {
        let done = self.engine().command("shop", command, "alice");
        self.engine().publish();
        done
    }

    /// Visitors come for a part of a second, and nobody looks.
    pub(super) fn visit(&mut self, visitors: Visitors, millis: u32) {
        let live = self.live();
        let weight = live.share().fraction();
        for _ in 0..visitors.rate * millis / 1000 {
            let canary = self.dice.f64() < weight;
            let (side, fail, bucket) = if canary {
                (Side::Canary, visitors.fail.1, visitors.bucket.1)
            } else {
                (Side::Stable, visitors.fail.0, visitors.bucket.0)
            };
            let failed = self.dice.f64() < fail;
            live.side(side).of(self.dice.usize(..2)).record(bucket, failed, failed);
        }
        self.clock.advance(Duration::from_millis(millis.into()));
    }

    /// Seconds pass with visitors, until they are over or the rollout moves to `phase`.
    pub(super) fn seconds(&mut self, count: u32, visitors: Visitors) {
        for _ in 0..count {
            self.visit(visitors, 1000);
            self.engine().second();
        }
    }

    /// Seconds pass until the rollout is decided, `most` at most.
    pub(super) fn decide(&mut self, most: u32, visitors: Visitors) -> ReleaseStatus {
        for _ in 0..most {
            self.seconds(1, visitors);
            if !self.status().phase.is_open() {
                return self.status();
            }
        }
        panic!("no decision after {most} s: {}", self.status().message)
    }

    /// The traces, the oldest attempt first.
    pub(super) fn traces(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("traces")).expect("there are traces");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        paths
    }
}

/// What the judge says at the end of a trace.
pub(super) fn replay(path: &std::path::Path) -> Report {
    let mut reader =
        Reader::new(std::io::BufReader::new(std::fs::File::open(path).expect("it is there"))).expect("a trace");
    let mut judge = Judge::of_trace(reader.header());
    let stages: Vec<_> = reader.header().meta.stages.iter().map(|&stage| Ratio::from_fraction(stage)).collect();
    let mut tick = Tick::default();
    let mut report = Report::default();
    while reader.next_tick(&mut tick).expect("whole rows") {
        report = judge.observe(&tick, stages.iter().copied().find(|&stage| stage > tick.weight));
    }
    report
}

/// The snapshot of a bench, to be run by.
pub(super) fn current(bench: &Bench) -> Arc<Current> {
    Arc::new(Current::new(snapshot([bench.wish.release(&bench.leaves)])))
}
