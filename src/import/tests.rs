use super::*;

const NGINX: &str = include_str!("tests/nginx.yaml");
const FLAGGER: &str = include_str!("tests/flagger.yaml");
const ARGO: &str = include_str!("tests/argo.yaml");

/// Compares with the file, or writes it: `WEIR_BLESS=1 cargo test import`.
fn golden(input: &str, name: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import/tests").join(name);
    let is = import(input).unwrap().to_yaml().unwrap();
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&file, &is).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(is, expected, "{} differs: look at it, then WEIR_BLESS=1", file.display());
    for manifest in serde_saphyr::from_multiple::<serde_json::Value>(&is).unwrap() {
        is_valid(&manifest);
    }
}

/// A manifest is read by the type of its kind, with nothing left over.
fn is_valid(manifest: &serde_json::Value) {
    match manifest["kind"].as_str().unwrap() {
        "HTTPRoute" => reads::<crate::kubernetes::gateway::api::HTTPRouteSpec>(manifest),
        "Gateway" => reads::<crate::kubernetes::gateway::api::GatewaySpec>(manifest),
        "Service" => reads::<k8s_openapi::api::core::v1::ServiceSpec>(manifest),
        "Deployment" => reads::<k8s_openapi::api::apps::v1::DeploymentSpec>(manifest),
        "CanaryRelease" => reads::<crate::kubernetes::release::CanaryReleaseSpec>(manifest),
        kind => panic!("{kind} was not expected"),
    }
}

fn reads<T: serde::de::DeserializeOwned>(manifest: &serde_json::Value) {
    let mut unknown = Vec::new();
    let note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
    let read: Result<T, _> = serde_ignored::deserialize(manifest["spec"].clone(), note);
    assert!(read.is_ok() && unknown.is_empty(), "{:?} {unknown:?}\n{manifest:#}", read.err());
}

fn notes(input: &str) -> String {
    let import = import(input).unwrap();
    import
        .manifests
        .iter()
        .flat_map(|manifest| manifest.notes.clone())
        .chain(import.notes)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_ingress_with_its_canary_becomes_routes_and_a_release() {
    golden(NGINX, "nginx.out.yaml");
}

#[test]
fn a_flagger_canary_becomes_a_service_and_a_release() {
    golden(FLAGGER, "flagger.out.yaml");
}

#[test]
fn an_argo_rollout_becomes_a_deployment_and_a_release() {
    golden(ARGO, "argo.out.yaml");
}

#[test]
fn a_list_as_kubectl_prints_it_is_as_good_as_its_objects() {
    let items: Vec<serde_json::Value> = serde_saphyr::from_multiple(NGINX).unwrap();
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
    assert_eq!(import(&list.to_string()).unwrap(), import(NGINX).unwrap());
}

#[test]
fn what_nobody_reads_is_told() {
    let with = |line: &str| FLAGGER.replace("  analysis:\n", &format!("{line}\n  analysis:\n"));
    assert!(notes(&with("  provider: istio")).contains("spec.provider: weir routes"));
    assert!(notes(&with("  sidecars: [a, b]")).contains("spec.sidecars has no counterpart"));
    let argo = ARGO.replace("      steps:\n", "      steps:\n        - setCanaryScale: { weight: 5 }\n");
    assert!(notes(&argo).contains("setCanaryScale: the canary's pods follow its weight"), "{}", notes(&argo));
}

#[test]
fn a_metric_without_its_template_is_told() {
    let alone = FLAGGER.split("---").next().unwrap();
    assert!(notes(alone).contains("MetricTemplate error-budget is not among what is imported"), "{}", notes(alone));
}

#[test]
fn only_a_canary_is_imported() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: shop }\n";
    let error = |text: &str| import(text).unwrap_err().to_string();
    assert!(error(service).ends_with("found Service shop"), "{}", error(service));
    assert!(error("").ends_with("found nothing"));
    assert!(error("a: [1, 2").starts_with("this is not YAML"));
    assert_eq!(error("kind: Canary"), "document 1 is no Kubernetes object: it has no apiVersion");
    let daemon_set = FLAGGER.replace("kind: Deployment", "kind: DaemonSet");
    assert_eq!(
        error(&daemon_set),
        "Canary podinfo: its target is a DaemonSet: weir releases Deployments, and any kind behind two Services"
    );
}

#[test]
fn a_canary_without_its_ingress_is_told() {
    let both: Vec<&str> = NGINX.split("---\n").collect();
    let other = both[1].replace("shop.example.com", "elsewhere.example.com");
    let input = format!("{NGINX}---\n{}", other.replace("name: shop-canary\n", "name: lost\n"));
    assert!(notes(&input).contains("Ingress lost is a canary of no Ingress that is imported"), "{}", notes(&input));
}

#[test]
fn names_and_queries_are_made_to_fit() {
    assert_eq!(checks::name("Error Budget!"), "error-budget");
    assert_eq!(checks::name("!!"), "check");
    let (filled, missing) = checks::fill("a{x=\"{{ ns }}\"} {{ b }} {", |name| (name == "ns").then_some("shop"));
    assert_eq!(filled, "a{x=\"shop\"} {{ b }} {");
    assert_eq!(missing, ["b"]);
}
