use serde_json::{Value, json};

use super::*;
use crate::kubernetes::testing::put;
use crate::types::Timestamp;

/// The Deployment `app` wants the image `wanted`; there is a ReplicaSet for each of `sets`, whose hash is the image's name.
fn cluster(wanted: &str, sets: &[&str], release: Value) -> World {
    let mut world = World::default();
    let meta = json!({ "namespace": "shop", "name": "app", "uid": "1" });
    put(
        &mut world,
        json!({ "kind": "Deployment", "metadata": meta, "spec": { "selector": {}, "template": template(wanted) } }),
    );
    for hash in sets {
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "app", "uid": "1", "controller": true }]);
        let labels = json!({ "pod-template-hash": hash });
        let meta =
            json!({ "namespace": "shop", "name": format!("app-{hash}"), "labels": labels, "ownerReferences": owner });
        let spec = json!({ "selector": {}, "template": template(hash) });
        put(&mut world, json!({ "kind": "ReplicaSet", "metadata": meta, "spec": spec }));
    }
    put(&mut world, release);
    world
}

fn template(image: &str) -> Value {
    json!({ "metadata": {}, "spec": { "containers": [{ "name": "app", "image": image }] } })
}

/// A release of the Deployment: its stable revision, its canary since the second 100 or 200, and the last decision.
fn release(stable: &str, canary: Option<(&str, i64)>, last: Option<Value>) -> Value {
    let since = canary.map_or(100, |(_, since)| since);
    let revisions = json!({
        "deployment": "1", "stable": stable, "canary": canary.map(|(hash, _)| hash), "since": Timestamp::from_secs(since),
    });
    json!({
        "kind": "CanaryRelease", "metadata": { "namespace": "shop", "name": "app", "generation": 1 },
        "spec": { "targetRef": { "kind": "Deployment", "name": "app" } },
        "status": { "revisions": revisions, "decisions": last.into_iter().collect::<Vec<_>>() },
    })
}

/// What was decided about `canary` in the rollout `part`.
fn decision(phase: &str, canary: &str, part: &str) -> Value {
    json!({
        "time": "2026-01-01T00:00:00Z", "release": "shop/app", "stable": "shop/app/v1", "canary": format!("shop/app/{canary}"),
        "reason": { "kind": "healthy" }, "from": "50%", "message": format!("{phase}: {canary}"),
        "state": {
            "rollout": format!("shop/app/v1>shop/app/{canary}#{part}"), "attempt": 1, "phase": phase, "step": 0, "weight": "5%",
            "started": "2026-01-01T00:00:00Z", "stepStarted": "2026-01-01T00:00:00Z", "ended": null,
        },
        "report": crate::analysis::Report::default(),
    })
}

/// One that began at the second 100.
fn first(phase: &str, canary: &str) -> Option<Value> {
    Some(decision(phase, canary, "100000"))
}

fn good(text: &str) -> Standing {
    Standing::Good(text.to_owned())
}

fn bad(text: &str) -> Standing {
    Standing::Bad(text.to_owned())
}

