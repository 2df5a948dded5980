//! Objects of a cluster in, configuration and conditions out.

use serde_json::json;

use crate::kubernetes::plan::{Plan, Rejected};
use crate::kubernetes::testing::{
    compiled, conditions, listener_conditions, listener_status, plan, plan_without, put, status, world, written,
};

const CLASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weir, generation: 3 }
spec: { controllerName: weir.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: other }
spec: { controllerName: example.com/other }
";

/// A Gateway for HTTP on port 80, and the Service that it gets.
const GATEWAY: &str = "
kind: Gateway
metadata: { name: web, namespace: infra, uid: abc, generation: 7 }
spec:
  gatewayClassName: weir
  listeners:
    - { name: http, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }
";

const GATEWAY_SERVICE: &str = "
kind: Service
metadata: { name: weir-web, namespace: infra, labels: { app.kubernetes.io/managed-by: weir.dev } }
spec:
  type: LoadBalancer
  ports:
    - { name: port-80, port: 80, targetPort: 20007 }
    - { name: port-443, port: 443, targetPort: 20008 }
status: { loadBalancer: { ingress: [{ ip: 192.0.2.10 }] } }
";

/// A Service with two pods that are ready, and one that is on its way out.
const SHOP: &str = "
kind: Service
metadata: { name: shop, namespace: shop }
spec: { ports: [{ port: 8080, targetPort: http }] }
---
kind: EndpointSlice
metadata: { name: shop-1, namespace: shop, labels: { kubernetes.io/service-name: shop } }
addressType: IPv4
ports: [{ name: '', port: 3000 }]
endpoints:
  - { addresses: [10.0.0.1], conditions: { ready: true } }
  - { addresses: [10.0.0.2], conditions: {} }
  - { addresses: [10.0.0.3], conditions: { ready: false } }
  - { addresses: [10.0.0.4], conditions: { ready: true, serving: true, terminating: true } }
";

const ROUTE: &str = "
kind: HTTPRoute
metadata: { name: shop, namespace: shop, generation: 2 }
spec:
  parentRefs: [{ name: web, namespace: infra }]
  rules: [{ backendRefs: [{ name: shop, port: 8080 }] }]
";

/// The whole configuration as JSON.
fn file(plan: &Plan) -> serde_json::Value {
    serde_json::to_value(plan.file()).expect("the configuration is JSON")
}

#[test]
fn a_gateway_gets_a_service_whose_ports_lead_to_ports_of_weirs_pods() {
    let plan = plan(&world(&[CLASS, GATEWAY]));
    let [service] = plan.applies() else { panic!("one Service: {:?}", plan.applies()) };
    assert_eq!(service.key.to_string(), "infra/weir-web");
    assert_eq!(
        service.object["spec"]["ports"],
        json!([{ "name": "port-80", "port": 80, "targetPort": 20000, "protocol": "TCP" }])
    );
    assert_eq!(service.object["spec"]["type"], "LoadBalancer");
    assert_eq!(service.object["metadata"]["ownerReferences"][0]["uid"], "abc");
    assert!(plan.file().listeners.is_empty(), "nobody knows the port before the Service says it");
    assert_eq!(
        conditions(&plan, "Gateway", "infra/web"),
        ["Accepted=True Accepted", "Programmed=False AddressNotAssigned"]
    );
}

#[test]
fn a_gateway_is_served_at_the_port_that_its_service_leads_to() {
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE]));
    let listener = &file(&plan)["listeners"][0];
    assert_eq!(listener["name"], "infra/web/http");
    assert_eq!(listener["address"], "0.0.0.0:20007");
    assert_eq!(listener["publicPort"], 80);
    assert_eq!(conditions(&plan, "Gateway", "infra/web"), ["Accepted=True Accepted", "Programmed=True Programmed"]);
    let status = status(&plan, "Gateway", "infra/web");
    assert_eq!(status["addresses"], json!([{ "type": "IPAddress", "value": "192.0.2.10" }]));
    assert_eq!(status["conditions"][0]["observedGeneration"], 7);
}

#[test]
fn an_address_that_is_asked_for_is_there_or_not_usable() {
    let asks = |addresses: &str| GATEWAY.replace("spec:", &format!("spec:\n  addresses: [{addresses}]"));
    let programmed = |addresses: &str, service: &[&str]| {
        let gateway = asks(addresses);
        let plan = plan(&world(&[&[CLASS, gateway.as_str()][..], service].concat()));
        conditions(&plan, "Gateway", "infra/web")[1].clone()
    };
    let one = |address: &str| format!("{{ type: IPAddress, value: {address} }}");
    assert_eq!(programmed(&one("192.0.2.10"), &[GATEWAY_SERVICE]), "Programmed=True Programmed");
    let both = format!("{}, {}", one("192.0.2.99"), one("192.0.2.10"));
    for (addresses, service) in
        [(one("192.0.2.99"), &[GATEWAY_SERVICE][..]), (both, &[GATEWAY_SERVICE]), (one("192.0.2.99"), &[])]
    {
        assert_eq!(programmed(&addresses, service), "Programmed=False AddressNotUsable", "{addresses}");
    }
}

