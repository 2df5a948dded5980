use tempfile::TempDir;

use super::*;
use crate::analysis::Policy;
use crate::analysis::trace::{Meta, Routing};
use crate::engine::tests::{START, begun, name};
use crate::stats::Tally;
use crate::types::Ratio;

fn header() -> Header {
    let meta = Meta { start: START.as_secs(), stages: vec![0.05, 0.5], ..Meta::default() };
    Header { policy: Policy::default(), meta }
}

fn tick(t: i64) -> Tick {
    let tally = |requests: u64, errors| {
        let mut tally = Tally { requests, errors, ..Tally::default() };
        tally.buckets[3] = requests;
        tally
    };
    Tick {
        t,
        weight: Ratio::percent(5),
        stable: tally(190, 1),
        canary: tally(10, u64::from(t % 7 == 0)),
        routes: Vec::new(),
    }
}

/// A trace of some seconds at `path`, and what they say.
fn written(path: &Path, seconds: i64) -> Evidence {
    let mut trace = TraceFile::begin(path.to_owned(), header());
    let mut evidence = Evidence::none(&header());
    for t in 0..seconds {
        trace.write(&tick(t));
        evidence.observe(&tick(t));
    }
    evidence
}

fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("shop-0123456789abcdef-1.csv");
    (dir, path)
}

#[test]
fn a_resumed_trace_gives_the_evidence_and_goes_on_where_it_was() {
    let (_dir, path) = place();
    let mut before = written(&path, 30);
    let (mut trace, mut evidence) = TraceFile::resume(path.clone(), header());
    assert_eq!((&evidence.report, evidence.seen, evidence.last), (&before.report, before.seen, before.last));
    trace.write(&tick(30));
    evidence.observe(&tick(30));
    before.observe(&tick(30));
    let (_, again) = TraceFile::resume(path, header());
    assert_eq!((&again.report, &evidence.report), (&before.report, &before.report));
}

#[test]
fn every_cut_through_a_trace_costs_the_rows_behind_it_only() {
    let (_dir, path) = place();
    written(&path, 3);
    let whole = fs::read(&path).unwrap();
    let rows = whole.windows(3).position(|bytes| bytes == b"\nts").unwrap() + 1;
    let rows = rows + whole[rows..].iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let near = |cut: usize| cut.is_multiple_of(17) || whole[cut - 2..cut + 2].contains(&b'\n');
    for cut in (rows..whole.len() - 2).filter(|&cut| near(cut)) {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut trace, evidence) = TraceFile::resume(path.clone(), header());
        let lines = whole[rows..cut].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let seen = (lines.div_ceil(2) * 190, lines / 2 * 10);
        assert_eq!((evidence.seen.0.requests, evidence.seen.1.requests), seen, "cut at {cut}");
        trace.write(&tick(9));
        let (_, again) = TraceFile::resume(path.clone(), header());
        assert_eq!(again.seen.0.requests, seen.0 + 190, "cut at {cut}: the next row stands on its own");
    }
}

#[test]
fn another_policy_judges_the_same_ticks() {
    let (_dir, path) = place();
    written(&path, 30);
    let other = Header { policy: Policy { alpha: 0.1, ..Policy::default() }, ..header() };
    let (_, evidence) = TraceFile::resume(path.clone(), other.clone());
    let mut fresh = Evidence::none(&other);
    (0..30).for_each(|t| fresh.observe(&tick(t)));
    assert_eq!(evidence.report, fresh.report);
    assert_ne!(evidence.report.log_e_limit, Evidence::none(&header()).report.log_e_limit);
    let reader = Reader::new(BufReader::new(File::open(&path).unwrap())).unwrap();
    assert_eq!(*reader.header(), other, "and the trace says so");
    assert!(fs::exists(path.with_extension("csv.old")).unwrap());
}

#[test]
fn counts_of_something_else_are_no_evidence() {
    let (_dir, path) = place();
    written(&path, 30);
    let meta = Meta { routing: Routing::Sticky, ..header().meta };
    let (_, evidence) = TraceFile::resume(path.clone(), Header { meta, ..header() });
    assert_eq!(evidence.seen, Default::default());
    assert!(fs::exists(path.with_extension("csv.old")).unwrap());
}

