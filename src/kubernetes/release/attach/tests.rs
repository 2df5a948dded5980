use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};

use super::*;
use crate::config::schema::WeightedBackend;
use crate::kubernetes::release::CanaryRelease;
use crate::types::Ratio;

/// A Deployment `app` behind the Service `app`: three pods of revision v1 and one of v2.
fn world() -> World {
    let mut world = World::default();
    let template = |image: &str| json!({ "metadata": { "labels": { "app": "app" } }, "spec": { "containers": [{ "name": "app", "image": image }] } });
    world.deployments.put(read(json!({
        "metadata": { "namespace": "shop", "name": "app", "uid": "d" },
        "spec": { "replicas": 3, "selector": {}, "template": template("app:2"), "minReadySeconds": 5 },
    })));
    for (hash, image) in [("v1", "app:1"), ("v2", "app:2")] {
        let mut template = template(image);
        template["metadata"]["labels"]["pod-template-hash"] = hash.into();
        world.replica_sets.put(read(json!({
            "metadata": {
                "namespace": "shop", "name": hash, "uid": hash, "labels": { "pod-template-hash": hash },
                "ownerReferences": [owner("Deployment", "d")],
            },
            "spec": { "selector": {}, "template": template },
        })));
    }
    for (index, hash) in ["v1", "v1", "v1", "v2"].into_iter().enumerate() {
        world.pods.put(read(json!({
            "metadata": {
                "namespace": "shop", "name": format!("app-{index}"), "labels": { "pod-template-hash": hash },
                "ownerReferences": [owner("ReplicaSet", hash)],
            },
            "status": { "podIP": format!("10.0.0.{index}") },
        })));
    }
    world.services.put(read(json!({
        "metadata": { "namespace": "shop", "name": "app" },
        "spec": { "selector": { "app": "app" }, "ports": [{ "port": 80 }] },
    })));
    world
}

fn owner(kind: &str, uid: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid, "controller": true })
}

fn release(name: &str, spec: Value, status: Value) -> CanaryRelease {
    read(json!({
        "apiVersion": "weir.dev/v1alpha1", "kind": "CanaryRelease",
        "metadata": { "namespace": "shop", "name": name }, "spec": spec, "status": status,
    }))
}

fn of_deployment(status: Value) -> CanaryRelease {
    release("app", json!({ "targetRef": { "kind": "Deployment", "name": "app" } }), status)
}

