use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;
use weir::rollout::Reason;
use weir::telemetry::names::{ALL, Kind, Metric};

use super::{documents, path, text};

/// Every PromQL expression in the alerts and the dashboard, with where it is.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&documents(&path("monitoring/alerts.yaml"))[0], "alerts.yaml", &mut found);
    let dashboard: Value =
        serde_json::from_str(&text(&path("monitoring/dashboard.json"))).expect("the dashboard is JSON");
    collect(&dashboard, "dashboard.json", &mut found);
    found
}

fn collect(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            let here = map.get("alert").or(map.get("title")).and_then(Value::as_str).unwrap_or(at);
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if matches!(key.as_str(), "expr" | "definition") => {
                        found.push((here.to_owned(), text.to_owned()));
                    }
                    _ => collect(value, here, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, at, found)),
        _ => {}
    }
}

/// The metric that a name in an expression stands for.
fn metric(name: &str) -> Option<&'static Metric> {
    let exact = ALL.iter().find(|metric| metric.name == name);
    exact.or_else(|| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end))?;
        ALL.iter().find(|metric| metric.kind == Kind::Histogram && metric.name == base)
    })
}

#[test]
fn alerts_and_dashboard_name_only_metrics_and_labels_that_weir_has() {
    let names = Regex::new(r"\b(?:weir|process)_[a-z0-9_]+").unwrap();
    let matchers = Regex::new(r"\b((?:weir|process)_[a-z0-9_]+)\{([^}]*)\}").unwrap();
    let label = Regex::new(r"([a-z_]+) *(?:=~|!~|!=|=)").unwrap();
    let grouped = Regex::new(r"\bby \(([^)]*)\)").unwrap();
    let mut used = BTreeSet::new();
    for (at, expression) in expressions() {
        for name in names.find_iter(&expression) {
            let metric = metric(name.as_str());
            used.insert(metric.unwrap_or_else(|| panic!("{at}: weir has no metric {}", name.as_str())).name);
        }
        for found in matchers.captures_iter(&expression) {
            let metric = metric(&found[1]).unwrap();
            for label in label.captures_iter(&found[2]).map(|found| found[1].to_owned()) {
                let known = metric.labels.contains(&label.as_str()) || label == "job";
                assert!(known, "{at}: {} has no label {label}", metric.name);
            }
        }
        for list in grouped.captures_iter(&expression) {
            for label in list[1].split(',').map(str::trim) {
                let known = ALL.iter().any(|metric| metric.labels.contains(&label)) || label == "le";
                assert!(known, "{at}: no metric has the label {label}");
            }
        }
    }
    assert!(used.len() > 10, "{used:?}");
}

#[test]
fn alerts_name_only_reasons_that_there_are() {
    let reasons = Regex::new(r#"reason=~?"([^"$]*)""#).unwrap();
    let mut seen = 0;
    for (at, expression) in expressions() {
        for found in reasons.captures_iter(&expression) {
            for reason in found[1].split('|') {
                assert!(Reason::LABELS.contains(&reason), "{at}: there is no reason {reason}");
                seen += 1;
            }
        }
    }
    assert!(seen > 3);
}

#[test]
fn every_alert_says_what_it_is() {
    let rules = documents(&path("monitoring/alerts.yaml"))[0]["groups"][0]["rules"].clone();
    for rule in rules.as_array().unwrap() {
        assert!(rule["alert"].as_str().unwrap().starts_with("Weir"), "{rule}");
        assert!(rule["annotations"]["summary"].is_string(), "{rule}");
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("critical" | "warning" | "info")), "{rule}");
    }
}

#[test]
fn panels_are_all_different_and_said() {
    let dashboard: Value = serde_json::from_str(&text(&path("monitoring/dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(panel["title"].is_string() && panel["description"].is_string(), "{panel:#}");
    }
}
