use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::engine::tests::{START, begun, name};

fn entry(release: &str, percent: u32) -> JournalEntry {
    JournalEntry {
        time: START,
        release: name(release),
        stable: name("v1"),
        canary: name("v2"),
        reason: Reason::StepPassed,
        from: Ratio::ZERO,
        state: State { weight: Ratio::percent(percent), ..begun() },
        report: Report { log_e: 1.25, log_e_limit: 4.5, log_promote: 0.1, log_promote_limit: 4.6, ..Report::default() },
        failures: Default::default(),
        routes: Vec::new(),
        message: "a \"sentence\"".to_owned(),
    }
}

fn weights(journal: &Journal) -> Vec<u32> {
    journal.past().entries(None).iter().map(|entry| entry.state.weight.ppm() / 10_000).collect()
}

/// A journal of these entries, closed again.
fn written(entries: &[JournalEntry]) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    entries.iter().for_each(|entry| journal.commit(std::slice::from_ref(entry)).unwrap());
    (dir, path)
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn what_was_written_is_read_again() {
    let entries = [entry("shop", 1), entry("shop", 5), entry("cart", 50)];
    let (_dir, path) = written(&entries);
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.past().entries(None), entries);
    assert_eq!(journal.past().entries(Some("cart")), entries[2..]);
    assert_eq!(journal.past().last(&name("shop"), "v1>v2#").as_ref(), Some(&entries[1]));
    assert_eq!(journal.past().last(&name("shop"), "v1>v3#"), None);
    assert!(journal.past().counts().is_empty(), "only this process's decisions are counted");
}

proptest! {
    #[test]
    fn numbers_are_read_as_they_were_written_to_the_last_bit(log_e in any::<f64>(), excess in (-1.0..1.0, -1.0..1.0)) {
        let mut written = entry("shop", 5);
        written.report.log_e = if log_e.is_finite() { log_e } else { f64::NEG_INFINITY };
        written.report.excess = Some(excess);
        let read: JournalEntry = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
        prop_assert_eq!(read.report.log_e.to_bits(), written.report.log_e.to_bits());
        prop_assert_eq!(read, written);
    }
}

#[test]
fn every_cut_through_the_file_costs_one_line_at_most() {
    let entries = [entry("shop", 1), entry("shop", 5), entry("shop", 25)];
    let (_dir, path) = written(&entries);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (1..=whole.len()).filter(|&end| whole[end - 1] == b'\n').collect();
    // Around every end of a line, and here and there between.
    let near = |cut: usize| cut.is_multiple_of(67) || ends.iter().any(|end| cut.abs_diff(*end) < 4);
    for cut in (0..whole.len()).filter(|&cut| near(cut)) {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        // A line that lacks nothing but its end is whole.
        let kept = ends.iter().filter(|&&end| end <= cut + 1).count();
        assert_eq!(journal.past().entries(None), entries[..kept], "cut at {cut}");
        journal.commit(&[entry("shop", 50)]).unwrap();
        drop(journal);
        let again = Journal::open(&path).unwrap();
        assert_eq!(weights(&again).len(), kept + 1, "cut at {cut}: the next line stands on its own");
        assert_eq!(weights(&again).last(), Some(&50));
    }
}

#[test]
fn broken_lines_in_the_middle_cost_themselves() {
    let (_dir, path) = written(&[entry("shop", 1), entry("shop", 5)]);
    let text = fs::read_to_string(&path).unwrap();
    let (first, second) = text.split_once('\n').unwrap();
    fs::write(&path, format!("{first}\nnot JSON\n\n{{}}\n\u{fffd}\n{second}")).unwrap();
    assert_eq!(weights(&Journal::open(&path).unwrap()), [1, 5]);
}

#[test]
fn a_journal_that_cannot_be_opened_says_which_and_what_to_do() {
    let dir = TempDir::new().unwrap();
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains(&dir.path().display().to_string()) && error.contains("give weir the right"), "{error}");
}

#[test]
fn what_cannot_be_committed_is_not_kept() {
    let (_dir, path) = written(&[entry("shop", 1)]);
    let mut journal = Journal::open(&path).unwrap();
    let disk = journal.replace_file(full());
    assert!(journal.commit(&[entry("shop", 5)]).is_err());
    assert!(journal.trouble().is_some_and(|trouble| trouble.contains("journal.jsonl")));
    assert_eq!(weights(&journal), [1]);
    journal.replace_file(disk);
    journal.settle();
    assert_eq!(journal.trouble(), None);
    journal.commit(&[entry("shop", 25)]).unwrap();
    assert_eq!(weights(&Journal::open(&path).unwrap()), [1, 25]);
}

#[test]
fn decisions_that_are_committed_together_are_all_kept_or_none() {
    let (_dir, path) = written(&[entry("shop", 1)]);
    let mut journal = Journal::open(&path).unwrap();
    let disk = journal.replace_file(full());
    let both = [entry("shop", 5), entry("shop", 25)];
    assert!(journal.commit(&both).is_err());
    assert_eq!(weights(&journal), [1]);
    journal.replace_file(disk);
    journal.commit(&both).unwrap();
    assert_eq!(weights(&journal), [1, 5, 25]);
    assert_eq!(weights(&Journal::open(&path).unwrap()), [1, 5, 25]);
}

#[test]
fn what_is_noted_is_written_once_it_can_be_and_before_anything_else() {
    let (_dir, path) = written(&[entry("shop", 50)]);
    let mut journal = Journal::open(&path).unwrap();
    let disk = journal.replace_file(full());
    journal.note(entry("shop", 5));
    journal.note(entry("shop", 1));
    assert_eq!(weights(&journal), [50, 5, 1], "it holds, on disk or not");
    assert!(journal.commit(&[entry("shop", 25)]).is_err());
    journal.replace_file(disk);
    journal.commit(&[entry("shop", 25)]).unwrap();
    assert_eq!(journal.trouble(), None);
    assert_eq!(weights(&Journal::open(&path).unwrap()), [50, 5, 1, 25]);
}
