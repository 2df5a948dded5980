use serde_json::json;

use super::super::revision::{Decided, Fields, Sharing, Workload, plan};
use super::super::status::Revisions;
use super::*;

fn release() -> CanaryRelease {
    let spec = json!({ "targetRef": { "kind": "Deployment", "name": "app" } });
    CanaryRelease::new("app", serde_json::from_value(spec).unwrap())
}

/// `v2` is a canary whose pods are ready.
fn planned(lints: Vec<Lint>) -> Plan {
    let (canary, since) = (Some("v2".to_owned()), Some(Timestamp::from_secs(1)));
    let revisions = Some(Revisions { stable: "v1".to_owned(), canary, since, ..Revisions::default() });
    Plan {
        revisions,
        fields: Fields::Leave,
        resize: Vec::new(),
        sharing: Sharing::ByWeight,
        ready: (0, 0),
        undone: false,
        trouble: None,
        lints,
    }
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

/// The lint of a Deployment whose `maxSurge` somebody else has just written.
fn pinned() -> Lint {
    let deployment = json!({
        "metadata": { "generation": 2 },
        "spec": {
            "selector": {}, "template": {}, "minReadySeconds": 2_147_483_646, "progressDeadlineSeconds": 2_147_483_647,
            "strategy": { "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 0 } },
        },
    });
    let deployment = serde_json::from_value(deployment).unwrap();
    let known =
        Revisions { stable: "v1".to_owned(), surge: Some(1), held: Some(1), ..planned(vec![]).revisions.unwrap() };
    let template = json!({ "metadata": { "labels": { "pod-template-hash": "v2" } } });
    let set = json!({ "metadata": { "labels": { "pod-template-hash": "v2" } }, "spec": { "selector": {}, "template": template } });
    let sets = [std::sync::Arc::new(serde_json::from_value(set).unwrap())];
    let work = Workload { deployment: &deployment, replica_sets: &sets, pods: &[] };
    plan(work, Some(&known), Decided::default(), Timestamp::from_secs(1)).lints.pop().expect("it is told")
}

#[test]
fn that_a_max_surge_is_pinned_stays_said_after_weir_wrote_it_back_as_long_as_there_is_the_same_canary() {
    let (mut release, live) = (release(), live());
    let first = status(&release, &planned(vec![Lint::MaxUnavailable, pinned()]), Some(&live));
    assert_eq!(ready(&first), "True MaxSurgePinned", "before what is only advice");
    release.status = Some(first.clone());
    let again = planned(vec![Lint::MaxUnavailable]);
    assert_eq!(status(&release, &again, Some(&live)).conditions, first.conditions, "its sentence, too");
    let mut next = again.clone();
    next.revisions.as_mut().unwrap().canary = Some("v3".to_owned());
    assert_eq!(ready(&status(&release, &next, Some(&live))), "True MaxUnavailable");
    next.revisions.as_mut().unwrap().canary = None;
    assert_eq!(ready(&status(&release, &next, Some(&live))), "True MaxUnavailable");
}
