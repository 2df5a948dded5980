use std::io::{BufRead as _, Write as _};

use super::*;
use crate::analysis::trace::{Header, Meta, write_header, write_tick};
use crate::analysis::{Judge, Tick};
use crate::simulate::traffic::draw;
use crate::simulate::{Traffic, World, scenario};
use crate::stats::Bounds;
use crate::types::Ratio;

fn world_of(name: &str) -> fn(i64, f64) -> World {
    match scenario::ALL.iter().find(|scenario| scenario.name == name).map(|scenario| &scenario.traffic) {
        Some(Traffic::Imagined(world)) => *world,
        _ => panic!("{name} is not imagined"),
    }
}

/// A rollout led as the engine leads it, written as it goes; the trace, the second and the evidence of its end.
fn live(name: &str, stages: &[u32]) -> (String, i64, Verdict, f64) {
    let steps: Vec<Ratio> = stages.iter().map(|&percent| Ratio::percent(percent)).collect();
    let meta = Meta { start: 1_000, stages: steps.iter().map(|weight| weight.fraction()).collect(), ..Meta::default() };
    let header = Header { meta, ..Header::default() };
    let mut text = String::new();
    write_header(&mut text, &header);
    let mut judge = Judge::of_trace(&header);
    let mut rng = fastrand::Rng::with_seed(11);
    let mut step = 0;
    for t in -30..600 {
        let weight = if t < 0 { Ratio::ZERO } else { steps[step] };
        let world = world_of(name)(t, weight.fraction());
        let tick: Tick = draw(&world, t, weight, &Bounds::default(), &mut rng);
        write_tick(&mut text, &header.meta, &tick);
        let next = steps.iter().copied().find(|&stage| stage > weight);
        let report = judge.observe(&tick, next);
        let done = report.verdict == Verdict::Fail || (report.verdict == Verdict::Pass && next.is_none());
        if done && t >= 0 {
            return (text, t, report.verdict, report.log_e);
        }
        if report.next == Verdict::Pass && t >= 0 && step + 1 < steps.len() {
            step += 1;
        }
    }
    (text, 599, Verdict::Inconclusive, f64::NAN)
}

#[test]
fn a_live_trace_replays_to_the_same_decision_second_and_bits() {
    for name in ["clean", "total-failure", "one-route-of-50", "latency-shift", "worse-in-an-outage"] {
        let (text, t, verdict, log_e) = live(name, &[1, 5, 25, 50]);
        let (replayed, line) = file::judge(text.as_bytes(), &PolicyArgs::default(), name).unwrap();
        assert_eq!((replayed, line.t), (verdict, t), "{name}");
        assert_eq!(line.log_e.unwrap().to_bits(), log_e.to_bits(), "{name}");
    }
}

#[test]
fn a_decision_is_one_line_of_json_as_specified() {
    let (text, t, ..) = live("total-failure", &[1, 5]);
    let (_, line) = file::judge(text.as_bytes(), &PolicyArgs::default(), "a.csv").unwrap();
    let json: serde_json::Value = serde_json::to_value(&line).unwrap();
    assert_eq!(json["file"], "a.csv");
    assert_eq!(json["decision"], "abort");
    assert_eq!(json["t"], t);
    assert_eq!(json["reason"], "error");
    assert!(json["log_e"].as_f64().unwrap() >= 100f64.ln());
}

/// A rollout at 50% that is held back at 95% for 100 s once it has won, and fails from second `fails` on.
fn held_back(fails: i64, until: i64) -> String {
    let meta = r#"{"start":0,"le_ms":[100],"stages":[0.5],"hold_back":{"weight":0.05,"s":100}}"#;
    let mut text = format!("#canary-trace v1\n#policy {{}}\n#meta {meta}\n");
    for t in 0..until {
        let (weight, canary) = if t < 300 { ("0.5", 50) } else { ("0.95", 95) };
        let (stable, errors) = (100 - canary, if t >= fails { canary / 2 } else { 0 });
        text += &format!("{t},stable,-,{weight},{stable},0,,{stable},{stable}\n");
        text += &format!("{t},canary,-,{weight},{canary},{errors},,{canary},{canary}\n");
    }
    text
}

#[test]
fn a_canary_that_has_won_is_promoted_after_the_hold_back_and_aborted_within_it() {
    let judged = |text: String| file::judge(text.as_bytes(), &PolicyArgs::default(), "x").unwrap();
    let (verdict, line) = judged(held_back(i64::MAX, 500));
    assert_eq!((verdict, line.reason.as_str()), (Verdict::Pass, "healthy"));
    let promoted = line.t;
    let (verdict, line) = judged(held_back(i64::MAX, promoted));
    assert_eq!((verdict, line.reason.as_str()), (Verdict::Inconclusive, "hold-back"));
    let (verdict, line) = judged(held_back(promoted - 20, 500));
    assert_eq!((verdict, line.reason.as_str()), (Verdict::Fail, "error"));
    assert!((promoted - 20..promoted).contains(&line.t), "{}", line.t);
    let (verdict, line) = judged(held_back(promoted + 1, 500));
    assert_eq!((verdict, line.t), (Verdict::Pass, promoted), "promoted is final");
}

/// A trace of someone else, with weights by the clock and no word of stages.
fn recorded(canary_errors: fn(i64) -> u64) -> String {
    let mut text = String::from("#canary-trace v1\n#policy {}\n#meta {\"start\":0,\"le_ms\":[100]}\n");
    for t in 0..500 {
        let (weight, canary) = if t < 300 { ("0.05", 5) } else { ("0.5", 50) };
        let stable = 100 - canary;
        let errors = canary_errors(t);
        text += &format!("{t},stable,-,{weight},{stable},0,,{stable},{stable}\n");
        text += &format!("{t},canary,-,{weight},{canary},{errors},,{canary},{canary}\n");
    }
    text
}

