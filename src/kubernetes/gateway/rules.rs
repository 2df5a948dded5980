//! Rules of routes, as routes of the configuration. A rule of a GRPCRoute is first made one of an HTTPRoute: a gRPC method
//! is a path.

use std::collections::BTreeMap;

use super::api::{
    BackendRef, Filter, GrpcMatch, GrpcRule, HeaderModifier, HttpMatch, HttpRule, NamedMatch, ValueMatch,
};
use super::conditions::Refused;
use super::filters;
use super::grants::Referrer;
use super::targets::Targets;
use crate::config::schema::{
    BackendFilters, HeaderChanges, Match, PathMatch, PathMatchKind, Route, ValueMatch as Value, ValueMatchKind,
    WeightedBackend,
};
use crate::types::{Span, Weight};

/// A rule as it is served, without hosts and listeners.
#[derive(Clone, Debug)]
pub struct Served {
    /// The route, without its matches.
    pub route: Route,
    /// What its matches are, but for their hosts.
    pub matches: Vec<Match>,
    /// References that lead nowhere; their share of the requests gets 500.
    pub unresolved: Vec<Refused>,
}

/// What a rule means.
///
/// # Errors
/// When weir cannot do what it says.
pub fn serve(rule: &HttpRule, from: Referrer<'_>, targets: &mut Targets<'_>) -> Result<Served, Refused> {
    let mut served = Served { route: Route::default(), matches: matches(rule), unresolved: Vec::new() };
    filters::apply(&rule.filters, from, targets, &mut served)?;
    if served.route.redirect.is_none() {
        served.route.backends = Some(backends(&rule.backend_refs, from, targets, &mut served.unresolved)?);
        let timeouts = rule.timeouts.clone().unwrap_or_default();
        served.route.timeout = timeout(timeouts.request.as_deref())?;
        served.route.backend_timeout = timeout(timeouts.backend_request.as_deref())?;
    }
    Ok(served)
}

/// A rule that weir cannot do: its requests get 500.
pub fn refused(rule: &HttpRule, targets: &mut Targets<'_>) -> Served {
    let route = Route {
        backends: Some(vec![WeightedBackend::new(targets.unresolved(), Weight::default())]),
        ..Route::default()
    };
    Served { route, matches: matches(rule), unresolved: Vec::new() }
}

/// At least one: a rule without matches is for every request.
fn matches(rule: &HttpRule) -> Vec<Match> {
    let matches: Vec<Match> = rule.matches.iter().map(matching).collect();
    if matches.is_empty() { vec![Match::default()] } else { matches }
}

/// The split; what cannot be resolved keeps its share.
fn backends(
    references: &[BackendRef],
    from: Referrer<'_>,
    targets: &mut Targets<'_>,
    unresolved: &mut Vec<Refused>,
) -> Result<Vec<WeightedBackend>, Refused> {
    let mut split: Vec<WeightedBackend> = Vec::new();
    for reference in references {
        let name = targets.resolve(from, reference).unwrap_or_else(|refused| {
            unresolved.push(refused);
            targets.unresolved()
        });
        let weight = reference.weight.unwrap_or(1);
        let filters = backend_filters(&reference.filters)?;
        match split.iter_mut().find(|known| known.name.as_ref() == Some(&name) && known.filters == filters) {
            Some(known) => known.weight = capped(known.weight.value().saturating_add(weight)),
            None => split.push(WeightedBackend { filters, ..WeightedBackend::new(name, capped(weight)) }),
        }
    }
    if split.is_empty() {
        split.push(WeightedBackend::new(targets.unresolved(), Weight::default()));
    }
    Ok(split)
}

fn capped(weight: u32) -> Weight {
    Weight::new(weight.min(Weight::MAX)).unwrap_or_default()
}

