//! Routes: where they attach, what they match, and to whom they send.

use serde_json::json;

use super::{CLASS, GATEWAY, GATEWAY_SERVICE, ROUTE, SHOP, file};
use crate::kubernetes::testing::{compiled, conditions, listener_status, plan, plan_without, put, status, world};

#[test]
fn a_route_sends_to_the_pods_that_are_ready_and_stay() {
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE]));
    assert_eq!(file(&plan)["backends"]["shop/shop/8080"]["endpoints"], json!(["10.0.0.1:3000", "10.0.0.2:3000"]));
    assert_eq!(
        conditions(&plan, "HTTPRoute", "shop/shop"),
        ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"]
    );
    assert_eq!(listener_status(&plan, "Gateway", "infra/web", "http")["attachedRoutes"], 1);
    compiled(&plan).expect("it compiles");
}

#[test]
fn what_cannot_be_resolved_keeps_its_share() {
    let route = "
kind: HTTPRoute
metadata: { name: shop, namespace: shop }
spec:
  parentRefs: [{ name: web, namespace: infra }]
  rules:
    - backendRefs: [{ name: shop, port: 8080, weight: 9 }, { name: nobody, port: 80, weight: 1 }]
";
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, route]));
    let split = &file(&plan)["routes"][0]["backends"];
    assert_eq!((&split[0]["name"], &split[0]["weight"]), (&json!("shop/shop/8080"), &json!(9)));
    assert_eq!((&split[1]["name"], &split[1]["weight"]), (&json!("unresolved"), &json!(1)));
    assert_eq!(
        conditions(&plan, "HTTPRoute", "shop/shop"),
        ["Accepted=True Accepted", "ResolvedRefs=False BackendNotFound"]
    );
    compiled(&plan).expect("it compiles");
}

#[test]
fn another_namespace_has_to_grant_what_is_its_own() {
    let route = ROUTE.replace("namespace: shop, generation", "namespace: front, generation");
    let route = route.replace("{ name: shop, port: 8080 }", "{ name: shop, namespace: shop, port: 8080 }");
    let before = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, &route]);
    let refused = "ResolvedRefs=False RefNotPermitted";
    assert!(conditions(&plan(&before), "HTTPRoute", "front/shop").contains(&refused.to_owned()));
    let grant = |from: &str| {
        format!(
            "
kind: ReferenceGrant
metadata: {{ name: front, namespace: shop }}
spec:
  from: [{{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: {from} }}]
  to: [{{ group: '', kind: Service, name: shop }}]
"
        )
    };
    let wrong = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, &route, &grant("elsewhere")]);
    assert!(conditions(&plan(&wrong), "HTTPRoute", "front/shop").contains(&refused.to_owned()));
    let granted = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, &route, &grant("front")]);
    assert!(
        conditions(&plan(&granted), "HTTPRoute", "front/shop").contains(&"ResolvedRefs=True ResolvedRefs".to_owned())
    );
}

#[test]
fn a_route_serves_the_hosts_that_it_shares_with_the_listener() {
    let gateway = GATEWAY.replace("port: 80,", "port: 80, hostname: '*.example.com',");
    let route = ROUTE.replace(
        "  rules:",
        "  hostnames: [shop.example.com, example.com, shop.example.org, '*.shop.example.com']\n  rules:",
    );
    let plan = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, SHOP, &route]));
    let config = file(&plan);
    let matches = config["routes"][0]["matches"].as_array().expect("it has matches");
    let hosts: Vec<_> = matches.iter().map(|one| one["host"].as_str().unwrap_or("any")).collect();
    assert_eq!(hosts, ["*.shop.example.com", "shop.example.com"]);
    assert_eq!(config["listeners"][0]["host"], "*.example.com");
}

#[test]
fn a_route_that_cannot_attach_is_told_why() {
    let cases = [
        (GATEWAY.to_owned(), ROUTE.replace("{ name: web,", "{ name: web, sectionName: nope,"), "NoMatchingParent"),
        (GATEWAY.to_owned(), ROUTE.replace("{ name: web,", "{ name: web, port: 81,"), "NoMatchingParent"),
        (GATEWAY.replace("from: All", "from: Same"), ROUTE.to_owned(), "NotAllowedByListeners"),
        (
            GATEWAY.replace("allowedRoutes: {", "allowedRoutes: { kinds: [{ kind: GRPCRoute }],"),
            ROUTE.to_owned(),
            "NotAllowedByListeners",
        ),
        (
            GATEWAY.replace("port: 80,", "port: 80, hostname: a.example.com,"),
            ROUTE.replace("  rules:", "  hostnames: [b.example.com]\n  rules:"),
            "NoMatchingListenerHostname",
        ),
    ];
    for (gateway, route, reason) in cases {
        let plan = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, SHOP, &route]));
        assert_eq!(conditions(&plan, "HTTPRoute", "shop/shop")[0], format!("Accepted=False {reason}"));
        assert_eq!(listener_status(&plan, "Gateway", "infra/web", "http")["attachedRoutes"], 0, "{reason}");
        assert!(plan.file().routes.is_empty(), "{reason}");
    }
}

