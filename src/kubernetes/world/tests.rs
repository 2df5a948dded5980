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
