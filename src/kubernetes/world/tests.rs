use serde_json::json;

use super::*;

fn namespace(name: &str) -> Namespace {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    namespace
}

fn service(namespace: &str, name: &str) -> Service {
    let mut service = Service::default();
    service.metadata.namespace = Some(namespace.to_owned());
    service.metadata.name = Some(name.to_owned());
    service
}

#[test]
fn a_namespace_has_its_own_objects_and_no_others() {
    let mut world = World::default();
    world.services.replace([service("a", "x"), service("a-b", "y"), service("a", "z"), service("b", "x")]);
    let names: Vec<String> = world.services.of_namespace("a").map(|(key, _)| key.to_string()).collect();
    assert_eq!(names, ["a/x", "a/z"]);
}

#[test]
fn a_copy_of_the_world_does_not_change() {
    let mut world = World::default();
    world.namespaces.put(namespace("a"));
    let copy = world.clone();
    world.namespaces.put(namespace("b"));
    world.namespaces.remove(&Key::new("", "a"));
    assert!(copy.namespaces.get("", "a").is_some() && copy.namespaces.len() == 1);
    assert!(world.namespaces.get("", "a").is_none() && world.namespaces.len() == 1);
}

#[test]
fn a_new_list_replaces_the_old_one() {
    let mut world = World::default();
    world.namespaces.put(namespace("gone"));
    world.namespaces.replace([namespace("new")]);
    assert_eq!(world.namespaces.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), ["new"]);
}

/// A pod of a namespace, that refers to `owner`, as what controls it or only so.
fn pod(namespace: &str, name: &str, owner: &str, controls: bool) -> Pod {
    let owner =
        json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": controls });
    let metadata = json!({ "namespace": namespace, "name": name, "ownerReferences": [owner] });
    serde_json::from_value(json!({ "metadata": metadata })).unwrap()
}

fn of_owner(pods: &Objects<Pod>, namespace: &str, uid: &str) -> Vec<String> {
    pods.of_owner(namespace, uid).iter().map(|pod| pod.name_any()).collect()
}

#[test]
fn an_object_belongs_to_what_controls_it_in_its_own_namespace() {
    let mut pods = Objects::default();
    pods.replace([
        pod("a", "z", "set", true),
        pod("a", "x", "set", true),
        pod("a", "other", "other", true),
        pod("a", "loose", "set", false),
        pod("b", "stranger", "set", true),
    ]);
    assert_eq!(of_owner(&pods, "a", "set"), ["x", "z"]);
    assert_eq!(of_owner(&pods, "b", "set"), ["stranger"], "whoever may make a pod elsewhere");
    assert_eq!(of_owner(&pods, "a", "nobody"), [""; 0]);
}

#[test]
fn who_owns_what_changes_with_the_objects_and_not_in_copies() {
    let mut pods = Objects::default();
    let seen = |pods: &Objects<Pod>| of_owner(pods, "a", "set");
    pods.replace([pod("a", "x", "set", true)]);
    assert_eq!(seen(&pods), ["x"]);
    let before = pods.clone();
    pods.put(pod("a", "y", "set", true));
    assert_eq!(seen(&pods), ["x", "y"]);
    pods.put(pod("a", "x", "other", true));
    assert_eq!(seen(&pods), ["y"], "another version has another owner");
    pods.remove(&Key::new("a", "y"));
    assert_eq!(seen(&pods), [""; 0]);
    pods.put_back(&Key::new("a", "x"), &before);
    assert_eq!(seen(&pods), ["x"]);
    pods.replace([pod("a", "z", "set", true)]);
    assert_eq!((seen(&pods), seen(&before)), (vec!["z".to_owned()], vec!["x".to_owned()]));
}
