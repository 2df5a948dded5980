use serde_json::json;

use super::super::revision::{Fields, Sharing};
use super::super::status::Revisions;
use super::*;

fn release() -> CanaryRelease {
    let spec = json!({ "targetRef": { "kind": "Deployment", "name": "app" } });
    CanaryRelease::new("app", serde_json::from_value(spec).unwrap())
}

/// `v2` is a canary whose pods are ready.
fn planned(lints: Vec<Lint>) -> Plan {
    let canary = Some("v2".to_owned());
    let revisions = Some(Revisions { stable: "v1".to_owned(), canary, ..Revisions::default() });
    Plan { revisions, fields: Fields::Leave, sharing: Sharing::ByWeight, undone: false, trouble: None, lints }
}

/// What the engine says of a release that a route leads to, before its first decision.
fn live() -> ReleaseStatus {
    let side = |backend: &str| {
        json!({
            "backend": backend, "requests": 0, "errors": 0, "rate": 0.0, "p50": null, "p99": null,
            "available": 1, "endpoints": 1,
        })
    };
    serde_json::from_value(json!({
        "name": "shop/app", "phase": "progressing", "weight": "0%", "step": 0, "steps": ["5%"],
        "started": "2026-01-01T00:00:00Z", "stepStarted": "2026-01-01T00:00:00Z", "message": "at 0%", "last": null,
        "stable": side("shop/app/v1"), "canary": side("shop/app/v2"), "report": crate::analysis::Report::default(),
        "eta": null, "failures": {}, "routes": [], "checks": [], "late": 0,
    }))
    .unwrap()
}

fn status(release: &CanaryRelease, plan: &Plan, live: Option<&ReleaseStatus>) -> CanaryReleaseStatus {
    let (plan, now) = (Some(plan), Timestamp::from_secs(1));
    Known { controller: None, release, plan, refused: None, decisions: Vec::new(), last: None, live, now }.status()
}

/// The condition `Ready`, such as `True Ready`.
fn ready(status: &CanaryReleaseStatus) -> String {
    let ready = status.conditions.iter().find(|one| one.type_ == "Ready").unwrap();
    format!("{} {}", ready.status, ready.reason)
}

#[test]
fn a_canary_without_a_route_is_not_ready_whatever_advice_there_is() {
    let plan = planned(vec![Lint::MaxUnavailable]);
    assert_eq!(ready(&status(&release(), &plan, Some(&live()))), "True MaxUnavailable");
    assert_eq!(ready(&status(&release(), &plan, None)), "False NoRoute");
    assert_eq!(ready(&status(&release(), &planned(vec![Lint::Paused]), None)), "False DeploymentPaused");
}
