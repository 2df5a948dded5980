//! Several engines that drive the same release.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Ledger;
use crate::engine::JournalEntry;
use crate::engine::tests::*;
use crate::rollout::{Command, Phase, Reason};
use crate::types::Ratio;

/// A ledger that keeps what it is allowed to.
#[derive(Debug, Default)]
struct Book {
    open: Mutex<bool>,
    kept: Mutex<Vec<JournalEntry>>,
    noted: Mutex<Vec<JournalEntry>>,
}

impl Ledger for Book {
    fn propose(&self, entry: &JournalEntry) -> Result<(), String> {
        if !*self.open.lock().unwrap() {
            return Err("another one leads".to_owned());
        }
        self.kept.lock().unwrap().push(entry.clone());
        Ok(())
    }

    fn note(&self, entry: &JournalEntry) {
        self.noted.lock().unwrap().push(entry.clone());
    }
}

impl Book {
    fn opened() -> Arc<Self> {
        Arc::new(Self { open: Mutex::new(true), ..Self::default() })
    }

    /// The last decision that was kept.
    fn last(&self) -> JournalEntry {
        self.kept.lock().unwrap().last().expect("one was proposed").clone()
    }
}

/// A leader at 5%, and a follower that goes by it.
fn pair() -> (Arc<Book>, Bench, Bench) {
    let book = Book::opened();
    let mut leader = Bench::with_ledger(Wish::default(), Some(book.clone()));
    let mut follower = Bench::with_ledger(Wish::default(), Some(Arc::new(Book::default())));
    leader.engine().adopt(book.last());
    follower.engine().adopt(book.last());
    (book, leader, follower)
}

#[test]
fn no_weight_rises_before_it_is_kept() {
    let book = Book::opened();
    let mut bench = Bench::with_ledger(Wish::default(), Some(book.clone()));
    bench.seconds(3, GOOD);
    assert_eq!((bench.weight(), bench.status().last), (Ratio::ZERO, None), "proposed, not in force");
    assert_eq!(book.last().reason, Reason::Started);
    bench.engine().adopt(book.last());
    assert_eq!(bench.weight(), Ratio::percent(5));
}

#[test]
fn what_is_kept_is_in_force_everywhere() {
    let (_, leader, follower) = pair();
    assert_eq!((leader.weight(), follower.weight()), (Ratio::percent(5), Ratio::percent(5)));
    assert_eq!(leader.state(), follower.state());
}

#[test]
fn without_the_lead_good_evidence_raises_nothing() {
    let (_, _, mut follower) = pair();
    follower.seconds(600, GOOD);
    assert_eq!((follower.weight(), follower.status().phase), (Ratio::percent(5), Phase::Progressing));
}

#[test]
fn a_conviction_waits_for_nobody_and_the_ledger_is_told() {
    let book = Arc::new(Book::default());
    let (_, _, mut follower) = pair();
    follower.engine = follower.engine.take().map(|engine| engine.with_ledger(book.clone()));
    let status = follower.decide(60, BAD);
    assert_eq!((status.phase, follower.weight()), (Phase::Aborted, Ratio::ZERO));
    assert_eq!(book.noted.lock().unwrap().last(), status.last.as_ref());
}

#[test]
fn ones_own_conviction_stands_until_somebody_tries_again() {
    let (book, mut leader, mut follower) = pair();
    follower.decide(60, BAD);
    for _ in 0..600 {
        leader.seconds(1, GOOD);
        if book.last().reason == Reason::StepPassed {
            break;
        }
    }
    follower.engine().adopt(book.last());
    assert_eq!(follower.weight(), Ratio::ZERO, "the leader saw nothing of it");
    leader.command(Command::Abort).unwrap();
    leader.command(Command::Retry).unwrap();
    follower.engine().adopt(book.last());
    assert_eq!((follower.weight(), follower.state().attempt), (Ratio::percent(5), 2));
}