#[test]
fn a_gateway_of_another_class_is_left_alone() {
    let foreign = GATEWAY.replace("gatewayClassName: weir", "gatewayClassName: other");
    let plan = plan(&world(&[CLASS, &foreign, SHOP, ROUTE]));
    assert!(plan.statuses().iter().all(|write| write.kind == "GatewayClass" && write.key.name == "weir"));
    assert!(plan.applies().is_empty() && plan.file().routes.is_empty());
}

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
fn a_gateway_whose_port_cannot_be_had_keeps_no_other_from_being_served() {
    let taken = GATEWAY.replace("name: web", "name: taken").replace("port: 80,", "port: 8080,");
    let service = GATEWAY_SERVICE.replace("weir-web", "weir-taken").replace("20007", "20017").replace("20008", "20018");
    let service = service.replace("port: 80,", "port: 8080,");
    let world = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, &taken, &service, SHOP, ROUTE]);
    let first = plan(&world);
    let of = |plan: &Plan, port: u16| {
        let listeners = &plan.file().listeners;
        listeners.iter().find(|listener| listener.address.port() == port).map(|listener| listener.name.clone())
    };
    let rejected = first.blame_listener(&of(&first, 20_017).unwrap(), "10.0.0.1:20017 is taken");
    assert_eq!(rejected.keys().map(|origin| origin.key.to_string()).collect::<Vec<_>>(), ["infra/taken"]);
    let second = plan_without(&world, &rejected);
    assert!(of(&second, 20_017).is_none() && of(&second, 20_007).is_some());
    let told = conditions(&second, "Gateway", "infra/taken");
    assert!(told.iter().any(|condition| condition.starts_with("Programmed=False")), "{told:?}");
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
fn nothing_is_written_twice() {
    let before = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE]);
    let first = plan(&before);
    assert!(!first.statuses().is_empty());
    let after = written(&before, &first);
    assert_eq!(plan(&after).statuses(), []);
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

/// A certificate for `names` in a Secret of the namespace `infra`.
fn secret(name: &str, names: &[&str]) -> String {
    use base64::Engine as _;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let (chain, key) = (encode(made.cert.pem()), encode(made.signing_key.serialize_pem()));
    format!(
        "kind: Secret\nmetadata: {{ name: {name}, namespace: infra }}\ntype: kubernetes.io/tls\ndata: {{ tls.crt: {chain}, tls.key: {key} }}\n"
    )
}

const HTTPS: &str = "
kind: Gateway
metadata: { name: web, namespace: infra, uid: abc }
spec:
  gatewayClassName: weir
  listeners:
    - name: https
      port: 443
      protocol: HTTPS
      hostname: shop.example.com
      tls: { certificateRefs: [{ name: shop-tls }] }
      allowedRoutes: { namespaces: { from: All } }
";

#[test]
fn https_shows_the_certificate_of_the_secret() {
    let secret = secret("shop-tls", &["shop.example.com"]);
    let plan = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, SHOP, ROUTE, &secret]));
    let listener = &file(&plan)["listeners"][0];
    assert_eq!(listener["tls"]["certificates"][0]["key"], "secret:infra/shop-tls/tls.key");
    assert_eq!(
        listener_conditions(&plan, "Gateway", "infra/web", "https"),
        [
            "Accepted=True Accepted",
            "Programmed=True Programmed",
            "ResolvedRefs=True ResolvedRefs",
            "Conflicted=False NoConflicts"
        ]
    );
    compiled(&plan).expect("it compiles");
}

#[test]
fn a_renewed_certificate_is_another_configuration() {
    let before = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, &secret("shop-tls", &["shop.example.com"])]));
    let after = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, &secret("shop-tls", &["shop.example.com"])]));
    assert_ne!(before.digest(), after.digest());
}