#[test]
fn namespaces_are_chosen_by_their_labels() {
    let gateway = GATEWAY.replace(
        "from: All",
        "from: Selector, selector: { matchExpressions: [{ key: team, operator: In, values: [a, b] }] }",
    );
    let namespace = |team: &str| format!("kind: Namespace\nmetadata: {{ name: shop, labels: {{ team: {team} }} }}\n");
    for (team, accepted) in [("a", "Accepted=True Accepted"), ("c", "Accepted=False NotAllowedByListeners")] {
        let plan = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, SHOP, ROUTE, &namespace(team)]));
        assert_eq!(conditions(&plan, "HTTPRoute", "shop/shop")[0], accepted);
    }
}

#[test]
fn the_oldest_route_comes_first() {
    let aged = |name: &str, time: &str| {
        ROUTE.replace(
            "name: shop, namespace: shop, generation: 2",
            &format!("name: {name}, namespace: shop, creationTimestamp: '{time}'"),
        )
    };
    let routes =
        [aged("a", "2026-01-02T00:00:00Z"), aged("b", "2026-01-01T00:00:00Z"), aged("c", "2026-01-02T00:00:00Z")];
    let [a, b, c] = &routes;
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, a, b, c]));
    let names: Vec<_> = plan.file().routes.iter().map(|route| route.name.clone().map(|n| n.to_string())).collect();
    assert_eq!(names, [Some("shop/b/0".into()), Some("shop/a/0".into()), Some("shop/c/0".into())]);
}

#[test]
fn a_grpc_method_is_a_path() {
    let route = "
kind: GRPCRoute
metadata: { name: calls, namespace: shop }
spec:
  parentRefs: [{ name: web, namespace: infra }]
  rules:
    - matches:
        - method: { service: shop.Cart, method: Add }
        - method: { service: shop.Cart }
        - method: { method: Ping }
      backendRefs: [{ name: shop, port: 8080 }]
";
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, route]));
    let config = file(&plan);
    let paths: Vec<_> =
        config["routes"][0]["matches"].as_array().expect("matches").iter().map(|m| m["path"].clone()).collect();
    assert_eq!(paths, [json!({"exact": "/shop.Cart/Add"}), json!("/shop.Cart"), json!({"grpcMethod": "Ping"})]);
    assert_eq!(conditions(&plan, "GRPCRoute", "shop/calls")[0], "Accepted=True Accepted");
    compiled(&plan).expect("it compiles");
}

#[test]
fn a_route_that_cannot_be_compiled_keeps_no_other_from_being_served() {
    let bad = ROUTE
        .replace("name: shop, namespace: shop,", "name: bad, namespace: shop,")
        .replace("[{ backendRefs", "[{ matches: [{ path: { type: RegularExpression, value: '(' } }], backendRefs");
    let world = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE, &bad]);
    let first = plan(&world);
    let rejected = first.blame(&compiled(&first).expect_err("the expression is no good"));
    assert_eq!(rejected.keys().map(|origin| origin.key.to_string()).collect::<Vec<_>>(), ["shop/bad"]);
    let second = plan_without(&world, &rejected);
    compiled(&second).expect("the rest compiles");
    assert_eq!(conditions(&second, "HTTPRoute", "shop/bad")[0], "Accepted=False UnsupportedValue");
    assert_eq!(conditions(&second, "HTTPRoute", "shop/shop")[0], "Accepted=True Accepted");
    assert_eq!(second.file().routes.len(), 1);
}

#[test]
fn a_rule_that_weir_cannot_do_answers_500_and_the_others_are_served() {
    let route = ROUTE.replace(
        "rules: [",
        "rules: [{ matches: [{ path: { value: /new } }], filters: [{ type: TimeTravel }], backendRefs: [{ name: shop, port: 8080 }] }, ",
    );
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, &route]));
    let config = file(&plan);
    assert_eq!(config["routes"][0]["backends"][0]["name"], "unresolved");
    assert_eq!(config["routes"][1]["backends"][0]["name"], "shop/shop/8080");
    assert_eq!(
        conditions(&plan, "HTTPRoute", "shop/shop"),
        ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs", "PartiallyInvalid=True UnsupportedValue"]
    );
}

#[test]
fn what_others_say_of_a_route_stays() {
    let mut world = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE]);
    let mut route = json!(world.http_routes.get("shop", "shop").map(|route| &**route));
    route["status"]["parents"] = json!([
        { "parentRef": { "name": "theirs" }, "controllerName": "example.com/other", "conditions": [] },
        { "parentRef": { "name": "gone" }, "controllerName": "weir.dev/gateway-controller", "conditions": [] },
    ]);
    put(&mut world, route);
    let status = status(&plan(&world), "HTTPRoute", "shop/shop");
    let parents = status["parents"].as_array().expect("parents");
    let names: Vec<_> = parents.iter().map(|parent| parent["parentRef"]["name"].clone()).collect();
    assert_eq!(names, ["theirs", "web"]);
}
