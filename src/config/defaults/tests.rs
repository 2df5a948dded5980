use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;
use crate::analysis::Policy;
use crate::config::{Compiled, Resolved, admin, compile, json_schema, parse, workers};
use crate::snapshot::Leaves;

/// Everything that has defaults below it, and none of them written.
const BARE: &str = "{
  listeners: [{ name: web, address: \"127.0.0.1:8080\" }],
  routes: [
    { release: shop, mirror: { backend: v1 } },
    { match: { path: /b }, backends: [{ name: v1 }] },
    { match: { path: /c }, redirect: { scheme: https } }
  ],
  backends: { v1: { endpoints: [\"127.0.0.1:9001\"], healthCheck: { path: /h } }, v2: { endpoints: [\"127.0.0.1:9002\"] } },
  releases: { shop: {
    stable: v1, canary: v2, affinity: { cookie: {} },
    checks: [{ name: c, webhook: { url: \"http://localhost/\" } }]
  } }
}";

fn compiled(text: &str) -> Compiled {
    let loaded = parse(Path::new("weir.yaml"), text.to_owned()).unwrap_or_else(|problems| panic!("{problems}"));
    compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The snapshot of `text`, line by line; sorted, because the router's own tables have no order.
fn shown(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = format!("{:#?}", compiled(text).snapshot).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Writes `row` into `value` wherever it holds.
fn write(value: &mut Value, keys: &[&str], row: &Row) {
    let Some((key, rest)) = keys.split_first() else { return };
    match (value, *key) {
        (Value::Array(items), "*") => items.iter_mut().for_each(|item| write(item, rest, row)),
        (Value::Object(map), "*") => map.values_mut().for_each(|item| write(item, rest, row)),
        (Value::Object(map), key) if rest.is_empty() => drop(map.insert(key.to_owned(), row.value.clone())),
        (Value::Object(map), key) => match key.strip_suffix('?') {
            Some(key) => map.get_mut(key).into_iter().for_each(|value| write(value, rest, row)),
            None => write(map.entry(key).or_insert(Value::Object(Map::new())), rest, row),
        },
        _ => {}
    }
}

fn can_be_written(row: &Row) -> bool {
    !row.value.as_str().is_some_and(|text| text.starts_with('('))
}

#[test]
fn writing_every_default_changes_nothing() {
    let loaded = parse(Path::new("weir.yaml"), BARE.to_owned()).unwrap();
    let mut value = serde_json::to_value(&loaded.file).unwrap();
    for row in table().iter().filter(|row| can_be_written(row)) {
        let keys: Vec<&str> = row.path.split('.').collect();
        write(&mut value, &keys, row);
    }
    // A redirect has no use for repeats.
    value["routes"][2].as_object_mut().unwrap().remove("retry");
    // Without the format `text` there can be no template; with it, the default is the same as the one written.
    value["proxy"]["accessLog"]["format"] = json!("text");
    let bare = BARE.replacen('{', "{ proxy: { accessLog: { format: text } },", 1);
    assert!(shown(&bare).len() > 500);
    assert_eq!(shown(&bare), shown(&value.to_string()));
}

#[test]
fn another_value_than_the_default_changes_something() {
    assert_eq!(shown(BARE), shown(BARE));
    assert_ne!(shown(BARE), shown(&BARE.replace("affinity: { cookie: {} }", "affinity: { cookie: { maxAge: 23h } }")));
}

#[test]
fn the_judge_has_the_same_defaults() {
    let compiled = compiled(BARE);
    let release = compiled.snapshot.releases.values().next().unwrap().clone();
    assert_eq!(release.policy, Policy::default());
    assert_eq!(release.bounds, crate::stats::Bounds::default());
    assert_eq!(release.failures, crate::outcome::FailurePolicy::default());
}

#[test]
fn the_control_surface_is_where_the_table_says() {
    let loaded = parse(Path::new("weir.yaml"), BARE.to_owned()).unwrap();
    assert_eq!(admin(&loaded).address.to_string(), ADMIN_ADDRESS.value);
    assert_eq!(admin(&loaded).token_file, None);
    assert_eq!(workers(&loaded, 3), 3);
}

/// Every optional key with a plain value, as a path of the table.
fn optional(schema: &Value, root: &Value, path: &str, into: &mut BTreeSet<String>) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    for branch in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten() {
        optional(branch, root, path, into);
    }
    if let Some(items) = schema.get("items") {
        optional(items, root, &format!("{path}.*"), into);
    }
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values);
    for values in patterns.chain(schema.get("additionalProperties")).filter(|values| values.is_object()) {
        optional(values, root, &format!("{path}.*"), into);
    }
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if !required.iter().any(|name| name == key) {
            into.insert(path.clone());
        }
        optional(value, root, &path, into);
    }
}

#[test]
fn no_optional_value_lacks_its_row() {
    let schema = json_schema();
    let mut paths = BTreeSet::new();
    optional(&schema, &schema, "", &mut paths);
    let rows: Vec<String> = table().iter().map(|row| row.path.replace('?', "")).collect();
    // A section is no value; its own values have rows. The rest is nothing unless it is written.
    let inner = |path: &str| rows.iter().any(|row| row.starts_with(&format!("{path}.")));
    let absent = [
        "routes.*.match",
        "routes.*.matches",
        "routes.*.release",
        "routes.*.backend",
        "routes.*.filters",
        "routes.*.redirect",
        "releases.*.follows",
        "releases.*.revision",
        "releases.*.overrides",
        "releases.*.checks.*.prometheus",
        "releases.*.checks.*.webhook",
        "releases.*.affinity.header",
        "releases.*.affinity.clientIp",
        "backends.*.tls",
    ];
    let explained = |path: &str| rows.iter().any(|row| row == path) || inner(path);
    let unexplained = |path: &&String| !explained(path) && !absent.iter().any(|absent| path.starts_with(absent));
    let missing: Vec<_> = paths.iter().filter(unexplained).collect();
    assert!(paths.len() > 80, "{paths:?}");
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn every_row_is_about_a_key_of_the_schema() {
    let schema = json_schema();
    let mut paths = BTreeSet::new();
    optional(&schema, &schema, "", &mut paths);
    for row in table() {
        assert!(paths.contains(&row.path.replace('?', "")), "{}", row.path);
        assert!(!row.why.is_empty() && !row.why.ends_with('.'), "{}", row.path);
    }
}
