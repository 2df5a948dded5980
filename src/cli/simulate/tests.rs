use clap::Parser;

use super::*;
use crate::types::Timestamp;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: SimulateArgs,
}

fn args(line: &[&str]) -> SimulateArgs {
    Line::try_parse_from(std::iter::once(&"simulate").chain(line)).unwrap_or_else(|error| panic!("{error}")).args
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn rules(text: &str) -> anyhow::Result<Rules> {
    Rules::load(Some(file(text).path()), None)
}

#[test]
fn a_policy_stands_alone_or_in_a_configuration() {
    let alone = rules("steps: [10%]\nanalysis: { falseAbort: 5% }\n").unwrap();
    assert_eq!((alone.policy.alpha, alone.spec.steps.len()), (0.05, 1));
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/weir.yaml")).unwrap();
    assert_eq!(rules(&text).unwrap().spec.steps.len(), 4);
    assert_eq!(Rules::load(None, None).unwrap().policy, crate::analysis::Policy::default());
}

#[test]
fn what_is_wrong_with_a_policy_is_said() {
    for (text, said) in [
        ("analisys: {}", "unknown field"),
        ("analysis: { falseAbort: 0% }", "nobody is ever entirely sure"),
        ("steps: [50%, 10%]", "steps rise"),
        ("- 1", "neither a configuration nor a policy"),
    ] {
        let error = format!("{:#}", rules(text).unwrap_err());
        assert!(error.contains(said), "{text}: {error}");
    }
    assert!(format!("{:#}", Rules::load(Some("/nowhere".as_ref()), None).unwrap_err()).contains("cannot be read"));
}

#[test]
fn a_preset_stands_for_its_policy() {
    let of = |name: &str| Rules::of_preset(policy::preset(name).unwrap()).unwrap().policy;
    assert_eq!(of("standard"), Policy::default());
    assert_eq!((of("careful").min_promote_s, of("fast").min_promote_s), (900.0, 60.0));
    assert_eq!(policy::preset("bold").unwrap_err(), "there are careful, standard and fast");
}

/// Ten of a thousand are within a bound of 1%, thirty are beyond chance.
#[test]
fn a_bound_is_broken_by_more_than_chance_and_by_weir_alone() {
    let wrong = |judge, truth, part| Summary {
        wrong: crate::simulate::summary::Share::of(part, 1000),
        ..Summary::of("x", truth, judge, &[])
    };
    let policy = Policy::default();
    for (truth, part, broken) in
        [(Truth::Good, 10, false), (Truth::Good, 30, true), (Truth::Bad, 30, true), (Truth::Undecidable, 30, true)]
    {
        assert_eq!(breaks(&policy, &wrong("weir", truth, part)), broken, "{truth:?} {part}");
        assert!(!breaks(&policy, &wrong("Argo", truth, part)));
    }
}

/// Whatever the traffic, stable's rate and the fault (see `simulate/drawn.rs`); `.ci/run` plays hundreds of each.
#[test]
fn worlds_drawn_at_random_are_judged_right() {
    for name in ["any-tolerable", "any-tolerable-with-affinity", "any-bad"] {
        let summed = summaries(&["--scenario", name, "--runs", "12", "--seed", "20", "--within", "10m"]);
        assert_eq!(summed[0].wrong.seen, 0.0, "{summed:?}");
        assert!(summed[0].undecided < 12, "something is decided: {summed:?}");
    }
}

#[test]
fn an_unknown_situation_is_named_with_those_there_are() {
    let error = chosen(&args(&["--scenario", "sunshine"])).unwrap_err().to_string();
    assert!(error.contains("`sunshine`") && error.contains("late-onset"), "{error}");
}

fn summaries(line: &[&str]) -> Vec<Summary> {
    let args = args(line);
    let rules = Rules::load(None, None).unwrap();
    let scenarios = chosen(&args).unwrap();
    let judges = if args.compare { &Judge::ALL[..] } else { &Judge::ALL[..1] };
    let jobs = scenarios.iter().flat_map(|scenario| judges.iter().map(move |judge| (scenario, *judge)));
    let jobs: Vec<Job<'_>> =
        jobs.map(|(scenario, judge)| Job { scenario, judge, rules: &rules, args: &args }).collect();
    play_all(&jobs)
}

#[test]
fn bad_situations_are_summed_up_below_the_table() {
    let line = ["--scenario", "total-failure", "--scenario", "half-fails", "--scenario", "clean", "--runs", "2"];
    let shown = render::simulation(&summaries(&line), &render::Style::plain(Timestamp::from_secs(1))).join("\n");
    assert!(shown.contains("weir, all 2 bad situations: users hurt "), "{shown}");
}

#[test]
fn the_same_seed_gives_the_same_rollouts() {
    let line = ["--scenario", "half-fails", "--runs", "3", "--seed", "7"];
    let shown = |line: &[&str]| serde_json::to_string(&summaries(line)).unwrap();
    assert_eq!(shown(&line), shown(&line));
    assert_ne!(shown(&line), shown(&["--scenario", "half-fails", "--runs", "3", "--seed", "8"]));
}

#[test]
fn others_play_on_the_same_traffic() {
    let summed = summaries(&["--scenario", "total-failure", "--runs", "2", "--compare"]);
    let judges: Vec<&str> = summed.iter().map(|summary| summary.judge).collect();
    assert_eq!(judges, ["weir", "Flagger", "Argo", "Kayenta"]);
    assert!(summed.iter().all(|summary| summary.aborted == 2), "{summed:?}");
    assert!(summed[1..].iter().all(|other| other.hurt.median > 20.0 * summed[0].hurt.median), "{summed:?}");
}

#[test]
fn recorded_traffic_is_played_with_a_canary_as_good_as_stable_and_with_worse_ones() {
    let mut trace = String::new();
    let header = crate::analysis::trace::Header::default();
    crate::analysis::trace::write_header(&mut trace, &header);
    let mut rng = fastrand::Rng::with_seed(5);
    let scenario = scenario::ALL.iter().find(|scenario| scenario.name == "clean").unwrap();
    let Traffic::Imagined(world) = scenario.traffic else { panic!("clean is imagined") };
    for t in 0..300 {
        let weight = crate::types::Ratio::percent(if t < 60 { 0 } else { 5 });
        let tick = crate::simulate::traffic::draw(&world(t, 0.05), t, weight, &Bounds::default(), &mut rng);
        crate::analysis::trace::write_tick(&mut trace, &header.meta, &tick);
    }
    let trace = file(&trace);
    let summed = summaries(&["--trace", trace.path().to_str().unwrap(), "--runs", "2"]);
    assert_eq!(summed.len(), 5);
    assert_eq!((summed[0].promoted, summed[0].hurt.median), (2, 0.0));
    assert!(summed[1..].iter().all(|worse| worse.aborted == 2 && worse.hurt.median > 0.0), "{summed:?}");
}

#[test]
fn a_trace_that_is_none_is_said_to_be_none() {
    let empty = file("#canary-trace v1\n");
    let said = |path: &str| format!("{:#}", chosen(&args(&["--trace", path])).unwrap_err());
    assert!(said(empty.path().to_str().unwrap()).contains("no requests to stable"));
    assert!(said(file("hello").path().to_str().unwrap()).contains("not a trace"));
}
