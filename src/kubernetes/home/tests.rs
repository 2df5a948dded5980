use serde_json::{Value, json};

use super::*;
use crate::kubernetes::testing::{put, settings};

/// The world of `weir-0`, a pod of the Deployment `weir`.
fn world() -> World {
    let mut world = World::default();
    let owned = |kind: &str, name: &str, by: (&str, &str)| {
        let owner = json!({ "apiVersion": "apps/v1", "kind": by.0, "name": by.1, "uid": by.1, "controller": true });
        object(kind, name, json!({ "ownerReferences": [owner] }))
    };
    put(&mut world, object("Namespace", "weir-system", json!({})));
    put(&mut world, owned("Pod", "weir-0", ("ReplicaSet", "weir-7d4")));
    put(&mut world, owned("ReplicaSet", "weir-7d4", ("Deployment", "weir")));
    put(&mut world, object("Deployment", "weir", json!({})));
    put(&mut world, object("Deployment", "other", json!({})));
    world
}

fn object(kind: &str, name: &str, mut metadata: Value) -> Value {
    metadata["name"] = name.into();
    if kind != "Namespace" {
        metadata["namespace"] = "weir-system".into();
    }
    json!({ "kind": kind, "metadata": metadata, "spec": { "selector": {}, "template": {}, "containers": [] } })
}

fn leaving() -> Value {
    json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" })
}

/// What a replica says that has looked at [`world`] before.
fn after(change: impl FnOnce(&mut World)) -> bool {
    let (mut home, mut world) = (Home::default(), world());
    assert!(!home.is_given_up(&world, &settings()), "at first nothing is amiss");
    change(&mut world);
    home.is_given_up(&world, &settings())
}

#[test]
fn a_deployment_that_is_gone_or_going_means_that_weir_itself_is_deleted() {
    let weir = Key::new("weir-system", "weir");
    assert!(after(|world| world.deployments.remove(&weir)), "deleted in the background");
    assert!(after(|world| put(world, object("Deployment", "weir", leaving()))), "deleted in the foreground");
    assert!(after(|world| put(world, object("Namespace", "weir-system", leaving()))), "deleted with its namespace");
}

#[test]
fn a_pod_that_is_replaced_or_another_deployment_that_goes_means_nothing() {
    let weir = |name: &str| Key::new("weir-system", name);
    assert!(!after(|world| world.pods.remove(&weir("weir-0"))));
    assert!(!after(|world| world.replica_sets.remove(&weir("weir-7d4"))));
    assert!(!after(|world| world.deployments.remove(&weir("other"))));
    assert!(!after(|world| world.namespaces.remove(&Key::new("", "weir-system"))), "a list that may not be read");
}

#[test]
fn a_deployment_that_was_never_seen_is_not_missed() {
    let mut world = world();
    world.deployments.replace([]);
    assert!(!Home::default().is_given_up(&world, &settings()));
}

#[test]
fn a_deployment_that_is_made_again_takes_weir_back() {
    let (mut home, mut world) = (Home::default(), world());
    assert!(!home.is_given_up(&world, &settings()));
    world.deployments.replace([]);
    assert!(home.is_given_up(&world, &settings()));
    put(&mut world, object("Deployment", "weir", json!({})));
    assert!(!home.is_given_up(&world, &settings()));
}