#[test]
fn https_without_a_good_certificate_is_not_served() {
    let broken = "kind: Secret\nmetadata: { name: shop-tls, namespace: infra }\ndata: { tls.crt: aGVsbG8=, tls.key: aGVsbG8= }\n";
    for secrets in ["", broken] {
        let plan = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, SHOP, ROUTE, secrets]));
        assert!(plan.file().listeners.is_empty());
        assert_eq!(
            listener_conditions(&plan, "Gateway", "infra/web", "https")[1..3],
            ["Programmed=False Invalid", "ResolvedRefs=False InvalidCertificateRef"]
        );
        assert_eq!(listener_status(&plan, "Gateway", "infra/web", "https")["attachedRoutes"], 1);
    }
}

#[test]
fn a_certificate_of_another_namespace_needs_a_grant() {
    let elsewhere = HTTPS.replace("{ name: shop-tls }", "{ name: shop-tls, namespace: certs }");
    let secret = secret("shop-tls", &["shop.example.com"]).replace("namespace: infra", "namespace: certs");
    let without = plan(&world(&[CLASS, &elsewhere, GATEWAY_SERVICE, &secret]));
    assert_eq!(listener_conditions(&without, "Gateway", "infra/web", "https")[2], "ResolvedRefs=False RefNotPermitted");
    let grant = "
kind: ReferenceGrant
metadata: { name: gateways, namespace: certs }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: infra }]
  to: [{ group: '', kind: Secret }]
";
    let with = plan(&world(&[CLASS, &elsewhere, GATEWAY_SERVICE, &secret, grant]));
    assert_eq!(listener_conditions(&with, "Gateway", "infra/web", "https")[2], "ResolvedRefs=True ResolvedRefs");
}

#[test]
fn a_listener_set_adds_to_a_gateway_that_lets_it_and_gives_way_to_what_was_there() {
    let set = "
kind: ListenerSet
metadata: { name: more, namespace: infra }
spec:
  parentRef: { name: web }
  listeners:
    - { name: same, port: 80, protocol: HTTP }
    - { name: own, port: 80, protocol: HTTP, hostname: own.example.com }
    - { name: tls, port: 80, protocol: HTTPS }
    - { name: raw, port: 80, protocol: TCP }
";
    let closed = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, set]));
    assert_eq!(
        conditions(&closed, "ListenerSet", "infra/more"),
        ["Accepted=False NotAllowed", "Programmed=False NotAllowed"]
    );
    assert_eq!(status(&closed, "Gateway", "infra/web")["attachedListenerSets"], 0);

    let gateway = GATEWAY.replace("  listeners:", "  allowedListeners: { namespaces: { from: Same } }\n  listeners:");
    let open = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, set]));
    assert_eq!(
        conditions(&open, "ListenerSet", "infra/more"),
        ["Accepted=True ListenersNotValid", "Programmed=True Programmed"]
    );
    let conditions_of = |listener: &str| listener_conditions(&open, "ListenerSet", "infra/more", listener);
    assert_eq!(conditions_of("same")[0], "Accepted=False HostnameConflict");
    assert_eq!(conditions_of("same")[3], "Conflicted=True HostnameConflict");
    assert_eq!(conditions_of("tls")[0], "Accepted=False ProtocolConflict");
    assert_eq!(conditions_of("raw")[0], "Accepted=False ProtocolConflict", "whatever weir speaks, the port is taken");
    assert_eq!(conditions_of("own")[0], "Accepted=True Accepted");
    let names: Vec<_> = open.file().listeners.iter().map(|listener| listener.name.to_string()).collect();
    assert_eq!(names, ["infra/web/http", "infra/web/infra/more/own"]);
    assert_eq!(status(&open, "Gateway", "infra/web")["attachedListenerSets"], 1);

    let bare = "
kind: ListenerSet
metadata: { name: more, namespace: infra }
spec: { parentRef: { name: web }, listeners: [{ name: tls, port: 443, protocol: HTTPS }] }
";
    let bare = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, bare]));
    assert_eq!(
        conditions(&bare, "ListenerSet", "infra/more"),
        ["Accepted=False ListenersNotValid", "Programmed=False ListenersNotValid"]
    );
}

#[test]
fn unknown_protocols_and_kinds_are_told() {
    let gateway = GATEWAY.replace(
        "  listeners:\n",
        "  listeners:\n    - { name: tcp, port: 90, protocol: TCP }\n    - { name: odd, port: 91, protocol: HTTP, allowedRoutes: { kinds: [{ kind: OddRoute }] } }\n",
    );
    let plan = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE]));
    assert_eq!(conditions(&plan, "Gateway", "infra/web")[0], "Accepted=True ListenersNotValid");
    assert_eq!(listener_conditions(&plan, "Gateway", "infra/web", "tcp")[0], "Accepted=False UnsupportedProtocol");
    assert_eq!(listener_status(&plan, "Gateway", "infra/web", "tcp")["supportedKinds"], json!([]));
    assert_eq!(listener_conditions(&plan, "Gateway", "infra/web", "odd")[2], "ResolvedRefs=False InvalidRouteKinds");
}

