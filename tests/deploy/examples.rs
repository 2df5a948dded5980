use serde::de::DeserializeOwned;
use serde_json::Value;
use weir::kubernetes::gateway::api::{GatewaySpec, HTTPRouteSpec};
use weir::kubernetes::release::CanaryReleaseSpec;

use super::{documents, path, text, yaml_files};

#[test]
fn every_example_is_read_by_the_types_of_its_kinds() {
    let files = yaml_files(&path("examples"));
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        for object in documents(&file) {
            let at = format!("{}: {} {}", file.display(), object["kind"], object["metadata"]["name"]);
            match object["kind"].as_str().unwrap() {
                "CanaryRelease" => reads::<CanaryReleaseSpec>(&object["spec"], &at),
                "HTTPRoute" => reads::<HTTPRouteSpec>(&object["spec"], &at),
                "Gateway" => reads::<GatewaySpec>(&object["spec"], &at),
                "Deployment" => reads::<k8s_openapi::api::apps::v1::DeploymentSpec>(&object["spec"], &at),
                "Service" => reads::<k8s_openapi::api::core::v1::ServiceSpec>(&object["spec"], &at),
                "Ingress" => reads::<k8s_openapi::api::networking::v1::IngressSpec>(&object["spec"], &at),
                "Namespace" | "PersistentVolumeClaim" => {}
                kind => panic!("{at}: {kind} is not expected in an example"),
            }
        }
    }
}

/// A field that nobody knows is a mistake that a cluster might not tell.
fn reads<T: DeserializeOwned>(value: &Value, at: &str) {
    let mut unknown = Vec::new();
    let note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
    let read: Result<T, _> = serde_ignored::deserialize(value.clone(), note);
    assert!(read.is_ok() && unknown.is_empty(), "{at}: {:?} {unknown:?}", read.err());
}

#[test]
fn routes_and_releases_name_services_and_workloads_that_are_there() {
    for file in yaml_files(&path("examples")) {
        let objects = documents(&file);
        let has = |kind: &str, name: &Value| {
            objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
        };
        for release in objects.iter().filter(|object| object["kind"] == "CanaryRelease") {
            let spec = &release["spec"];
            let there = match spec.get("targetRef") {
                Some(target) => has("Deployment", &target["name"]),
                None => has("Service", &spec["stable"]["service"]) && has("Service", &spec["canary"]["service"]),
            };
            assert!(there, "{}: {spec}", file.display());
        }
        for route in objects.iter().filter(|object| object["kind"] == "HTTPRoute") {
            for rule in route["spec"]["rules"].as_array().unwrap() {
                for backend in rule["backendRefs"].as_array().into_iter().flatten() {
                    assert!(has("Service", &backend["name"]), "{}: {backend}", file.display());
                }
            }
        }
    }
}

#[test]
fn every_example_has_its_line_in_the_readme() {
    let readme = text(&path("examples/README.md"));
    for file in yaml_files(&path("examples")) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(readme.contains(&format!("]({name})")), "{name} is not in deploy/examples/README.md");
    }
}
