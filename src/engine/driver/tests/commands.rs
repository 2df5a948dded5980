//! What an operator asks for.

use super::*;
use crate::rollout::{Pause, Step};
use crate::snapshot::Affinity;

#[test]
fn commands_say_what_they_cannot_do() {
    let mut bench = Bench::new(Wish::default());
    let unknown = bench.engine().command("shoe", Command::Abort, "alice");
    assert_eq!(unknown.unwrap_err().to_string(), "no release `shoe`: `weir status` lists them");
    let refused = bench.command(Command::Resume).unwrap_err();
    assert_eq!(refused.to_string(), "shop cannot do that: it is not paused: it goes on by itself");
    assert_eq!(bench.history().len(), 1);
}

#[test]
fn a_paused_rollout_stays_and_is_still_aborted() {
    let mut bench = Bench::new(Wish::default());
    let status = bench.command(Command::Pause).unwrap();
    assert_eq!((status.phase, bench.state().pause), (Phase::Paused, Some(Pause::Asked)));
    bench.seconds(100, GOOD);
    assert_eq!(bench.weight(), Ratio::percent(5));
    assert_eq!(bench.decide(60, BAD).phase, Phase::Aborted);
}

#[test]
fn a_step_waits_for_its_human() {
    let mut bench = Bench::new(Wish { steps: vec![Step { pause: true, ..plain(5) }, plain(50)], ..Wish::default() });
    while bench.status().phase == Phase::Progressing {
        bench.seconds(1, GOOD);
    }
    bench.seconds(50, GOOD);
    assert_eq!((bench.weight(), bench.state().pause), (Ratio::percent(5), Some(Pause::Approval)));
    assert!(bench.status().message.contains("`weir resume shop` goes on to 50%"), "{}", bench.status().message);
    bench.restart();
    assert_eq!(bench.command(Command::Resume).unwrap().weight, Ratio::percent(50));
}

#[test]
fn a_retry_begins_without_evidence_and_with_a_trace_of_its_own() {
    let mut bench = Bench::new(Wish { affinity: Some(Affinity::ClientIp), ..Wish::default() });
    bench.decide(60, BAD);
    bench.live().failed_clients().insert(7);
    let status = bench.command(Command::Retry).unwrap();
    assert_eq!((status.weight, status.report.canary, status.canary.requests), (Ratio::percent(5), (0, 0), 0));
    assert!(bench.live().failed_clients().is_empty(), "clients may fail for the first time again");
    assert_eq!(bench.traces().len(), 2);
    assert_eq!(bench.decide(600, GOOD).phase, Phase::Promoted);
    let explained = bench.control().explain("shop").unwrap();
    assert_eq!(labels(&explained.decisions), ["retry_command", "step_passed", "healthy"]);
    assert_eq!(explained.trace.as_ref(), Some(&bench.traces()[1]));
    let counted = bench.control().transitions();
    assert_eq!(counted[&(name("shop"), "errors")], 1);
}
