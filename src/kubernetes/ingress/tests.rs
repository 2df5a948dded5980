use super::*;

/// A cluster in which these Ingresses were made, the first is the oldest; and what they come to.
fn translated(ingresses: &str) -> Ingresses {
    translate(&world(ingresses), &mut |service, port| {
        let port = port.number.map(|port| port.to_string()).or(port.name.clone()).unwrap();
        let problem = (service.name == "gone").then(|| "there is no Service gone".to_owned());
        Target { backend: format!("{service}/{port}").parse().unwrap(), problem }
    })
}

fn world(ingresses: &str) -> World {
    let mut world = World::default();
    for class in serde_saphyr::from_multiple(CLASSES).unwrap() {
        world.ingress_classes.put(class);
    }
    for (age, mut ingress) in serde_saphyr::from_multiple::<Ingress>(ingresses).unwrap().into_iter().enumerate() {
        let made = format!("2026-01-01T00:00:{age:02}Z");
        ingress.metadata.creation_timestamp = serde_json::from_value(made.into()).unwrap();
        world.ingresses.put(ingress);
    }
    world
}

const CLASSES: &str = "
metadata: { name: weir }
spec: { controller: weir.dev/ingress-controller }
---
metadata: { name: nginx, annotations: { ingressclass.kubernetes.io/is-default-class: \"true\" } }
spec: { controller: k8s.io/ingress-nginx }
";

/// An Ingress with one path.
fn one(name: &str, annotations: &[(&str, &str)], host: &str, path: &str, service: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap();
    let annotations: Vec<_> =
        annotations.iter().map(|(name, value)| format!("nginx.ingress.kubernetes.io/{name}: {value:?}")).collect();
    format!(
        "metadata: {{ name: {name}, namespace: {namespace}, annotations: {{ {} }} }}\nspec: {{ ingressClassName: weir, rules: [ {{ \
         host: {host}, http: {{ paths: [ {{ path: {path}, pathType: Prefix, backend: {{ service: {{ name: {service}, port: {{ \
         number: 80 }} }} }} }} ] }} }} ] }}\n---\n",
        annotations.join(", ")
    )
}

/// Each route in one line.
fn lines(done: &Ingresses) -> Vec<String> {
    let line = |route: &Route| {
        let matching = route.matching.as_ref().unwrap();
        let path = match matching.path.as_ref().unwrap() {
            PathMatch::Prefix(path) => path.clone(),
            PathMatch::Kind(kind) => format!("{kind:?}"),
        };
        let fields: Vec<_> = matching.headers.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
        let to = route
            .backends
            .iter()
            .flatten()
            .filter_map(|one| Some(format!("{}:{}", one.name.as_ref()?, one.weight.value())));
        let to: Vec<_> = to.chain(route.backend.iter().map(ToString::to_string)).collect();
        format!("{}{path}{} -> {}", matching.host.as_deref().unwrap_or("*"), fields.concat(), to.join(" "))
    };
    done.routes.iter().map(line).collect()
}

fn problems(done: &Ingresses, key: &str) -> Vec<String> {
    let (namespace, name) = key.split_once('/').unwrap();
    done.problems[&Key::new(namespace, name)].clone()
}

#[test]
fn a_path_becomes_a_route() {
    let done = translated(&one("web/shop", &[], "shop.example.com", "/cart", "cart"));
    assert_eq!(lines(&done), ["shop.example.com/cart -> web/cart/80"]);
    assert_eq!(done.routes[0].name.as_ref().unwrap().to_string(), "ingress/web/shop/1");
    assert!(problems(&done, "web/shop").is_empty());
}

#[test]
fn only_ingresses_of_weirs_classes_are_served() {
    let shop = one("web/shop", &[], "shop.example.com", "/", "shop");
    for (instead, served) in [
        ("ingressClassName: weir", true),
        ("ingressClassName: nginx", false),
        ("ingressClassName: unknown", false),
        ("x: y", false),
    ] {
        let done = translated(&shop.replace("ingressClassName: weir", instead));
        assert_eq!(done.routes.len(), usize::from(served), "{instead}");
    }
    let old = shop.replace("annotations: {  }", "annotations: { kubernetes.io/ingress.class: weir }");
    assert_eq!(translated(&old.replace("ingressClassName: weir", "x: y")).routes.len(), 1, "the old annotation");
}

#[test]
fn the_default_class_serves_those_that_name_none() {
    let mut world = world(&one("web/shop", &[], "a", "/", "shop").replace("ingressClassName: weir", "x: y"));
    let ingress = world.ingresses.get("web", "shop").unwrap().clone();
    assert!(!is_ours(&ingress, &world));
    let mut class = (**world.ingress_classes.get("", "weir").unwrap()).clone();
    class.annotations_mut().insert("ingressclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned());
    world.ingress_classes.put(class);
    assert!(is_ours(&ingress, &world));
}

#[test]
fn path_types_and_the_default_backend_are_understood() {
    let done = translated(
        "
metadata: { name: shop, namespace: web }
spec:
  ingressClassName: weir
  defaultBackend: { service: { name: rest, port: { name: http } } }
  rules:
    - http:
        paths:
          - { path: /a, pathType: Exact, backend: { service: { name: a, port: { number: 80 } } } }
          - { path: /b, pathType: ImplementationSpecific, backend: { service: { name: b, port: { number: 80 } } } }
          - { path: /c, pathType: Prefix, backend: { resource: { kind: Bucket, name: c } } }
",
    );
    assert_eq!(lines(&done), ["*Exact(\"/a\") -> web/a/80", "*/b -> web/b/80", "*/ -> web/rest/http"]);
    assert_eq!(problems(&done, "web/shop"), ["a backend that is not a Service is not served"]);
}

#[test]
fn a_canary_shares_the_path_of_its_stable() {
    let main = one("web/shop", &[], "shop.example.com", "/", "v1");
    let canary = one("web/canary", &[("canary", "true"), ("canary-weight", "5")], "shop.example.com", "/", "v2");
    assert_eq!(
        lines(&translated(&(main.clone() + &canary))),
        ["shop.example.com/ -> web/v1/80:950000 web/v2/80:50000"]
    );
    // Which of the two is older does not matter.
    assert_eq!(lines(&translated(&(canary + &main))), ["shop.example.com/ -> web/v1/80:950000 web/v2/80:50000"]);
}

#[test]
fn a_field_counts_more_than_a_cookie_and_a_cookie_more_than_the_weight() {
    let main = one("web/shop", &[], "a", "/", "v1");
    let annotations =
        [("canary", "true"), ("canary-by-header", "x-canary"), ("canary-by-cookie", "beta"), ("canary-weight", "0")];
    let done = translated(&(main + &one("web/canary", &annotations, "a", "/", "v2")));
    let is = lines(&done);
    assert!(is[0].starts_with("a/ x-canary=Exact(\"always\") -> web/v2/80"), "{is:#?}");
    assert!(is[1].starts_with("a/ x-canary=Exact(\"never\") -> web/v1/80"), "{is:#?}");
    assert!(is[2].contains("cookie=Kind(Regex") && is[2].ends_with("-> web/v2/80"), "{is:#?}");
    assert!(is[3].contains("cookie=Kind(Regex") && is[3].ends_with("-> web/v1/80"), "{is:#?}");
    assert_eq!(is[4], "a/ -> web/v1/80");
}

#[test]
fn there_is_one_canary_for_each_path_the_oldest() {
    let main = one("web/shop", &[], "a", "/", "v1");
    let canary = |name: &str, to: &str| one(name, &[("canary", "true"), ("canary-weight", "10")], "a", "/", to);
    let done = translated(&(main + &canary("web/first", "v2") + &canary("web/second", "v3")));
    assert_eq!(lines(&done), ["a/ -> web/v1/80:900000 web/v2/80:100000"]);
    assert_eq!(
        problems(&done, "web/second"),
        ["path / of host a has a canary, Ingress web/first: there is one for each path"]
    );
}

#[test]
fn a_canary_of_nothing_is_told_so() {
    let canary = [("canary", "true"), ("canary-weight", "10")];
    let done = translated(&(one("web/shop", &[], "a", "/", "v1") + &one("web/lost", &canary, "a", "/other", "v2")));
    assert_eq!(lines(&done), ["a/ -> web/v1/80"]);
    assert!(problems(&done, "web/lost")[0].starts_with("there is nothing to be a canary of"), "{done:?}");
    let foreign = translated(&(one("web/shop", &[], "a", "/", "v1") + &one("evil/canary", &canary, "a", "/", "v2")));
    assert_eq!(lines(&foreign), ["a/ -> web/v1/80"], "a canary of another namespace takes nothing");
}

#[test]
fn a_host_belongs_to_the_oldest_claim_and_the_second_is_told() {
    let first = one("web/shop", &[], "shop.example.com", "/", "shop");
    let second = one("evil/shop", &[], "shop.example.com", "/login", "phish");
    let done = translated(&(first.clone() + &second));
    assert_eq!(lines(&done), ["shop.example.com/ -> web/shop/80"]);
    assert_eq!(problems(&done, "evil/shop"), ["host shop.example.com belongs to Ingress web/shop, which is older"]);
    // Within a namespace a host may have several Ingresses, a path only one.
    let more = one("web/more", &[], "shop.example.com", "/more", "more")
        + &one("web/again", &[], "shop.example.com", "/", "x");
    let done = translated(&(first + &more));
    assert_eq!(lines(&done), ["shop.example.com/ -> web/shop/80", "shop.example.com/more -> web/more/80"]);
    assert_eq!(
        problems(&done, "web/again"),
        ["path / of host shop.example.com belongs to Ingress web/shop, which is older"]
    );
}

#[test]
fn a_path_without_a_service_is_kept_and_told() {
    let done = translated(&(one("web/shop", &[], "a", "/", "v1") + &one("web/gone", &[], "a", "/x", "gone")));
    assert_eq!(lines(&done), ["a/ -> web/v1/80", "a/x -> web/gone/80"]);
    assert_eq!(problems(&done, "web/gone"), ["there is no Service gone"]);
}

#[test]
fn certificates_are_those_that_are_there() {
    let shop = one("web/shop", &[], "a", "/", "v1").replace(
        "ingressClassName: weir",
        "ingressClassName: weir, tls: [ { hosts: [a], secretName: here }, { secretName: gone } ]",
    );
    let mut world = world(&shop);
    world.secrets.put(serde_saphyr::from_str("metadata: { name: here, namespace: web }").unwrap());
    let done = translate(&world, &mut |_, _| Target { backend: "b".parse().unwrap(), problem: None });
    assert_eq!(done.secrets, [Key::new("web", "here")]);
    assert_eq!(problems(&done, "web/shop"), ["there is no Secret gone of type kubernetes.io/tls"]);
}

#[test]
fn the_status_shows_where_the_service_is_reached() {
    let service = "status: { loadBalancer: { ingress: [ { ip: 192.0.2.1 }, { hostname: lb.example.com } ] } }";
    let addresses = addresses(&serde_saphyr::from_str(service).unwrap());
    assert_eq!(addresses[0].ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(addresses[1].hostname.as_deref(), Some("lb.example.com"));
    assert!(super::addresses(&Service::default()).is_empty());
}

/// A cluster with a Service and its endpoint, weir's own Service, and these objects.
fn plan_of(ingresses: &str) -> crate::kubernetes::plan::Plan {
    let mut world = world(ingresses);
    for object in serde_saphyr::from_multiple(SURROUNDINGS).unwrap() {
        crate::kubernetes::testing::put(&mut world, object);
    }
    crate::kubernetes::testing::plan(&world)
}

const SURROUNDINGS: &str = "
kind: Service
metadata: { name: v1, namespace: web }
spec: { ports: [ { name: http, port: 80 } ] }
---
kind: EndpointSlice
metadata: { name: v1-a, namespace: web, labels: { kubernetes.io/service-name: v1 } }
addressType: IPv4
ports: [ { name: http, port: 8080 } ]
endpoints: [ { addresses: [10.0.0.1], conditions: { ready: true } } ]
---
kind: Service
metadata: { name: weir-ingress, namespace: weir-system }
spec: {}
status: { loadBalancer: { ingress: [ { ip: 192.0.2.1 } ] } }
";

#[test]
fn a_plan_serves_ingresses_and_says_where() {
    let shop = one("web/shop", &[], "shop.example.com", "/", "v1");
    let plan = plan_of(&(shop + &one("web/other", &[], "shop.example.com", "/other", "gone")));
    assert!(crate::kubernetes::testing::compiled(&plan).is_ok());
    let file = plan.file();
    assert_eq!(file.listeners.len(), 1, "no certificate, no HTTPS");
    assert_eq!(file.listeners[0].address.port(), HTTP_PORT);
    assert_eq!(file.routes[0].listeners.as_ref().unwrap()[0].to_string(), "ingress/http");
    let backend = &file.backends[file.routes[0].backend.as_ref().unwrap()];
    assert_eq!(backend.endpoints, ["10.0.0.1:8080"]);
    let unresolved = &file.backends[file.routes[1].backend.as_ref().unwrap()];
    assert!(unresolved.unresolved, "what leads nowhere is answered by weir itself");
    let status = plan.statuses().iter().find(|write| write.kind == "Ingress").unwrap();
    assert_eq!(status.status["loadBalancer"]["ingress"][0]["ip"], "192.0.2.1");
    let (origin, problems) = plan.problems().iter().find(|(origin, _)| origin.key.name == "other").unwrap();
    assert_eq!(origin.kind, "Ingress");
    assert!(problems[0].contains("there is no Service"), "{problems:?}");
}

#[test]
fn a_plan_without_ingresses_has_no_listener_for_them() {
    let plan = plan_of("");
    assert!(plan.file().listeners.is_empty() && plan.problems().is_empty());
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let done = translated(&one("web/shop", &[], "'*.example.com'", "/", "shop"));
    let matching = done.routes[0].matching.as_ref().unwrap();
    assert_eq!((matching.host.as_deref(), matching.single_label), (Some("*.example.com"), true));
    let done = translated(&one("web/shop", &[], "shop.example.com", "/", "shop"));
    assert!(!done.routes[0].matching.as_ref().unwrap().single_label);
}
