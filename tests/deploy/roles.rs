use serde_json::{Value, json};
use weir::kubernetes::access::{Access, CLUSTER, OWN};

use super::{documents, object, path, text};

/// Compares the role's file with the table of what weir does, or writes it.
fn is_generated(file: &str, role: &Value, binding: &Value) {
    let file = path("kustomize/base").join(file);
    if std::env::var_os("WEIR_BLESS").is_some() {
        let yaml = |value: &Value| serde_saphyr::to_string(value).expect("it can be written").trim_end().to_owned();
        std::fs::write(&file, format!("{HEADER}{}\n---\n{}\n", yaml(role), yaml(binding)))
            .expect("deploy can be written");
    }
    let is = documents(&file);
    let hint = "is out of date: run `WEIR_BLESS=1 cargo test --test weir deploy::`";
    assert!(is == [role.clone(), binding.clone()], "{} {hint}", file.display());
}

const HEADER: &str = "# What weir asks of the API server, verb by verb. Made from src/kubernetes/access.rs.\n";

fn rules(table: &[Access]) -> Value {
    table
        .iter()
        .map(|access| json!({ "apiGroups": [access.group], "resources": [access.resource], "verbs": access.verbs }))
        .collect()
}

/// Only what is of a namespace says which.
fn metadata(kind: &str) -> Value {
    if kind == "Role" { json!({ "name": "weir", "namespace": "weir-system" }) } else { json!({ "name": "weir" }) }
}

fn role(kind: &str, table: &[Access]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata(kind),
        "rules": rules(table),
    })
}

fn binding(kind: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{kind}Binding"),
        "metadata": metadata(kind),
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "weir" },
        "subjects": [{ "kind": "ServiceAccount", "name": "weir", "namespace": "weir-system" }],
    })
}

#[test]
fn the_roles_grant_what_weir_asks_for_and_nothing_more() {
    is_generated("cluster-role.yaml", &role("ClusterRole", CLUSTER), &binding("ClusterRole"));
    is_generated("role.yaml", &role("Role", OWN), &binding("Role"));
}

#[test]
fn the_chart_grants_the_same() {
    for (file, table) in [("cluster-role.yaml", CLUSTER), ("role.yaml", OWN)] {
        let template = text(&path("helm/weir/templates").join(file));
        let after = template.split_once("\nrules:\n").expect("the template has rules").1;
        let rules_text = after.split("\n---").next().unwrap();
        let is: Value = serde_saphyr::from_str(rules_text).unwrap();
        assert_eq!(is, rules(table), "{file}: copy the rules of deploy/kustomize/base/{file}");
    }
}

/// A watch that the roles do not allow would never see anything.
#[test]
fn every_watch_is_allowed() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kubernetes/watch.rs");
    let source = text(&source);
    let kinds: Vec<&str> = source.split("self.kind(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    // Secrets have a selector, and ConfigMaps are watched one by one.
    for kind in kinds.into_iter().chain(["Secret", "ConfigMap"]) {
        let plural = plural(kind);
        let access = CLUSTER.iter().find(|access| access.resource == plural);
        let allowed = access.is_some_and(|access| ["list", "watch"].iter().all(|verb| access.verbs.contains(verb)));
        assert!(allowed, "src/kubernetes/access.rs has no list and watch for {plural}");
    }
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.as_bytes() {
        [.., b's'] => format!("{kind}es"),
        [.., b'c', b'y'] => format!("{}ies", kind.trim_end_matches('y')),
        _ => format!("{kind}s"),
    }
}

/// Those who look, those who edit and those who release are different people.
#[test]
fn commands_have_verbs_of_their_own() {
    use weir::kubernetes::release::Verb::{Abort, Pause, Promote, Resume, Retry, SetWeight};
    let release = object("ClusterRole", "weir-release");
    let mut verbs: Vec<String> = serde_json::from_value(release["rules"][0]["verbs"].clone()).unwrap();
    verbs.sort();
    let all = [Abort, Pause, Promote, Resume, Retry, SetWeight];
    assert_eq!(json!(verbs), json!(all));
    let labels = release["metadata"]["labels"].as_object().unwrap();
    assert!(!labels.contains_key("rbac.authorization.k8s.io/aggregate-to-edit"), "who edits may not release");
}