fn backend_filters(written: &[Filter]) -> Result<BackendFilters, Refused> {
    let mut filters = BackendFilters::default();
    for filter in written {
        match (filter.kind.as_str(), &filter.request_header_modifier, &filter.response_header_modifier) {
            ("RequestHeaderModifier", Some(changes), _) => filters.request_headers = header_changes(changes),
            ("ResponseHeaderModifier", _, Some(changes)) => filters.response_headers = header_changes(changes),
            (other, ..) => {
                let message = format!("the filter {other} cannot be at a backendRef: put it at the rule");
                return Err(Refused::new("UnsupportedValue", message));
            }
        }
    }
    Ok(filters)
}

/// Changes to fields; of several for one field the first counts.
pub fn header_changes(changes: &HeaderModifier) -> HeaderChanges {
    let first = |list: &[NamedMatch]| {
        let mut map = BTreeMap::new();
        for field in list {
            map.entry(field.name.to_ascii_lowercase()).or_insert_with(|| field.value.clone());
        }
        map
    };
    HeaderChanges { set: first(&changes.set), add: first(&changes.add), remove: changes.remove.clone() }
}

/// `10s` and the like; `0s` is none.
fn timeout(text: Option<&str>) -> Result<Option<Span>, Refused> {
    let Some(text) = text else { return Ok(None) };
    let span: Span = text.parse().map_err(|error| Refused::new("UnsupportedValue", format!("timeouts: {error}")))?;
    Ok((!span.0.is_zero()).then_some(span))
}

fn matching(written: &HttpMatch) -> Match {
    Match {
        host: None,
        single_label: false,
        path: written.path.as_ref().map(path),
        method: written.method.clone(),
        headers: values(&written.headers, |name| name.to_ascii_lowercase()),
        query: values(&written.query_params, str::to_owned),
    }
}

fn path(written: &ValueMatch) -> PathMatch {
    let value = written.value.clone().unwrap_or_else(|| "/".to_owned());
    match written.kind.as_deref() {
        Some("Exact") => PathMatch::Kind(PathMatchKind::Exact(value)),
        Some("RegularExpression") => PathMatch::Kind(PathMatchKind::Regex(value)),
        Some(ANY_SERVICE) => PathMatch::Kind(PathMatchKind::GrpcMethod(value)),
        _ => PathMatch::Prefix(value),
    }
}

/// Of several for one name the first counts.
fn values(written: &[NamedMatch], key: impl Fn(&str) -> String) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    for one in written {
        let value = match one.kind.as_deref() {
            Some("RegularExpression") => Value::Kind(ValueMatchKind::Regex(one.value.clone())),
            _ => Value::Kind(ValueMatchKind::Exact(one.value.clone())),
        };
        map.entry(key(&one.name)).or_insert(value);
    }
    map
}

/// A rule for gRPC, as one for HTTP.
pub fn of_grpc(rule: &GrpcRule) -> HttpRule {
    HttpRule {
        name: rule.name.clone(),
        matches: rule.matches.iter().map(call).collect(),
        filters: rule.filters.clone(),
        backend_refs: rule.backend_refs.clone(),
        timeouts: None,
    }
}

fn call(written: &GrpcMatch) -> HttpMatch {
    let path = written.method.as_ref().map(|method| {
        let regex = method.kind.as_deref() == Some("RegularExpression");
        let given = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
        let (kind, value) = match (given(&method.service), given(&method.method), regex) {
            (None, None, _) => ("PathPrefix", "/".to_owned()),
            (Some(service), Some(method), false) => ("Exact", format!("/{service}/{method}")),
            (Some(service), None, false) => ("PathPrefix", format!("/{service}")),
            (None, Some(method), false) => (ANY_SERVICE, regex::escape(&method)),
            (None, Some(method), true) => (ANY_SERVICE, method),
            (Some(service), method, true) => {
                let method = method.unwrap_or_else(|| "[^/]+".to_owned());
                ("RegularExpression", format!("/(?:{service})/(?:{method})"))
            }
        };
        ValueMatch { kind: Some(kind.to_owned()), value: Some(value) }
    });
    HttpMatch { path, headers: written.headers.clone(), ..HttpMatch::default() }
}

/// The kind of a match for a method of any service: a rule that names a service goes before it.
const ANY_SERVICE: &str = "GrpcMethod";