#[test]
fn the_services_of_gateways_lead_to_the_pods_of_weir_that_are_ready() {
    let pod = |name: &str, ip: &str, ready: &str| {
        format!(
            "kind: Pod\nmetadata: {{ name: {name}, namespace: weir-system, labels: {{ app.kubernetes.io/name: weir }} }}\n\
             spec: {{ nodeName: n1, containers: [] }}\nstatus: {{ podIP: {ip}, conditions: [{{ type: Ready, status: '{ready}' }}] }}\n"
        )
    };
    let pods = [pod("a", "10.1.0.1", "True"), pod("b", "10.1.0.2", "False")];
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, &pods[0], &pods[1]]));
    let slice = plan.applies().iter().find(|apply| apply.kind == "EndpointSlice").expect("a slice");
    let endpoints = slice.object["endpoints"].as_array().expect("endpoints");
    assert_eq!(endpoints.iter().map(|e| e["addresses"][0].clone()).collect::<Vec<_>>(), ["10.1.0.1"]);
    assert_eq!(endpoints[0]["nodeName"], "n1");
    assert_eq!(slice.object["ports"][0], json!({ "name": "port-80", "port": 20007, "protocol": "TCP" }));
}

#[test]
fn the_service_of_a_gateway_that_is_anothers_now_is_deleted() {
    let unknown = plan(&world(&[GATEWAY, GATEWAY_SERVICE]));
    assert!(unknown.deletes().is_empty(), "a class that cannot be read costs nobody an address");
    let foreign = GATEWAY.replace("gatewayClassName: weir", "gatewayClassName: other");
    let made = |by: &str| {
        GATEWAY_SERVICE.replace("labels:", &format!("annotations: {{ weir.dev/controller: {by} }}, labels:"))
    };
    let others = plan(&world(&[CLASS, &foreign, &made("example.com/other")]));
    assert!(others.deletes().is_empty(), "two controllers do not fight");
    let plan = plan(&world(&[CLASS, &foreign, &made("weir.dev/gateway-controller")]));
    assert_eq!(plan.deletes().iter().map(ToString::to_string).collect::<Vec<_>>(), ["infra/weir-web"]);
}

#[test]
fn a_policy_says_with_which_tls_a_service_is_spoken_to() {
    let policy = "
kind: BackendTLSPolicy
metadata: { name: shop, namespace: shop }
spec:
  targetRefs: [{ group: '', kind: Service, name: shop }]
  validation: { hostname: shop.internal, caCertificateRefs: [{ group: '', kind: ConfigMap, name: ca }] }
";
    let made = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).expect("a certificate can be made");
    let map = json!({ "kind": "ConfigMap", "metadata": { "name": "ca", "namespace": "shop" }, "data": { "ca.crt": made.cert.pem() } });
    let mut with = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE, policy]);
    let without = plan(&with);
    assert_eq!(
        conditions(&without, "BackendTLSPolicy", "shop/shop"),
        ["Accepted=False NoValidCACertificate", "ResolvedRefs=False InvalidCACertificateRef"]
    );
    assert_eq!(file(&without)["routes"][0]["backends"][0]["name"], "unresolved", "nothing is sent in the clear");
    put(&mut with, map);
    let plan = plan(&with);
    assert_eq!(file(&plan)["backends"]["shop/shop/8080"]["tls"]["serverName"], "shop.internal");
    assert_eq!(
        conditions(&plan, "BackendTLSPolicy", "shop/shop"),
        ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"]
    );
    compiled(&plan).expect("it compiles");
}

#[test]
fn an_empty_cluster_is_a_configuration_too() {
    let plan = plan_without(&world(&[]), &Rejected::new());
    compiled(&plan).expect("it compiles");
    assert!(plan.statuses().is_empty() && plan.applies().is_empty());
}

#[test]
fn a_gateway_that_is_refused_programs_no_listener() {
    let asks = GATEWAY.replace("spec:", "spec:\n  addresses: [{ type: Hostname, value: shop.example.com }]");
    let plan = plan(&world(&[CLASS, &asks, GATEWAY_SERVICE]));
    assert!(conditions(&plan, "Gateway", "infra/web").contains(&"Accepted=False UnsupportedAddress".to_owned()));
    let listener = listener_conditions(&plan, "Gateway", "infra/web", "http");
    assert!(listener.contains(&"Programmed=False Invalid".to_owned()), "{listener:?}");
}