fn in_question() -> Value {
    json!({ "revisions": { "stable": "v1", "canary": "v2", "since": "2026-01-01T00:00:00Z" } })
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A route that names the Service `app` alone, and one that names it among others.
fn file() -> File {
    let route = |backends: Vec<WeightedBackend>| Route { backends: Some(backends), ..Route::default() };
    let endpoints = (0..4).map(|index| format!("10.0.0.{index}:8080")).collect();
    let backend = Backend { endpoints, ..Backend::default() };
    let other = Backend { endpoints: vec!["10.0.1.1:8080".to_owned()], ..Backend::default() };
    File {
        routes: vec![route(vec![to("app", 1)]), route(vec![to("app", 7), to("other", 3)])],
        backends: [(name("shop/app/80"), backend), (name("shop/other/80"), other)].into(),
        ..File::default()
    }
}

fn to(service: &str, weight: u32) -> WeightedBackend {
    read(json!({ "name": format!("shop/{service}/80"), "weight": weight }))
}

/// Who gets how much of a split.
fn shares(route: &Route) -> Vec<String> {
    let shown = |one: &WeightedBackend| {
        let release = one.release.as_ref().map(|name| format!("release {name}"));
        format!("{}: {}", release.or_else(|| one.name.as_ref().map(Name::to_string)).unwrap(), one.weight.value())
    };
    route.backends.iter().flatten().map(shown).collect()
}

fn attached(world: &World) -> File {
    let mut file = file();
    attach(world, &mut file, &|_| false);
    file
}

fn ips(file: &File, backend: &str) -> Vec<String> {
    let endpoints = file.backends.get(backend).map(|backend| backend.endpoints.clone()).unwrap_or_default();
    endpoints.into_iter().map(|endpoint| endpoint.replace(":8080", "").replace("10.0.0.", "")).collect()
}

#[test]
fn a_route_that_names_the_service_gets_the_release_alone_or_in_a_split_of_its_own() {
    let mut world = world();
    world.canary_releases.put(of_deployment(in_question()));
    let file = attached(&world);
    assert_eq!((&file.routes[0].release, &file.routes[0].backends), (&Some(name("shop/app/80")), &None));
    assert_eq!(shares(&file.routes[1]), ["release shop/app/80: 7", "shop/other/80: 3"], "the weights stay");
    assert_eq!(ips(&file, "shop/app/80/v1"), ["0", "1", "2"]);
    assert_eq!(ips(&file, "shop/app/80/v2"), ["3"]);
    assert_eq!(ips(&file, "shop/app/80"), ["0", "1", "2"], "elsewhere the canary gets nothing");
}

#[test]
fn of_two_releases_whose_pods_share_a_service_the_first_has_its_routes() {
    let mut world = world();
    let mut twin = Deployment::clone(world.deployments.get("shop", "app").unwrap());
    (twin.metadata.name, twin.metadata.uid) = (Some("twin".to_owned()), Some("t".to_owned()));
    world.deployments.put(twin);
    for hash in ["v1", "v2"] {
        let mut set = ReplicaSet::clone(world.replica_sets.get("shop", hash).unwrap());
        let (name, labels) = (format!("t{hash}"), [("pod-template-hash".to_owned(), format!("t{hash}"))].into());
        (set.metadata.name, set.metadata.uid) = (Some(name.clone()), Some(name));
        (set.metadata.labels, set.metadata.owner_references) = (Some(labels), read(json!([owner("Deployment", "t")])));
        world.replica_sets.put(set);
    }
    world.canary_releases.put(of_deployment(in_question()));
    let revisions = json!({ "revisions": { "stable": "tv1", "canary": "tv2", "since": "2026-01-01T00:00:00Z" } });
    world.canary_releases.put(release(
        "twin",
        json!({ "targetRef": { "kind": "Deployment", "name": "twin" } }),
        revisions,
    ));
    let file = attached(&world);
    let following = &file.releases[&name("shop/app/80")];
    assert_eq!((&following.follows, following.canary.as_str()), (&Some(name("shop/app")), "shop/app/80/v2"));
}

#[test]
fn copies_before_the_first_user_are_those_that_the_release_asks_for() {
    let mut world = world();
    let mirror_first = json!({ "share": "20%", "requests": 500, "methods": ["GET"] });
    let spec = json!({ "targetRef": { "kind": "Deployment", "name": "app" }, "mirrorFirst": mirror_first });
    world.canary_releases.put(release("app", spec, in_question()));
    let file = attached(&world);
    let written = file.releases.values().find_map(|release| serde_json::to_value(release.mirror_first.as_ref()?).ok());
    let written = written.expect("it is asked for");
    assert_eq!(
        (&written["share"], &written["requests"], &written["methods"]),
        (&json!("20%"), &json!(500), &json!(["GET"]))
    );
    assert_eq!(
        super::super::mirrored(&world, &Key::new("shop", "app")),
        Ratio::percent(20),
        "its pods are to be enough for that"
    );
}

#[test]
fn the_releases_of_services_follow_the_one_of_the_canary_release() {
    let mut world = world();
    world.canary_releases.put(of_deployment(in_question()));
    let file = attached(&world);
    assert_eq!(file.releases["shop/app/80"].follows, Some(name("shop/app")));
    let leading = &file.releases["shop/app"];
    assert_eq!((leading.stable.as_str(), leading.canary.as_str()), ("shop/app/v1", "shop/app/v2"));
    assert_eq!(leading.revision.as_deref(), Some("1767225600000"), "the same revision again is another rollout");
}

#[test]
fn at_rest_the_service_is_served_as_it_is() {
    let mut world = world();
    world.canary_releases.put(of_deployment(json!({ "revisions": { "stable": "v2", "good": ["v1"] } })));
    let file = attached(&world);
    assert!(file.releases.is_empty());
    assert_eq!(ips(&file, "shop/app/80"), ["0", "1", "2", "3"]);
}

#[test]
fn a_new_revision_gets_nothing_before_it_is_written_down_as_the_canary() {
    let mut world = world();
    world.canary_releases.put(of_deployment(json!({ "revisions": { "stable": "v1" } })));
    let file = attached(&world);
    assert!(file.releases.is_empty());
    assert_eq!(ips(&file, "shop/app/80"), ["0", "1", "2"]);
}

#[test]
fn without_a_stable_pod_the_canary_serves_rather_than_nobody() {
    let mut world = world();
    for index in 0..3 {
        world.pods.remove(&Key::new("shop", format!("app-{index}")));
    }
    world.canary_releases.put(of_deployment(in_question()));
    let mut file = file();
    file.backends.get_mut("shop/app/80").unwrap().endpoints = vec!["10.0.0.3:8080".to_owned()];
    attach(&world, &mut file, &|_| false);
    assert_eq!(ips(&file, "shop/app/80/v2"), ["3"]);
    assert_eq!(ips(&file, "shop/app/80/v1"), [""; 0], "the proxy sends to the side that has endpoints");
}

#[test]
fn another_namespace_has_releases_of_its_own() {
    let mut world = world();
    let mut elsewhere = of_deployment(in_question());
    elsewhere.metadata.namespace = Some("other".to_owned());
    world.canary_releases.put(elsewhere);
    let file = attached(&world);
    assert!(file.releases.is_empty());
    assert_eq!(ips(&file, "shop/app/80").len(), 4);
}

#[test]
fn two_services_are_two_versions() {
    let mut world = world();
    world.services.put(read(json!({
        "metadata": { "namespace": "shop", "name": "next" }, "spec": { "ports": [{ "port": 80, "name": "" }] },
    })));
    world.endpoint_slices.put(read(json!({
        "metadata": { "namespace": "shop", "name": "next-1", "labels": { "kubernetes.io/service-name": "next" } },
        "addressType": "IPv4", "ports": [{ "port": 8080, "name": "" }], "endpoints": [{ "addresses": ["10.0.0.9"] }],
    })));
    let spec = json!({ "stable": { "service": "app" }, "canary": { "service": "next" }, "revision": "7" });
    world.canary_releases.put(release("app", spec, json!({})));
    let file = attached(&world);
    assert_eq!(ips(&file, "shop/app/80/app").len(), 4);
    assert_eq!(ips(&file, "shop/app/80/next"), ["9"]);
    assert_eq!(file.releases["shop/app"].revision.as_deref(), Some("7"));
}

#[test]
fn a_route_that_gives_the_canarys_service_a_share_is_shared_by_hand_and_left_alone() {
    let mut world = world();
    let spec = json!({ "stable": { "service": "app" }, "canary": { "service": "next" }, "revision": "7" });
    world.canary_releases.put(release("app", spec, json!({})));
    let with = |split: Vec<WeightedBackend>| {
        let mut file = file();
        file.backends.insert(name("shop/next/80"), Backend::default());
        file.routes = vec![Route { backends: Some(split), ..Route::default() }];
        let ours = attach(&world, &mut file, &|_| false);
        (shares(&file.routes[0]), ours.len(), file.releases.len())
    };
    let by_hand = vec!["shop/app/80: 9".to_owned(), "shop/next/80: 1".to_owned()];
    assert_eq!(with(vec![to("app", 9), to("next", 1)]), (by_hand, 0, 0));
    let ours = vec!["release shop/app/80: 9".to_owned(), "shop/next/80: 0".to_owned()];
    assert_eq!(with(vec![to("app", 9), to("next", 0)]), (ours, 1, 2), "a canary that gets nothing is the release's");
}

#[test]
fn of_two_releases_of_one_deployment_the_older_one_is_carried_out() {
    let mut world = world();
    let born = |name: &str, year: u32| {
        let mut release = release(name, json!({ "targetRef": { "kind": "Deployment", "name": "app" } }), in_question());
        let time = json!(format!("{year}-01-01T00:00:00Z"));
        release.metadata.creation_timestamp = Some(serde_json::from_value(time).unwrap());
        release
    };
    world.canary_releases.put(born("first-by-name", 2026));
    world.canary_releases.put(born("older", 2025));
    let ours = attach(&world, &mut file(), &|_| false);
    assert_eq!(ours.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["older"]);
    assert_eq!(attached(&world).releases["shop/app/80"].follows, Some(name("shop/older")));
}

#[test]
fn a_release_that_no_route_leads_to_is_none() {
    let mut world = world();
    world.canary_releases.put(of_deployment(in_question()));
    let mut file = File { routes: Vec::new(), ..file() };
    assert!(attach(&world, &mut file, &|_| false).is_empty() && file.releases.is_empty());
    assert_eq!(ips(&file, "shop/app/80"), ["0", "1", "2"], "a copy of requests, too, is stable's alone");
}

#[test]
fn a_group_has_one_leader() {
    let mut world = world();
    let spec = json!({ "targetRef": { "kind": "Deployment", "name": "app" }, "group": "all" });
    world.canary_releases.put(release("zz", spec, in_question()));
    let spec = json!({ "stable": { "service": "other" }, "canary": { "service": "next" }, "group": "all" });
    world.canary_releases.put(release("aa", spec, json!({})));
    let file = attached(&world);
    assert_eq!(file.releases["shop/app/80"].follows, Some(name("shop/aa")));
    assert_eq!(file.releases["shop/other/80"].follows, Some(name("shop/aa")));
    assert_eq!(file.releases["shop/aa"].revision.as_deref(), Some("+1767225600000"));
}

#[test]
fn the_rollout_of_a_group_is_the_same_one_while_a_member_is_done_with_its_promotion_before_the_others() {
    let mut world = world();
    let member = |name: &str, status| {
        release(name, json!({ "targetRef": { "kind": "Deployment", "name": "app" }, "group": "all" }), status)
    };
    let revision_with = |world: &mut World, aa| {
        world.canary_releases.put(member("aa", aa));
        attached(world).releases["shop/aa"].revision.clone()
    };
    let services = json!({ "stable": { "service": "other" }, "canary": { "service": "next" }, "group": "all" });
    world.canary_releases.put(release("zz", services, json!({})));
    let before = revision_with(&mut world, in_question());
    let done = json!({ "revisions": { "stable": "v2", "good": ["v1"], "since": "2026-01-01T00:00:00Z" } });
    assert_eq!(revision_with(&mut world, done), before);
}

#[test]
fn a_testers_secret_that_is_missing_lets_nobody_choose() {
    let mut world = world();
    let key = json!({ "name": "testers", "key": "token" });
    let spec = json!({
        "targetRef": { "kind": "Deployment", "name": "app" },
        "overrides": [{ "to": "canary", "header": "x-canary", "valueFrom": key }],
    });
    world.canary_releases.put(release("app", spec, in_question()));
    let one = attached(&world).releases["shop/app"].overrides[0].clone();
    assert_eq!((one.value, one.from), (None, vec![NOBODY]));
    world.testers.put(read(json!({
        "metadata": { "namespace": "shop", "name": "testers" }, "data": { "token": "c2l4dGVlbi1jaGFyYWN0ZXJz" },
    })));
    let one = attached(&world).releases["shop/app"].overrides[0].clone();
    assert_eq!((one.value.as_deref(), one.from.len()), (Some("sixteen-characters"), 0));
}
