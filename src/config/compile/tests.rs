use std::path::Path;
use std::time::Duration;

use super::*;
use crate::analysis::Line;
use crate::config::{Files, parse, schema};
use crate::rollout::OnNoEvidence;
use crate::snapshot::{Affinity, CheckKind, Comparison, OverrideKey, PathRewrite, Target};
use crate::types::Side;

const BASE: &str = "
listeners:
  - { name: web, address: \"127.0.0.1:8080\" }
  - { name: inner, address: \"127.0.0.1:8081\", trustedProxies: [10.0.0.1] }
routes:
  - { name: shop, release: shop }
  - { name: old, match: { path: /old }, backend: v1, listeners: [inner] }
backends:
  v1: { endpoints: [\"127.0.0.1:9001\"] }
  v2: { endpoints: [\"app.internal:9002\", \"127.0.0.1:9003\"] }
releases:
  shop: { stable: v1, canary: v2 }
";

fn build(text: &str, leaves: &Leaves, resolved: &Resolved) -> Snapshot {
    let loaded = parse(Path::new("weir.yaml"), text.to_owned()).unwrap_or_else(|problems| panic!("{problems}"));
    compile(&loaded, leaves, resolved, 7).unwrap_or_else(|problems| panic!("{problems}")).snapshot
}

fn compiled(text: &str) -> Snapshot {
    build(text, &Leaves::new(2), &Resolved::new())
}

fn release(keys: &str) -> Arc<Release> {
    compiled(&BASE.replace("canary: v2 }", &format!("canary: v2, {keys} }}"))).releases["shop"].clone()
}

/// What the route to `path` on listener `listener` is.
fn find(snapshot: &Snapshot, listener: usize, path: &str) -> Arc<crate::snapshot::Route> {
    let (method, headers) = (http::Method::GET, http::HeaderMap::new());
    let request =
        crate::route::RequestView { host: "example.com", path, query: None, method: &method, headers: &headers };
    snapshot.router.find(listener, &request).unwrap().clone()
}

#[test]
fn names_become_the_addresses_they_have() {
    let resolved =
        Resolved::from([("app.internal".to_owned(), vec!["10.0.0.7".parse().unwrap(), "::1".parse().unwrap()])]);
    let addresses = |snapshot: &Snapshot| -> Vec<String> {
        snapshot.backends["v2"].endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    };
    assert_eq!(addresses(&build(BASE, &Leaves::new(1), &resolved)), ["10.0.0.7:9002", "[::1]:9002", "127.0.0.1:9003"]);
    assert_eq!(addresses(&compiled(BASE)), ["127.0.0.1:9003"]);
}

#[test]
fn the_names_to_resolve_are_those_of_endpoints() {
    let loaded = parse(Path::new("weir.yaml"), BASE.replace("app.internal", "App.Internal")).unwrap();
    assert_eq!(hosts(&loaded.file), BTreeSet::from(["app.internal".to_owned()]));
}

#[test]
fn a_reload_keeps_what_lives() {
    let leaves = Leaves::new(1);
    let (one, two) = (build(BASE, &leaves, &Resolved::new()), build(BASE, &leaves, &Resolved::new()));
    assert!(Arc::ptr_eq(&one.backends["v1"].endpoints[0], &two.backends["v1"].endpoints[0]));
    assert!(Arc::ptr_eq(&one.backends["v1"].budget, &two.backends["v1"].budget));
    assert!(Arc::ptr_eq(&one.releases["shop"].live, &two.releases["shop"].live));
    assert!(Arc::ptr_eq(&one.listeners[0].unrouted, &two.listeners[0].unrouted));
    let (before, after) = (find(&one, 0, "/"), find(&two, 0, "/"));
    assert!(Arc::ptr_eq(before.traffic(0, Some(1)).unwrap(), after.traffic(0, Some(1)).unwrap()));
    assert_eq!(two.generation, 7);
}

#[test]
fn another_backend_or_revision_is_another_rollout() {
    let rollouts =
        ["affinity: cookie", "revision: \"2\"", "revision: \"3\""].map(|keys| release(keys).spec.rollout.clone());
    assert_eq!(rollouts, ["v1>v2", "v1>v2#2", "v1>v2#3"]);
}

#[test]
fn releases_that_move_together_share_their_weight_and_their_evidence() {
    let text =
        format!("{BASE}\n").replace("releases:\n", "releases:\n  jobs: { stable: v2, canary: v1, follows: shop }\n");
    let snapshot = compiled(&text);
    let (shop, jobs) = (&snapshot.releases["shop"], &snapshot.releases["jobs"]);
    assert!(Arc::ptr_eq(&shop.live, &jobs.live));
    assert_eq!((shop.spec.rollout.as_str(), &shop.spec), ("v1>v2+v2>v1", &jobs.spec));
    assert_eq!((jobs.stable.name.as_str(), jobs.canary.name.as_str()), ("v2", "v1"));
}

#[test]
fn routes_to_releases_that_move_together_are_told_apart_in_the_evidence_of_all() {
    let text = BASE
        .replace("backend: v1, listeners: [inner] }", "backends: [{ release: jobs }, { release: shop }] }")
        .replace("releases:\n", "releases:\n  jobs: { stable: v2, canary: v1, follows: shop }\n");
    let snapshot = compiled(&text);
    for release in ["shop", "jobs"] {
        let routes = &snapshot.releases[release].routes;
        assert_eq!(routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(), ["shop", "old"]);
    }
    assert_eq!(find(&snapshot, 0, "/").evidence(1), Some(0));
    assert_eq!([0, 1, 2, 3].map(|slot| find(&snapshot, 0, "/old").evidence(slot)), [Some(1); 4]);
}

#[test]
fn a_route_is_counted_where_it_is_served() {
    let snapshot = compiled(BASE);
    let old = find(&snapshot, 1, "/old");
    assert_eq!(old.name.as_str(), "old");
    assert!(old.traffic(0, None).is_none());
    assert!(old.traffic(1, None).is_some() && old.traffic(1, Some(0)).is_some() && old.traffic(1, Some(1)).is_none());
    assert_eq!(find(&snapshot, 0, "/old").name.as_str(), "shop");
    let shop = find(&snapshot, 0, "/");
    assert!(
        shop.traffic(0, Some(0)).is_some() && shop.traffic(1, Some(1)).is_some() && shop.traffic(0, Some(2)).is_none()
    );
}

#[test]
fn a_prefix_rewrite_knows_which_prefix_matched() {
    let routes = "  - { name: shop, release: shop, matches: [{ path: /a }, { path: /long/ }],\
                  filters: { rewrite: { path: { prefix: /x } } } }";
    let snapshot = compiled(&BASE.replace("  - { name: shop, release: shop }", routes));
    let matched = |path| match &find(&snapshot, 0, path).rewrite_path {
        Some(PathRewrite::Prefix { matched, .. }) => *matched,
        other => panic!("{other:?}"),
    };
    assert_eq!((matched("/a/1"), matched("/long/2")), (2, 5));
}

#[test]
fn steps_are_shares_with_or_without_conditions() {
    let spec = release("steps: [1%, { weight: 5%, atLeast: 5m, atMost: 1h, pause: true }]").spec.clone();
    let weights: Vec<u32> = spec.steps.iter().map(|step| step.weight.ppm()).collect();
    assert_eq!(weights, [10_000, 50_000]);
    let (first, second) = (spec.steps[0], spec.steps[1]);
    assert_eq!((first.at_least, first.at_most, first.pause), (Duration::ZERO, None, false));
    let hour = Some(Duration::from_secs(3600));
    assert_eq!((second.at_least, second.at_most, second.pause), (Duration::from_secs(300), hour, true));
}

#[test]
fn only_the_default_steps_may_begin_by_traffic_unless_somebody_says_so() {
    assert!(release("revision: \"2\"").spec.start_by_traffic);
    assert!(!release("startByTraffic: false").spec.start_by_traffic);
    assert!(!release("steps: [1%, 50%]").spec.start_by_traffic);
    assert!(!release("steps: [{ weight: 1%, atLeast: 1m }, 5%, 25%, 50%]").spec.start_by_traffic);
    assert!(release("steps: [1%, 50%], startByTraffic: true").spec.start_by_traffic);
}

#[test]
fn the_analysis_reaches_the_judge() {
    let release = release(
        "analysis: { falseAbort: 0.1%, falsePromote: 5%, errorRate: { tolerable: 1.1x + 0.2%, bad: 2x + 3% },
         routeErrorRate: { bad: 3x + 9% }, latency: { enabled: false, bounds: [10ms, 1s] }, warmUp: 1m, minimumTime: 2m,
         onNoEvidence: abort }",
    );
    let policy = &release.policy;
    assert_eq!((policy.alpha, policy.beta, policy.warmup_s, policy.min_promote_s), (0.001, 0.05, 60.0, 120.0));
    assert_eq!(policy.err_tol, Line { times: 1.1, plus: 0.002 });
    assert_eq!(policy.err_bad, Line { times: 2.0, plus: 0.03 });
    assert_eq!(policy.route_bad, Line { times: 3.0, plus: 0.09 });
    assert_eq!(release.bounds.as_millis(), [10, 1000]);
    assert!(!release.judge_latency);
    assert_eq!(release.spec.on_no_evidence, OnNoEvidence::Abort);
}

#[test]
fn a_preset_sets_what_is_not_written() {
    let policy = release("analysis: { preset: careful, minimumTime: 2m }").policy.clone();
    assert_eq!((policy.alpha, policy.beta, policy.min_promote_s), (0.01, 0.001, 120.0));
    assert_eq!(policy.err_bad, Line { times: 1.25, plus: 0.002 });
    assert_eq!(release("analysis: { preset: standard }").policy, release("").policy);
    assert_eq!(release("analysis: { preset: fast }").policy.err_tol, release("").policy.err_tol);
}

#[test]
fn risks_and_lines_may_be_written_in_words() {
    let words =
        "analysis: { falseAbort: \"1 in 1,000 releases\", errorRate: { tolerable: 1.1 times stable + 0.2 points } }";
    let short = "analysis: { falseAbort: 0.1%, errorRate: { tolerable: 1.1x + 0.2% } }";
    assert_eq!(release(words).policy, release(short).policy);
    for wrong in ["2 in 1", "1 in 0 releases", "some", "1 in many"] {
        assert!(wrong.parse::<schema::Risk>().is_err(), "{wrong}");
    }
}

#[test]
fn affinity_has_three_kinds() {
    let cookie = |name: &str, secs| Affinity::Cookie { name: name.to_owned(), max_age: Duration::from_secs(secs) };
    assert_eq!(release("affinity: cookie").affinity, Some(cookie("weir-shop", 86_400)));
    assert_eq!(release("affinity: { cookie: { name: c, maxAge: 1h } }").affinity, Some(cookie("c", 3600)));
    let header = http::HeaderName::from_static("x-user");
    assert_eq!(release("affinity: { header: X-User }").affinity, Some(Affinity::Header(header)));
    assert_eq!(release("affinity: clientIp").affinity, Some(Affinity::ClientIp));
    assert_eq!(release("affinity: { clientIp: {} }").affinity, Some(Affinity::ClientIp));
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), "0123456789abcdef\n").unwrap();
    let keys = "canary: v2, overrides: [{ to: canary, cookie: c, valueFile: secret }, { to: stable, header: X, from: [10.0.0.0/8] }] }";
    let text = BASE.replace("canary: v2 }", keys);
    let loaded = parse(&directory.path().join("weir.yaml"), text).unwrap();
    let snapshot = compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).unwrap().snapshot;
    let [one, two] = snapshot.releases["shop"].overrides.as_slice() else { panic!() };
    assert_eq!((one.to, &one.key), (Side::Canary, &OverrideKey::Cookie("c".to_owned())));
    assert_eq!(one.value.as_deref(), Some("0123456789abcdef"));
    assert_eq!((two.to, two.value.as_deref(), two.from.len()), (Side::Stable, None, 1));
}

#[test]
fn comparisons_of_checks() {
    let kind = |pass_if: &str| {
        let check = format!(
            "checks: [{{ name: c, prometheus: {{ address: \"http://p\", query: up, passIf: \"{pass_if}\" }} }}]"
        );
        match &release(&check).checks[0].kind {
            CheckKind::Prometheus { pass_if, .. } => *pass_if,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(kind("< 0.05"), Comparison::Less(0.05));
    assert_eq!(kind("<=1e3"), Comparison::LessOrEqual(1000.0));
    assert_eq!(kind(" > -1 "), Comparison::Greater(-1.0));
    assert_eq!(kind(">= 2"), Comparison::GreaterOrEqual(2.0));
    assert_eq!(kind("== 0"), Comparison::Equal(0.0));
    assert_eq!(kind("!= 0"), Comparison::NotEqual(0.0));
}

#[test]
fn texts_stay_as_they_are_written() {
    let text =
        BASE.replace("{ path: /old }", "{ path: /old, headers: { x-a: no, x-b: 1.20, x-c: 007, x-d: \"null\" } }");
    let loaded = parse(Path::new("weir.yaml"), text).unwrap();
    let headers = &loaded.file.routes[1].matching.as_ref().unwrap().headers;
    let values: Vec<_> = headers.values().map(|value| serde_json::to_value(value).unwrap()).collect();
    assert_eq!(values, ["no", "1.20", "007", "null"]);
}

#[test]
fn tls_clients_are_the_same_until_their_files_change() {
    let directory = tempfile::tempdir().unwrap();
    let authority = || rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap().cert.pem();
    let ca = directory.path().join("ca.crt");
    std::fs::write(&ca, authority()).unwrap();
    let text = BASE.replace("[\"127.0.0.1:9001\"]", "[\"127.0.0.1:9001\"], tls: { ca: ca.crt, serverName: a }");
    let loaded = parse(&directory.path().join("weir.yaml"), text).unwrap();
    let leaves = Leaves::new(1);
    let client = || {
        let snapshot = compile(&loaded, &leaves, &Resolved::new(), 1).unwrap().snapshot;
        snapshot.backends["v1"].tls.as_ref().unwrap().config.clone()
    };
    let first = client();
    assert!(Arc::ptr_eq(&first, &client()));
    std::fs::write(&ca, authority()).unwrap();
    assert!(!Arc::ptr_eq(&first, &client()));
}

#[test]
fn a_configuration_without_a_text_is_checked_as_well() {
    let mut file = parse(Path::new("weir.yaml"), BASE.to_owned()).unwrap().file;
    file.routes[0].release = Some("shpo".parse().unwrap());
    let loaded = Loaded::from_file(file, "cluster");
    let problems = compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "cluster: error: routes[0].release: there is no release `shpo`\n  = did you mean `shop`?\n\n1 error"
    );
}

#[test]
fn certificates_may_be_held_in_memory() {
    let made = rcgen::generate_simple_self_signed(vec!["shop.example.com".to_owned()]).unwrap();
    let text = BASE.replace("[\"127.0.0.1:9001\"]", "[\"127.0.0.1:9001\"], tls: { ca: secret/ca }").replace(
        "address: \"127.0.0.1:8080\" }",
        "address: \"127.0.0.1:8080\", tls: { certificates: [{ certificate: secret/crt, key: secret/key }] } }",
    );
    let file = parse(Path::new("weir.yaml"), text).unwrap().file;
    let pems = [
        ("secret/ca", made.cert.pem()),
        ("secret/crt", made.cert.pem()),
        ("secret/key", made.signing_key.serialize_pem()),
    ];
    let files: Files = pems.into_iter().map(|(path, pem)| (path.into(), pem.into_bytes().into())).collect();
    let loaded = Loaded::from_file(file, "cluster").with_files(files);
    let snapshot = compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).unwrap().snapshot;
    assert!(snapshot.listeners[0].tls.is_some() && snapshot.backends["v1"].tls.is_some());
    assert_eq!(
        crate::config::watch::files(&loaded),
        [std::path::PathBuf::from("cluster")].into(),
        "nothing else to watch"
    );
}

#[test]
fn a_split_has_its_backends_in_order() {
    let routes = "  - { name: shop, backends: [{ name: v2, weight: 3 }, { name: v1 }] }";
    let text = BASE
        .replace("  - { name: shop, release: shop }", routes)
        .replace("releases:\n  shop: { stable: v1, canary: v2 }\n", "");
    let snapshot = compiled(&text);
    let route = find(&snapshot, 0, "/");
    let names: Vec<&str> = route.target.backends().into_iter().map(|backend| backend.name.as_str()).collect();
    assert_eq!(names, ["v2", "v1"]);
}

#[test]
fn a_release_in_a_split_has_two_slots_with_the_changes_of_its_branch() {
    let split =
        "backends: [{ name: v1 }, { release: shop, weight: 3, filters: { requestHeaders: { add: { a: b } } } }]";
    let routes = format!("{split} }}\n  - {{ name: too, match: {{ path: /too }}, release: shop }}");
    let snapshot = compiled(&BASE.replace("release: shop }", &routes));
    let route = find(&snapshot, 0, "/");
    let names: Vec<&str> = route.target.backends().into_iter().map(|backend| backend.name.as_str()).collect();
    assert_eq!(names, ["v1", "v1", "v2"]);
    let changes = |slot| route.backend_edits(slot).unwrap().request.add.len();
    assert_eq!([0, 1, 2].map(changes), [0, 1, 1]);
    let release = |slot| route.target.release(slot).map(|(release, stable)| (release.name.to_string(), stable));
    assert_eq!([0, 1, 2].map(release), [None, Some(("shop".to_owned(), 1)), Some(("shop".to_owned(), 1))]);
    assert_eq!([0, 1, 2].map(|slot| route.evidence(slot)), [None, Some(0), Some(0)]);
    assert_eq!(find(&snapshot, 0, "/too").evidence(1), Some(1), "both routes count for the release");
    assert!(route.traffic(0, Some(2)).is_some() && route.traffic(0, Some(3)).is_none());
}

#[test]
fn a_share_goes_to_a_backend_or_to_a_release() {
    let problems = |one: &str| {
        let text = BASE.replace("release: shop }", &format!("backends: [{{ name: v1 }}, {one}] }}"));
        let loaded = parse(Path::new("weir.yaml"), text).unwrap();
        compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).unwrap_err().to_string()
    };
    assert!(problems("{ name: v2, release: shop }").contains("this share goes to a backend already"));
    assert!(problems("{ weight: 2 }").contains("this share goes nowhere"));
    assert!(problems("{ release: shpo }").contains("there is no release `shpo`"));
}

#[test]
fn one_label_needs_a_wildcard() {
    let with = |host: &str| {
        let matching = format!("match: {{ host: {host}, singleLabel: true }}, release: shop }}");
        let text = BASE.replace("release: shop }", &matching);
        compile(&parse(Path::new("weir.yaml"), text).unwrap(), &Leaves::new(1), &Resolved::new(), 1)
    };
    let snapshot = with("\"*.com\"").unwrap().snapshot;
    assert_eq!(find(&snapshot, 0, "/").name.as_str(), "shop");
    let problems = with("example.com").unwrap_err().to_string();
    assert!(problems.contains("6:47: error: there is no `*` that could stand for one label"), "{problems}");
}

#[test]
fn a_split_that_a_reload_leaves_as_it_is_stays_exact_over_reloads() {
    let text = |weights: [u32; 2], endpoint: &str| {
        let split =
            format!("backends: [{{ name: v1, weight: {} }}, {{ name: v2, weight: {} }}]", weights[0], weights[1]);
        BASE.replace("release: shop }", &format!("{split} }}")).replace("127.0.0.1:9001", endpoint)
    };
    let (leaves, mut rng) = (Leaves::new(1), fastrand::Rng::with_seed(3));
    let mut of_v2 = |weights, endpoint: &str| {
        let snapshot = build(&text(weights, endpoint), &leaves, &Resolved::new());
        leaves.prune();
        let Target::Split(split) = &find(&snapshot, 0, "/").target else { panic!("it is a split") };
        split.weights.as_ref().unwrap().pick(split.phase.of(0), &mut rng) == 1
    };
    // One request after each reload, while pods of v1 come and go.
    let seen = (0..1000).filter(|pod| of_v2([95, 5], &format!("10.0.0.{}:80", pod % 7))).count();
    assert_eq!(seen, 50);
    let seen = (0..10).filter(|_| of_v2([50, 50], "10.0.0.1:80")).count();
    assert_eq!(seen, 5, "other weights begin anew");
}