#[test]
fn a_broken_row_ends_the_evidence_and_a_file_that_is_no_trace_has_none() {
    let (_dir, path) = place();
    written(&path, 10);
    let text = fs::read_to_string(&path).unwrap();
    let fifth = format!("{},stable", START.as_secs() + 5);
    fs::write(&path, text.replacen(&fifth, "yesterday,stable", 1)).unwrap();
    let (mut trace, evidence) = TraceFile::resume(path.clone(), header());
    // The second before is not known to be whole.
    assert_eq!((evidence.last.map(|(t, _)| t), evidence.seen.1.requests), (Some(3), 40));
    trace.write(&tick(11));
    let (_, again) = TraceFile::resume(path.clone(), header());
    assert_eq!(again.seen.1.requests, 50, "it is whole again");
    fs::write(&path, "hello\n").unwrap();
    assert_eq!(TraceFile::resume(path.clone(), header()).1.seen, Default::default());
    fs::remove_file(&path).unwrap();
    assert_eq!(TraceFile::resume(path, header()).1.seen, Default::default());
}

#[test]
fn a_full_disk_costs_nothing_once_there_is_room_again() {
    let (_dir, path) = place();
    let mut trace = TraceFile::begin(path.clone(), header());
    trace.write(&tick(0));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let Recording::On { file, .. } = &mut trace.recording else { panic!("it records") };
    let disk = std::mem::replace(file, full);
    // What cannot be cut off ends the trace: /dev/full has no length to go back to.
    trace.write(&tick(1));
    assert!(matches!(trace.recording, Recording::Stopped));
    drop(disk);
    assert_eq!(TraceFile::resume(path, header()).1.seen.1.requests, 10);
}

#[test]
fn a_trace_ends_at_its_largest_size_with_a_word_about_it() {
    let (_dir, path) = place();
    let mut trace = TraceFile::begin(path.clone(), header());
    let Recording::On { length, .. } = &mut trace.recording else { panic!("it records") };
    // As if so much had been written already.
    *length = LARGEST - 10;
    trace.write(&tick(0));
    trace.write(&tick(1));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with(FULL), "{text}");
    assert_eq!(TraceFile::resume(path, header()).1.seen, Default::default(), "and it can still be read");
}

#[test]
fn the_oldest_traces_go_and_those_of_other_releases_stay() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    for attempt in 1..=30u64 {
        let path = file(&format!("shop-0123456789abcdef-{attempt}.csv"));
        let made = File::create(&path).unwrap();
        made.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(attempt)).unwrap();
    }
    let others = ["shop-eu-0123456789abcdef-1.csv", "shop-notes.csv", "cart-0123456789abcdef-1.csv"];
    others.iter().for_each(|other| fs::write(file(other), "").unwrap());
    // The oldest of all, but the one that is written.
    let current = file("shop-0123456789abcdef-1.csv");
    prune(dir.path(), std::slice::from_ref(&current));
    let left = |attempt: u64| file(&format!("shop-0123456789abcdef-{attempt}.csv")).exists();
    let kept: Vec<_> = (1..=30).filter(|&attempt| left(attempt)).collect();
    assert_eq!(kept, std::iter::once(1).chain(12..=30).collect::<Vec<_>>());
    assert_eq!(kept.len(), KEPT);
    assert!(others.iter().all(|other| file(other).exists()));
}

#[test]
fn a_file_is_named_after_release_rollout_and_attempt() {
    let state = State { attempt: 3, ..begun() };
    let file = super::name(&name("prod/shop"), &state);
    assert!(file.starts_with("prod~shop-") && file.ends_with("-3.csv"), "{file}");
    assert_eq!(stem_of(&file), Some("prod~shop"));
    assert_eq!(stem_of(&format!("{file}.old")), Some("prod~shop"));
    assert_ne!(file, super::name(&name("prod/shop"), &State { rollout: "v1>v3#".to_owned(), ..state }));
}
