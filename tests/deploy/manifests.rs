use serde_json::Value;
use weir::kubernetes::ingress;

use super::{base, documents, object, path, text, yaml_files};

fn pod() -> Value {
    object("Deployment", "weir")["spec"]["template"].clone()
}

fn container() -> Value {
    pod()["spec"]["containers"][0].clone()
}

#[test]
fn every_manifest_is_an_object() {
    for folder in ["kustomize", "crds", "monitoring", "examples"] {
        for file in yaml_files(&path(folder)) {
            for document in documents(&file).iter().filter(|_| folder != "monitoring") {
                assert!(document["apiVersion"].is_string() && document["kind"].is_string(), "{}", file.display());
            }
        }
    }
}

/// A chart may hold nothing but files of its own.
#[test]
fn the_charts_have_the_definitions_and_the_monitoring_that_are_beside_them() {
    let pairs = [("crds", "weir-crds/templates"), ("monitoring", "weir/files")];
    for (from, to) in pairs.map(|(from, to)| (path(from), path("helm").join(to))) {
        for entry in std::fs::read_dir(&to).unwrap() {
            let name = entry.unwrap().file_name();
            let (there, here) = (text(&from.join(&name)), text(&to.join(&name)));
            assert!(there == here, "copy {} to {}", from.join(&name).display(), to.display());
        }
    }
}

#[test]
fn weir_runs_without_any_privilege() {
    let (pod, container) = (pod(), container());
    let security = &pod["spec"]["securityContext"];
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    assert!(security["capabilities"].get("add").is_none());
    assert_eq!(
        object("Namespace", "weir-system")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
}

#[test]
fn the_image_is_the_dockerfiles() {
    let dockerfile = text(&path("Dockerfile"));
    let user = pod()["spec"]["securityContext"]["runAsUser"].as_u64().unwrap();
    assert!(dockerfile.contains(&format!("\nUSER {user}:{user}\n")));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(container()["image"], format!("weir/weir:{version}"));
    for chart in ["weir", "weir-crds"] {
        let chart = &documents(&path("helm").join(chart).join("Chart.yaml"))[0];
        assert_eq!(chart["appVersion"], version);
    }
    // What is not read-only is a volume.
    let writable = |mount: &&Value| mount["readOnly"] != true;
    for mount in container()["volumeMounts"].as_array().unwrap().iter().filter(writable) {
        let at = mount["mountPath"].as_str().unwrap();
        assert!(dockerfile.contains(&format!("VOLUME {at}\n")), "{at}");
    }
}

#[test]
fn probes_and_services_name_ports_that_are_there() {
    let container = container();
    let ports: Vec<&str> =
        container["ports"].as_array().unwrap().iter().filter_map(|port| port["name"].as_str()).collect();
    for (probe, at) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["path"], at, "{probe}");
        assert!(ports.contains(&get["port"].as_str().unwrap()), "{probe}");
    }
    for service in base().iter().filter(|object| object["kind"] == "Service") {
        for port in service["spec"]["ports"].as_array().unwrap() {
            assert!(ports.contains(&port["targetPort"].as_str().unwrap()), "{service:#}");
        }
    }
}

#[test]
fn everything_selects_weirs_pods() {
    let labels = pod()["metadata"]["labels"].as_object().unwrap().clone();
    let selectors = [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ];
    for (kind, selector) in selectors {
        for object in base().iter().filter(|object| object["kind"] == kind) {
            let selector = object.pointer(selector).unwrap_or_else(|| panic!("{kind} has no {selector}"));
            for (key, value) in selector.as_object().unwrap() {
                assert_eq!(labels.get(key), Some(value), "{kind}");
            }
        }
    }
}

#[test]
fn a_pod_has_time_to_end_what_it_has_begun() {
    let drain = weir::config::defaults::DRAIN_TIMEOUT.or(None);
    let grace = pod()["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace >= drain.0.as_secs() + 15, "{grace} s are too short for {drain}");
}

#[test]
fn the_classes_are_weirs() {
    assert_eq!(object("IngressClass", "weir")["spec"]["controller"], ingress::CONTROLLER);
}

#[test]
fn the_ports_are_those_that_weir_listens_on() {
    let container = container();
    let port = |name: &str| {
        container["ports"].as_array().unwrap().iter().find(|port| port["name"] == name).unwrap()["containerPort"]
            .clone()
    };
    assert_eq!(port("http"), ingress::HTTP_PORT);
    assert_eq!(port("https"), ingress::HTTPS_PORT);
    assert_eq!(port("peers"), weir::kubernetes::replica::PORT);
    let service = object("Service", ingress::SERVICE);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(service["spec"]["ports"][1]["targetPort"], "https");
}

/// The chart and the base are the same objects: whoever changes one changes the other.
#[test]
fn the_chart_has_a_template_for_each_object_of_the_base() {
    let templates: String =
        yaml_files(&path("helm/weir/templates")).iter().map(|file| text(file)).collect::<Vec<_>>().join("\n---\n");
    for object in base().iter().filter(|object| object["kind"] != "Namespace") {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let same = templates.split("apiVersion: ").any(|template| {
            template.contains(&format!("\nkind: {kind}\n")) && template.contains(&format!("\n  name: {name}\n"))
        });
        assert!(same, "the chart has no {kind} {name}");
    }
}

#[test]
fn every_value_of_the_chart_is_in_its_schema() {
    let schema: Value = serde_json::from_str(&text(&path("helm/weir/values.schema.json"))).unwrap();
    let values = documents(&path("helm/weir/values.yaml")).remove(0);
    is_described(&values, &schema, "values");
}

fn is_described(value: &Value, schema: &Value, at: &str) {
    assert!(schema["description"].is_string() || at == "values", "{at} has no description");
    let Some(properties) = schema.get("properties") else { return };
    assert_eq!(schema["additionalProperties"], false, "{at} takes anything");
    for (key, value) in value.as_object().expect("an object") {
        let of_key = properties.get(key).unwrap_or_else(|| panic!("{at}.{key} is not in the schema"));
        is_described(value, of_key, &format!("{at}.{key}"));
    }
    for key in properties.as_object().expect("an object").keys().filter(|key| *key != "global") {
        assert!(value.get(key).is_some(), "{at}.{key} has no default in values.yaml");
    }
}