#[test]
fn only_what_is_decided_about_the_revision_that_is_wanted_now_ends_it() {
    let at_rest = || good("the revision v1 is in service, and no other one is wanted");
    let (none, v2) = (None, Some(("v2", 100)));
    let promoted = || first("promoted", "v2");
    #[rustfmt::skip]
    let situations = [
        // What the Deployment wants, what weir knows, what was asked for before, and what is to be said.
        ("at rest", "v1", release("v1", none, None), None, at_rest()),
        ("its ReplicaSet is not there", "v9", release("v2", none, promoted()), None, Standing::NotBegun),
        ("weir has not seen it", "v3", release("v2", none, promoted()), None, Standing::NotBegun),
        ("no decision yet", "v2", release("v1", v2, None), None, Standing::NotBegun),
        ("the last decision is about the one before", "v3", release("v2", Some(("v3", 200)), promoted()), None, Standing::NotBegun),
        ("the same one again", "v2", release("v1", Some(("v2", 200)), first("aborted", "v2")), None, Standing::NotBegun),
        ("on its way", "v2", release("v1", v2, first("progressing", "v2")), None, Standing::Open),
        ("paused", "v2", release("v1", v2, first("paused", "v2")), None, Standing::Open),
        ("aborted", "v2", release("v1", v2, first("aborted", "v2")), None, bad("aborted: v2")),
        ("promoted, and not stable yet", "v2", release("v1", v2, promoted()), Some("v2"), good("promoted: v2")),
        ("promoted", "v2", release("v2", none, promoted()), Some("v2"), good("promoted: v2")),
        ("promoted long ago", "v2", release("v2", none, promoted()), None, good("promoted: v2")),
        ("another one is wanted meanwhile", "v3", release("v1", v2, first("aborted", "v2")), Some("v2"), Standing::NotBegun),
        ("back to a good one", "v1", release("v1", none, promoted()), Some("v1"), at_rest()),
        ("undone by somebody", "v1", release("v1", none, first("aborted", "v2")), Some("v2"), bad("aborted: v2")),
        ("undone by somebody, not seen yet", "v1", release("v1", v2, first("progressing", "v2")), Some("v2"), Standing::Open),
        ("undone by weir", "v1", release("v1", v2, first("aborted", "v2")), Some("v2"), bad("aborted: v2")),
        ("undone before it began", "v1", release("v1", none, None), Some("v2"), bad("the revision v2 was taken back")),
        ("undone before this command", "v1", release("v1", none, first("aborted", "v2")), None, at_rest()),
    ];
    for (situation, wanted, release, asked, standing) in situations {
        let world = cluster(wanted, &["v1", "v2", "v3"], release);
        assert_eq!(stands(&world, &Key::new("shop", "app"), asked), standing, "{situation}");
    }
}

#[test]
fn a_deployment_that_was_made_anew_has_other_revisions() {
    let mut release = release("v2", None, first("promoted", "v2"));
    release["status"]["revisions"]["deployment"] = "0".into();
    let world = cluster("v2", &["v2"], release);
    assert_eq!(stands(&world, &Key::new("shop", "app"), None), Standing::NotBegun);
}

#[test]
fn what_was_asked_for_is_what_is_wanted_and_not_in_service() {
    let of = |wanted: &str, release| contender(&cluster(wanted, &["v1", "v2"], release), &Key::new("shop", "app"));
    assert_eq!(of("v2", release("v1", None, None)), Some("v2".to_owned()));
    assert_eq!(of("v1", release("v1", Some(("v2", 100)), None)), None);
    assert_eq!(of("v3", release("v1", None, None)), None, "the controller has not made it yet");
}

#[test]
fn of_two_services_the_revision_and_the_generation_tell() {
    let key = Key::new("shop", "app");
    let release = |observed: i64, last: Option<Value>| {
        json!({
            "kind": "CanaryRelease", "metadata": { "namespace": "shop", "name": "app", "generation": 2 },
            "spec": { "stable": { "service": "old" }, "canary": { "service": "new" }, "revision": "2" },
            "status": { "observedGeneration": observed, "decisions": last.into_iter().collect::<Vec<_>>() },
        })
    };
    let decided = |phase| Some(decision(phase, "new", "2"));
    for (situation, release, standing) in [
        ("weir has not seen the change", release(1, decided("promoted")), Standing::NotBegun),
        ("no decision yet", release(2, None), Standing::NotBegun),
        (
            "the last decision is about the one before",
            release(2, Some(decision("promoted", "new", "1"))),
            Standing::NotBegun,
        ),
        ("of another Service", release(2, Some(decision("promoted", "other", "2"))), Standing::NotBegun),
        ("on its way", release(2, decided("progressing")), Standing::Open),
        ("promoted", release(2, decided("promoted")), good("promoted: new")),
        ("aborted", release(2, decided("aborted")), bad("aborted: new")),
    ] {
        let mut world = World::default();
        put(&mut world, release);
        assert_eq!(stands(&world, &key, None), standing, "{situation}");
    }
}
