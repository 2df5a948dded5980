//! Prometheus queries of other tools as checks of a release.

use serde_json::{Value, json};

use crate::types::{Name, Span};

/// A check in the making.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) name: &'a str,
    pub(super) address: &'a str,
    pub(super) query: String,
    /// Such as `>= 99`.
    pub(super) pass_if: String,
    pub(super) interval: Option<Span>,
    pub(super) failures: Option<u32>,
}

impl Query<'_> {
    /// As it stands in `spec.checks`.
    pub(super) fn to_json(&self) -> Value {
        let prometheus = json!({ "address": self.address, "query": self.query.trim(), "passIf": self.pass_if });
        let check = json!({ "name": name(self.name), "prometheus": prometheus });
        let failures = self.failures.filter(|failures| *failures > 0);
        super::manifest::with(check, [("interval", json!(self.interval)), ("failures", json!(failures))])
    }
}

/// `name` as weir's names are: lower case, `-` for everything that a name cannot have.
pub(super) fn name(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let fitting: String = name.chars().map(fits).collect();
    let fitting = fitting.trim_matches('-');
    if fitting.parse::<Name>().is_ok() { fitting.to_owned() } else { "check".to_owned() }
}

/// Fills `{{ NAME }}` in a query. What has no value stays, and is returned to be told of.
pub(super) fn fill<'a>(query: &str, value: impl Fn(&str) -> Option<&'a str>) -> (String, Vec<String>) {
    let mut filled = String::with_capacity(query.len());
    let mut missing = Vec::new();
    let mut rest = query;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((inside, after)) = after.split_once("}}") else {
            filled.push_str("{{");
            rest = after;
            continue;
        };
        match value(inside.trim()) {
            Some(value) => filled.push_str(value),
            None => {
                missing.push(inside.trim().to_owned());
                filled.push_str("{{");
                filled.push_str(inside);
                filled.push_str("}}");
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    (filled, missing)
}