#[test]
fn a_recorded_rollout_promotes_at_its_last_weight_only() {
    let (verdict, line) = file::judge(recorded(|_| 0).as_bytes(), &PolicyArgs::default(), "x").unwrap();
    assert_eq!(verdict, Verdict::Pass);
    assert!(line.t > 300, "{}", line.t);
}

#[test]
fn an_abort_at_the_last_weight_overrules_what_looked_well_before() {
    let broken = recorded(|t| if t >= 300 { 25 } else { 0 });
    let (verdict, line) = file::judge(broken.as_bytes(), &PolicyArgs::default(), "x").unwrap();
    assert_eq!((verdict, line.decision, line.t), (Verdict::Fail, "abort", 300));
}

#[test]
fn a_trace_without_rows_is_held() {
    let (verdict, line) = file::judge("#canary-trace v1\n".as_bytes(), &PolicyArgs::default(), "x").unwrap();
    assert_eq!((verdict, line.decision, line.reason.as_str()), (Verdict::Inconclusive, "hold", "no-canary-traffic"));
}

#[test]
fn flags_override_the_policy_of_the_file() {
    let careful = PolicyArgs { min_promote: Some(450.0), ..PolicyArgs::default() };
    let (_, line) = file::judge(recorded(|_| 0).as_bytes(), &careful, "x").unwrap();
    assert_eq!((line.decision, line.t), ("promote", 450));
    let lenient = PolicyArgs {
        errors_tolerable: Some("1x + 60%".parse().unwrap()),
        errors_bad: Some("1x + 70%".parse().unwrap()),
        ..PolicyArgs::default()
    };
    let broken = recorded(|t| if t >= 300 { 25 } else { 0 });
    assert_eq!(file::judge(broken.as_bytes(), &lenient, "x").unwrap().1.decision, "promote");
    let absurd = PolicyArgs { alpha: Some(2.0), ..PolicyArgs::default() };
    assert!(file::judge(broken.as_bytes(), &absurd, "x").is_err());
}

/// A rollout of at most 600 seconds at the weights that are asked for, over real pipes; the answers.
fn fly(canary_errors: impl Fn(u64) -> u64) -> Vec<serde_json::Value> {
    let (input, mut questions) = std::io::pipe().unwrap();
    let (replies, output) = std::io::pipe().unwrap();
    let pilot = std::thread::spawn(move || {
        interactive::run(std::io::BufReader::new(input), output, &PolicyArgs::default()).unwrap()
    });
    let mut replies = std::io::BufReader::new(replies).lines();
    writeln!(questions, r#"{{"hello":1,"policy":{{}},"meta":{{"le_ms":[100]}},"stages":[0.01,0.05,0.25,0.5]}}"#)
        .unwrap();
    let (mut weight, mut answers) = (0.0, Vec::new());
    for t in -10..600i64 {
        let canary = if t < 0 { 0 } else { (200.0 * weight) as u64 };
        let row = |version: &str, requests: u64, errors: u64| {
            serde_json::json!({"version": version, "route": "-", "requests": requests, "errors": errors,
                "err_clients": null, "le": [requests, requests]})
        };
        let rows = [row("stable", 200 - canary, 0), row("canary", canary, canary_errors(canary))];
        let in_force = if t < 0 { 0.0 } else { weight };
        writeln!(questions, "{}", serde_json::json!({"t": t, "weight": in_force, "rows": rows})).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&replies.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["t"], t);
        weight = answer["weight"].as_f64().unwrap();
        answers.push(answer);
        if weight == 0.0 || weight == 1.0 {
            break;
        }
    }
    drop(questions);
    pilot.join().unwrap();
    answers
}

#[test]
fn interactive_climbs_the_stages_and_promotes() {
    let answers = fly(|_| 0);
    let last = answers.last().unwrap();
    assert_eq!((last["decision"].as_str(), last["weight"].as_f64()), (Some("promote"), Some(1.0)));
    assert!(last["t"].as_i64().unwrap() >= 240);
    let weights: Vec<f64> = answers.iter().map(|answer| answer["weight"].as_f64().unwrap()).collect();
    assert_eq!(weights[9], 0.01);
    assert!([0.05, 0.25, 0.5].iter().all(|stage| weights.contains(stage)), "{weights:?}");
    assert!(weights.windows(2).all(|pair| pair[0] <= pair[1]));
}

#[test]
fn interactive_takes_a_broken_canary_out() {
    let answers = fly(|canary| canary);
    let last = answers.last().unwrap();
    assert_eq!((last["decision"].as_str(), last["weight"].as_f64()), (Some("abort"), Some(0.0)));
    assert_eq!(last["reason"], "error");
}

#[test]
fn interactive_refuses_what_it_does_not_understand() {
    let run = |text: &str| interactive::run(text.as_bytes(), Vec::new(), &PolicyArgs::default());
    assert!(run("").is_err());
    assert!(run("{\"hello\":1,\"stages\":[]}\n").is_err());
    assert!(run("{\"hello\":1,\"stages\":[0.5,0.1]}\n").is_err());
    assert!(run("{\"hello\":1,\"stages\":[0.5]}\nnonsense\n").is_err());
}

#[test]
fn files_are_judged_and_a_missing_one_is_said() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(recorded(|_| 0).as_bytes()).unwrap();
    let good = file.path().to_path_buf();
    assert_eq!(file::run(std::slice::from_ref(&good), &PolicyArgs::default()), Some(Verdict::Pass));
    assert_eq!(file::run(&[good, "/nonexistent/trace".into()], &PolicyArgs::default()), None);
}