#[test]
fn what_others_saw_counts_as_evidence() {
    let (_, mut leader, mut follower) = pair();
    for _ in 0..60 {
        let before = follower.live().read_here();
        follower.visit(BAD, 1000);
        let after = follower.live().read_here();
        leader.live().elsewhere[0].add(&after.0.since(&before.0));
        leader.live().elsewhere[1].add(&after.1.since(&before.1));
        leader.seconds(1, Visitors { rate: 0, ..GOOD });
    }
    assert_eq!(leader.status().phase, Phase::Aborted, "{}", leader.status().message);
    assert_eq!(leader.live().read_here(), Default::default(), "it served nobody itself");
}

#[test]
fn another_releases_decision_is_nobodys() {
    let (book, _, mut follower) = pair();
    let mut entry = book.last();
    entry.state.rollout = "another".to_owned();
    entry.state.weight = Ratio::ONE;
    follower.engine().adopt(entry);
    assert_eq!(follower.weight(), Ratio::percent(5));
}

#[test]
fn a_restart_gives_the_canary_nothing_before_the_ledger_has_its_say_and_forgets_no_evidence() {
    let (book, mut leader, _) = pair();
    leader.seconds(3, GOOD);
    let seen = leader.status().canary.requests;
    leader.restart();
    assert_eq!(leader.weight(), Ratio::ZERO);
    leader.engine().adopt(book.last());
    leader.engine().publish();
    assert_eq!((leader.weight(), leader.status().canary.requests), (Ratio::percent(5), seen));
}

/// A third engine, which goes by the last decision some time after it was made.
fn latecomer(book: &Book) -> Bench {
    let mut late = Bench::with_ledger(Wish::default(), Some(Arc::new(Book::default())));
    late.clock.advance(Duration::from_secs(30));
    late.restart();
    late.engine().adopt(book.last());
    late
}

/// Gives `heir` a copy of the trace of `from`.
fn hand_over(from: &Bench, heir: &mut Bench) {
    let copy = heir.dir.path().join("inherited");
    let trace = from.control().explain("shop").and_then(|known| known.trace).expect("there is a trace");
    std::fs::copy(trace, &copy).expect("it can be read");
    let state = from.state();
    heir.engine().inherit(&name("shop"), &(state.rollout, state.attempt), &copy);
    assert!(!copy.exists(), "nothing is left");
}

#[test]
fn who_comes_late_inherits_what_another_one_has_seen() {
    let (book, mut leader, _) = pair();
    leader.seconds(5, GOOD);
    let mut late = latecomer(&book);
    assert!(late.status().late && !leader.status().late);
    late.seconds(1, GOOD);
    hand_over(&leader, &mut late);
    let seen = |bench: &Bench| (bench.status().stable.requests, bench.status().canary.requests);
    assert_eq!(seen(&late), seen(&leader));
    assert!(!late.status().late, "it lacks nothing any more");
    late.seconds(1, GOOD);
    assert!(seen(&late).0 > seen(&leader).0, "and goes on from there");
    late.restart();
    late.engine().adopt(book.last());
    late.engine().publish();
    assert!(seen(&late).0 > seen(&leader).0, "its own trace has it all");
}

#[test]
fn who_has_seen_more_inherits_nothing() {
    let (book, mut leader, _) = pair();
    leader.seconds(1, GOOD);
    let mut late = latecomer(&book);
    late.seconds(3, GOOD);
    let before = late.status().canary.requests;
    hand_over(&leader, &mut late);
    assert_eq!((late.status().canary.requests, late.status().late), (before, false));
}

#[test]
fn what_is_no_trace_of_the_attempt_is_not_inherited() {
    let (book, mut leader, _) = pair();
    leader.seconds(5, GOOD);
    let mut late = latecomer(&book);
    late.seconds(1, GOOD);
    let before = late.status().canary.requests;
    let file = late.dir.path().join("inherited");
    let attempt = (late.state().rollout, late.state().attempt);
    for text in ["", "nonsense\n"] {
        std::fs::write(&file, text).expect("it can be written");
        late.engine().inherit(&name("shop"), &attempt, &file);
        assert_eq!(late.status().canary.requests, before);
    }
    late.seconds(1, GOOD);
    assert!(late.status().canary.requests > before, "it goes on with its own");
}
