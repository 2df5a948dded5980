use super::*;
use crate::analysis::Report;
use crate::rollout::{Command, Phase, Reason, State};
use crate::types::{Ratio, Timestamp};

/// The decision of a rollout of `shop` at `second`.
fn entry(rollout: &str, second: i64, reason: Reason, phase: Phase, from: u32, to: u32) -> JournalEntry {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let started = Timestamp::from_secs(0);
    JournalEntry {
        time: Timestamp::from_secs(second),
        release: name("default/shop"),
        stable: name("v1"),
        canary: name("v2"),
        reason,
        from: Ratio::percent(from),
        state: State {
            rollout: rollout.to_owned(),
            attempt: 1,
            phase,
            pause: None,
            step: 0,
            weight: Ratio::percent(to),
            started,
            step_started: started,
            ended: None,
            copies: None,
        },
        report: Report::default(),
        failures: Default::default(),
        routes: Vec::new(),
        message: String::new(),
    }
}

fn started(rollout: &str) -> JournalEntry {
    entry(rollout, 1, Reason::Started, Phase::Progressing, 0, 5)
}

fn passed(from: u32, to: u32) -> JournalEntry {
    entry("a", 2, Reason::StepPassed, Phase::Progressing, from, to)
}

fn aborted(from: u32) -> JournalEntry {
    let reason = Reason::Command { command: Command::Abort, by: "alice".to_owned() };
    entry("a", 3, reason, Phase::Aborted, from, 0)
}

fn proposed(entry: JournalEntry) -> Waiting {
    Waiting { noted: Vec::new(), proposed: Some(entry) }
}

fn noted(entry: JournalEntry) -> Waiting {
    Waiting { noted: vec![entry], proposed: None }
}

#[test]
fn a_decision_goes_on_from_where_the_status_is() {
    assert_eq!(merged(&[], &proposed(started("a"))), Some(vec![started("a")]));
    let kept = [started("a")];
    assert_eq!(merged(&kept, &proposed(passed(5, 25))), Some(vec![started("a"), passed(5, 25)]));
}

#[test]
fn a_rollout_begins_once_whoever_leads() {
    assert_eq!(merged(&[started("a"), passed(5, 25)], &proposed(started("a"))), None);
    assert!(merged(&[started("a")], &proposed(started("b"))).is_some(), "another one begins anew");
}

#[test]
fn a_raise_from_a_weight_that_is_not_the_statuss_is_dropped() {
    assert_eq!(merged(&[started("a"), passed(5, 25)], &proposed(passed(5, 25))), None);
}

#[test]
fn nothing_raises_an_aborted_canary_but_a_retry() {
    let kept = [started("a"), aborted(5)];
    assert_eq!(merged(&kept, &proposed(passed(0, 25))), None);
    let mut retry = started("a");
    retry.reason = Reason::Command { command: Command::Retry, by: "alice".to_owned() };
    retry.state.attempt = 2;
    assert!(merged(&kept, &proposed(retry)).is_some());
}

#[test]
fn an_abort_that_could_not_be_written_is_written_later_whatever_was_raised_in_between() {
    let kept = [started("a"), passed(5, 25)];
    assert_eq!(merged(&kept, &noted(aborted(5))).unwrap().last(), Some(&aborted(5)));
}

#[test]
fn what_waits_is_written_once_and_what_came_meanwhile_stays() {
    let leadership = Arc::<Leadership>::default();
    let book = Book::new(leadership);
    let name: Name = "default/shop".parse().unwrap();
    book.note(&aborted(5));
    let written = book.waiting(&name);
    book.note(&aborted(25));
    book.written(&name, &written);
    assert_eq!(book.waiting(&name), noted(aborted(25)));
}

#[test]
fn what_somebody_asks_for_is_not_overtaken_by_what_is_decided_while_it_is_written() {
    let set = |to| {
        let reason = Reason::Command { command: Command::SetWeight(Ratio::percent(to)), by: "alice".to_owned() };
        entry("a", 2, reason, Phase::Paused, 5, to)
    };
    let proposed_after = |entries: &[JournalEntry]| {
        let mut waiting = Waiting::default();
        entries.iter().for_each(|entry| waiting.propose(entry));
        waiting.proposed.unwrap()
    };
    let again = JournalEntry { time: Timestamp::from_secs(3), ..passed(5, 25) };
    assert_eq!(proposed_after(&[passed(5, 25), again]), passed(5, 25), "the first one holds");
    assert_eq!(proposed_after(&[passed(5, 25), passed(5, 50)]), passed(5, 50));
    assert_eq!(proposed_after(&[set(30), passed(5, 25)]), set(30));
    assert_eq!(proposed_after(&[passed(5, 25), set(25)]), set(25), "it is to stay there");
    assert_eq!(proposed_after(&[set(30), set(40)]), set(40));
}

#[test]
fn without_the_lease_nothing_is_proposed() {
    let book = Book::new(Arc::default());
    assert!(book.propose(&started("a")).is_err());
    assert_eq!(book.waiting(&"default/shop".parse().unwrap()), Waiting::default());
}

#[test]
fn what_failed_is_kept_with_the_last_decision_only() {
    let failing = |entry: JournalEntry| {
        let failures = crate::failures::Failures { others: 7, ..Default::default() };
        JournalEntry { failures, routes: vec![Default::default()], ..entry }
    };
    let all = merged(&[failing(started("a"))], &noted(failing(aborted(5)))).unwrap();
    assert_eq!(all, [started("a"), failing(aborted(5))]);
}

#[test]
fn a_status_keeps_the_latest_decisions() {
    let kept: Vec<_> = (0..30).map(|n| started(&format!("r{n}"))).collect();
    let all = merged(&kept, &proposed(started("new"))).unwrap();
    assert_eq!((all.len(), all.first(), all.last()), (30, Some(&started("r1")), Some(&started("new"))));
}

#[test]
fn who_leads_no_more_withdraws_its_proposals_and_nothing_else() {
    let book = Book::new(Arc::default());
    let name: Name = "default/shop".parse().unwrap();
    book.note(&aborted(5));
    book.lock().entry(name.clone()).or_default().proposed = Some(passed(5, 25));
    book.withdraw();
    assert_eq!(book.waiting(&name), noted(aborted(5)));
}
