//! What happens while the journal cannot be written.

use std::fs::OpenOptions;

use super::*;

#[test]
fn a_journal_that_cannot_be_written_raises_no_weight_and_lowers_every() {
    let mut bench = Bench::new(Wish::default());
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = bench.engine().journal.replace_file(full());
    bench.seconds(100, GOOD);
    assert_eq!(bench.weight(), Ratio::percent(5), "it would have been promoted");
    assert!(bench.status().message.contains("journal"), "{}", bench.status().message);
    let refused = bench.command(Command::Promote);
    assert!(matches!(refused, Err(CommandError::Journal(_))), "{refused:?}");
    let refused = bench.command(Command::SetWeight(Ratio::percent(20)));
    assert!(matches!(refused, Err(CommandError::Journal(_))), "{refused:?}");
    assert_eq!((bench.weight(), bench.history().len()), (Ratio::percent(5), 1));

    let lowered = bench.command(Command::SetWeight(Ratio::percent(2))).unwrap();
    assert_eq!((lowered.weight, bench.weight()), (Ratio::percent(2), Ratio::percent(2)));
    bench.decide(120, BAD);
    assert_eq!(bench.weight(), Ratio::ZERO);

    bench.engine().journal.replace_file(disk);
    bench.seconds(1, GOOD);
    assert!(!bench.status().message.contains("journal"), "{}", bench.status().message);
    let written = fs::read_to_string(bench.dir.path().join("journal.jsonl")).unwrap();
    let entries: Vec<JournalEntry> =
        written.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let weights: Vec<_> = entries.iter().map(|entry| entry.state.weight).collect();
    assert_eq!(weights, [Ratio::percent(5), Ratio::percent(2), Ratio::ZERO], "late, but whole and in order");
}

#[test]
fn a_rollout_does_not_begin_before_its_journal_can_be_written() {
    let mut bench = Bench::new(Wish::default());
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = bench.engine().journal.replace_file(full);
    bench.reload(Wish { canary: "shop-v3", ..Wish::default() });
    bench.seconds(3, GOOD);
    assert_eq!((bench.weight(), bench.status().last), (Ratio::ZERO, None));
    bench.engine().journal.replace_file(disk);
    bench.seconds(1, GOOD);
    assert_eq!(bench.weight(), Ratio::percent(5));
    assert_eq!(bench.state().started, bench.clock.now());
}
