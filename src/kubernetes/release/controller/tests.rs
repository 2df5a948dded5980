use serde_json::json;

use super::super::revision::{Fields, Sharing, Trouble};
use super::super::status::Revisions;
use super::*;
use crate::types::Ratio;

/// A rollout at 5%.
fn open() -> JournalEntry {
    serde_json::from_value(json!({
        "time": "2026-01-01T00:00:00Z", "release": "shop/app", "stable": "shop/app/v1", "canary": "shop/app/v2",
        "reason": { "kind": "started" }, "from": "0%", "message": "started",
        "state": {
            "rollout": "shop/app/v1>shop/app/v2#0", "attempt": 1, "phase": "progressing", "step": 0, "weight": "5%",
            "started": "2026-01-01T00:00:00Z", "stepStarted": "2026-01-01T00:00:00Z", "ended": null,
        },
        "report": crate::analysis::Report::default(),
    }))
    .unwrap()
}

fn release() -> CanaryRelease {
    let spec = json!({ "targetRef": { "kind": "Deployment", "name": "app" }, "startDeadline": "1m" });
    CanaryRelease::new("app", serde_json::from_value(spec).unwrap())
}

fn planned(trouble: Option<Trouble>, undone: bool) -> Plan {
    let (canary, since) = (Some("v2".to_owned()), Some(Timestamp::from_secs(100)));
    let revisions = Some(Revisions { stable: "v1".to_owned(), canary, since, ..Revisions::default() });
    Plan {
        revisions,
        fields: Fields::Leave,
        resize: Vec::new(),
        sharing: Sharing::ByWeight,
        ready: (0, 0),
        undone,
        trouble,
        lints: Vec::new(),
    }
}

fn pull() -> Option<Trouble> {
    let (reason, message) = ("ErrImagePull".to_owned(), "no such image".to_owned());
    Some(Trouble::Waiting { pod: "app-v2-0".to_owned(), reason, message })
}

fn end(plan: &Plan, last: &JournalEntry, second: i64) -> Option<JournalEntry> {
    gone(&release(), Some(plan), Some(last), None, Timestamp::from_secs(second))
}

#[test]
fn a_canary_that_is_tried_again_has_its_whole_time_again() {
    let mut again = open();
    (again.state.attempt, again.state.started) = (2, Timestamp::from_secs(1000));
    let ended = |second| end(&planned(pull(), false), &again, second).is_some();
    assert_eq!([1059, 1060].map(ended), [false, true]);
}

#[test]
fn a_canary_that_does_not_start_is_aborted_at_its_deadline_and_not_before() {
    assert_eq!(end(&planned(pull(), false), &open(), 159), None);
    let ended = end(&planned(pull(), false), &open(), 160).unwrap();
    assert_eq!((ended.state.phase, ended.state.weight, ended.from), (Phase::Aborted, Ratio::ZERO, Ratio::percent(5)));
    let said = "aborted at 5%: shop/app/v2 does not start: pod app-v2-0: ErrImagePull: no such image";
    assert_eq!(ended.message, said);
    assert_eq!(end(&planned(None, false), &open(), 9_999), None, "one that has started has no deadline");
}

#[test]
fn an_undo_is_an_abort() {
    let ended = end(&planned(None, true), &open(), 101).unwrap();
    assert_eq!((ended.reason.label(), ended.state.phase), ("undone", Phase::Aborted));
}

#[test]
fn what_has_ended_does_not_end_again() {
    let ended = end(&planned(None, true), &open(), 101).unwrap();
    assert_eq!(end(&planned(pull(), true), &ended, 9_999), None);
    let latest = gone(&release(), Some(&planned(None, true)), Some(&open()), Some(&ended), Timestamp::from_secs(999));
    assert_eq!(latest, None, "nor while its end is being written");
}

#[test]
fn the_status_says_where_the_release_is_in_words_and_conditions() {
    let (release, plan) = (release(), planned(pull(), false));
    let known = |last: Option<JournalEntry>| Known {
        controller: None,
        refused: None,
        release: &release,
        plan: Some(&plan),
        decisions: last.iter().cloned().collect(),
        last,
        live: None,
        now: Timestamp::from_secs(1),
    };
    let status = known(Some(open())).status();
    assert_eq!((status.phase.as_deref(), status.weight), (Some("Progressing"), Some(Ratio::percent(5))));
    let is = |kind: &str| {
        let one = status.conditions.iter().find(|one| one.type_ == kind).unwrap();
        (one.status.as_str(), one.reason.as_str())
    };
    assert_eq!(
        [is("Ready"), is("Progressing"), is("Promoted")],
        [("False", "CanaryNotReady"), ("True", "Started"), ("False", "Progressing"),]
    );
    assert_eq!(known(None).status().phase.as_deref(), Some("Starting"));
}

#[test]
fn a_condition_keeps_its_time_while_its_status_does_not_change() {
    let plan = planned(None, false);
    let mut release = release();
    let at = |release: &CanaryRelease, second| {
        let (decisions, last, now) = (vec![open()], Some(open()), Timestamp::from_secs(second));
        Known { controller: None, release, plan: Some(&plan), refused: None, decisions, last, live: None, now }.status()
    };
    let before = at(&release, 1);
    release.status = Some(before.clone());
    assert_eq!(at(&release, 2).conditions, before.conditions);
}

#[test]
fn the_status_has_what_fails_while_the_rollout_is_open() {
    let (release, plan) = (release(), planned(None, false));
    let side = |backend: &str| {
        json!({
            "backend": backend, "requests": 9, "errors": 1, "rate": 1.0, "p50": null, "p99": null,
            "available": 1, "endpoints": 1,
        })
    };
    let failures = json!({ "counts": [{ "side": "canary", "cause": "status 500", "requests": 1 }] });
    let routes = json!([{ "route": "cart", "stable": [8, 0], "canary": [1, 1] }]);
    let live = |last: &JournalEntry| {
        let live = json!({
            "name": "shop/app", "phase": last.state.phase, "weight": "5%", "step": 0, "steps": ["5%"],
            "started": "2026-01-01T00:00:00Z", "stepStarted": "2026-01-01T00:00:00Z", "message": "at 5%", "last": last,
            "stable": side("shop/app/v1"), "canary": side("shop/app/v2"),
            "report": crate::analysis::Report::default(), "eta": null, "failures": failures, "routes": routes, "checks": [], "late": 0,
        });
        serde_json::from_value::<ReleaseStatus>(live).unwrap()
    };
    let causes = |last: JournalEntry| {
        let live = live(&last);
        let (decisions, now) = (vec![last.clone()], Timestamp::from_secs(1));
        let known = Known {
            controller: None,
            release: &release,
            plan: Some(&plan),
            refused: None,
            decisions,
            last: Some(last),
            live: Some(&live),
            now,
        };
        let status = known.status();
        let causes: Vec<_> = status.failures.counts.into_iter().map(|count| count.cause).collect();
        (causes, status.routes.len())
    };
    assert_eq!(causes(open()), (vec!["status 500".to_owned()], 1));
    let ended = end(&planned(None, true), &open(), 101).unwrap();
    assert_eq!(causes(ended), (Vec::new(), 0), "the last decision has them");
}
