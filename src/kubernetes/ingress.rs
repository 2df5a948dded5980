//! Ingresses (networking.k8s.io/v1) of weir's classes as routes of the configuration, ingress-nginx's canary annotations
//! included.
//!
//! A host belongs to the namespace of its oldest claim, a path of it to the oldest Ingress; who comes later is told so, and
//! takes nothing away. A canary Ingress has no rules of its own: it adds to those with the same host and path.

mod serve;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressLoadBalancerIngress, ServiceBackendPort,
};
use kube::ResourceExt;

pub use serve::{HTTP_PORT, HTTPS_PORT, SERVICE, serve};

use super::nginx::{ALWAYS, Canary, HeaderRule, NEVER};
use super::world::{Key, World};
use crate::config::schema::{Match, PathMatch, PathMatchKind, Route, ValueMatch, ValueMatchKind, WeightedBackend};
use crate::types::{Name, Ratio, Weight};

/// Who implements an IngressClass that is weir's.
pub const CONTROLLER: &str = "weir.dev/ingress-controller";

/// What the Ingresses of weir's classes come to.
#[derive(Debug, Default)]
pub struct Ingresses {
    /// The routes, the stronger of two that are equally specific first.
    pub routes: Vec<Route>,
    /// The Ingress of each route.
    pub origins: Vec<Key>,
    /// The Secrets of their certificates, each once, in the order of age.
    pub secrets: Vec<Key>,
    /// What is wrong with each of them; nothing when it is served as it is written.
    pub problems: BTreeMap<Key, Vec<String>>,
}

/// What a Service's port is called in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The backend; one without endpoints when the Service is not there.
    pub backend: Name,
    /// Why it will not answer.
    pub problem: Option<String>,
}

/// Finds the backend of a Service's port, by namespace and name.
pub type FindBackend<'a> = &'a mut dyn FnMut(&Key, &ServiceBackendPort) -> Target;

/// Translates all Ingresses that are weir's.
pub fn translate(world: &World, find: FindBackend<'_>) -> Ingresses {
    let mut ours: Vec<Claim<'_>> = world
        .ingresses
        .iter()
        .filter(|(_, ingress)| is_ours(ingress, world))
        .map(|(key, ingress)| Claim::new(key, ingress))
        .collect();
    ours.sort_by_key(|claim| (claim.ingress.creation_timestamp(), claim.key));
    let mut done = Ingresses::default();
    let mut table = Table { find, owners: BTreeMap::new(), rules: Vec::new(), problems: &mut done.problems };
    for claim in &ours {
        table.problems.insert(claim.key.clone(), Vec::new());
    }
    ours.iter().filter(|claim| claim.canary.is_none()).for_each(|claim| table.claim(claim));
    ours.iter().for_each(|claim| table.add_canary(claim));
    let rules = table.rules;
    (done.origins, done.routes) = rules.iter().flat_map(Rule::routes).unzip();
    name_routes(&done.origins, &mut done.routes);
    for claim in &ours {
        for secret in claim.secrets() {
            if world.secrets.at(&secret).is_none() {
                let told = format!("there is no Secret {} of type kubernetes.io/tls", secret.name);
                done.problems.entry(claim.key.clone()).or_default().push(told);
            } else if !done.secrets.contains(&secret) {
                done.secrets.push(secret);
            }
        }
    }
    done
}

/// What stands in an Ingress's status when clients reach it through `service`.
pub fn addresses(service: &Service) -> Vec<IngressLoadBalancerIngress> {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let given = status.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    given
        .map(|given| IngressLoadBalancerIngress { hostname: given.hostname.clone(), ip: given.ip.clone(), ports: None })
        .collect()
}

/// Whether an Ingress names a class of weir's; without a name, whether weir's class is the default.
pub fn is_ours(ingress: &Ingress, world: &World) -> bool {
    let annotation = || ingress.annotations().get("kubernetes.io/ingress.class").map(String::as_str);
    let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref()).or_else(annotation);
    let is_weir =
        |class: &IngressClass| class.spec.as_ref().is_some_and(|spec| spec.controller.as_deref() == Some(CONTROLLER));
    let is_default = |class: &IngressClass| {
        class.annotations().get("ingressclass.kubernetes.io/is-default-class").is_some_and(|value| value == "true")
    };
    match class {
        Some(name) => world.ingress_classes.get("", name).is_some_and(|class| is_weir(class)),
        None => world.ingress_classes.iter().any(|(_, class)| is_weir(class) && is_default(class)),
    }
}

/// An Ingress, and what it wants.
struct Claim<'a> {
    key: &'a Key,
    ingress: &'a Ingress,
    canary: Option<(Canary, Vec<String>)>,
}

impl<'a> Claim<'a> {
    fn new(key: &'a Key, ingress: &'a Ingress) -> Self {
        Self { key, ingress, canary: Canary::read(ingress.annotations()) }
    }

    /// Each path with its host, empty for all hosts. The default backend is a path of all hosts.
    fn paths(&self) -> Vec<(&'a str, HTTPIngressPath)> {
        let Some(spec) = &self.ingress.spec else { return Vec::new() };
        let rules = spec.rules.iter().flatten();
        let mut paths: Vec<_> = rules
            .flat_map(|rule| {
                let host = rule.host.as_deref().unwrap_or_default();
                rule.http.iter().flat_map(move |http| http.paths.iter().map(move |path| (host, path.clone())))
            })
            .collect();
        if let Some(backend) = &spec.default_backend {
            let path = HTTPIngressPath { backend: backend.clone(), path: None, path_type: "Prefix".to_owned() };
            paths.push(("", path));
        }
        paths
    }

    fn secrets(&self) -> Vec<Key> {
        let tls = self.ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
        tls.filter_map(|tls| Some(Key::new(&self.key.namespace, tls.secret_name.clone()?))).collect()
    }
}

/// Who owns what.
struct Table<'a, 'f> {
    find: FindBackend<'f>,
    /// The oldest claim of each host.
    owners: BTreeMap<&'a str, &'a Key>,
    rules: Vec<Rule<'a>>,
    problems: &'f mut BTreeMap<Key, Vec<String>>,
}

impl<'a> Table<'a, '_> {
    fn claim(&mut self, claim: &Claim<'a>) {
        for (host, path) in claim.paths() {
            let owner = *self.owners.entry(host).or_insert(claim.key);
            if owner.namespace != claim.key.namespace {
                self.tell(claim, format!("{} belongs to Ingress {owner}, which is older", shown(host)));
                continue;
            }
            let place = Place::new(host, &path);
            if let Some(rule) = self.rules.iter().find(|rule| rule.place == place) {
                let told = format!("{place} belongs to Ingress {}, which is older", rule.key);
                self.tell(claim, told);
                continue;
            }
            let Some(stable) = self.backend(claim, &path.backend) else { continue };
            self.rules.push(Rule { key: claim.key, place, stable, canary: None });
        }
    }

    fn add_canary(&mut self, claim: &Claim<'a>) {
        let Some((canary, problems)) = &claim.canary else { return };
        problems.iter().for_each(|problem| self.tell(claim, problem.clone()));
        for (host, path) in claim.paths() {
            let place = Place::new(host, &path);
            let same = |rule: &Rule<'_>| rule.place == place && rule.key.namespace == claim.key.namespace;
            let Some(index) = self.rules.iter().position(same) else {
                self.tell(
                    claim,
                    format!("there is nothing to be a canary of: no Ingress of this namespace has {place}"),
                );
                continue;
            };
            if let Some((other, ..)) = &self.rules[index].canary {
                let told = format!("{place} has a canary, Ingress {}: there is one for each path", other);
                self.tell(claim, told);
                continue;
            }
            if let Some(backend) = self.backend(claim, &path.backend) {
                self.rules[index].canary = Some((claim.key, canary.clone(), backend));
            }
        }
    }

    fn backend(&mut self, claim: &Claim<'_>, backend: &IngressBackend) -> Option<Name> {
        let Some(service) = &backend.service else {
            self.tell(claim, "a backend that is not a Service is not served".to_owned());
            return None;
        };
        let port = service.port.clone().unwrap_or_default();
        let target = (self.find)(&Key::new(&claim.key.namespace, &service.name), &port);
        if let Some(problem) = target.problem {
            self.tell(claim, problem);
        }
        Some(target.backend)
    }

    fn tell(&mut self, claim: &Claim<'_>, problem: String) {
        let problems = self.problems.entry(claim.key.clone()).or_default();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

/// A host and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place<'a> {
    host: &'a str,
    path: String,
    exact: bool,
}

impl<'a> Place<'a> {
    /// `ImplementationSpecific` is a prefix here.
    fn new(host: &'a str, path: &HTTPIngressPath) -> Self {
        let text = path.path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
        Self { host, path: text, exact: path.path_type == "Exact" }
    }

    fn matching(&self) -> Match {
        let path = match self.exact {
            true => PathMatch::Kind(PathMatchKind::Exact(self.path.clone())),
            false => PathMatch::Prefix(self.path.clone()),
        };
        let host = (!self.host.is_empty()).then(|| self.host.to_owned());
        Match { host, single_label: self.host.starts_with("*."), path: Some(path), ..Match::default() }
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "path {} of {}", self.path, shown(self.host))
    }
}

/// A path with its backend, and the canary of it.
struct Rule<'a> {
    key: &'a Key,
    place: Place<'a>,
    stable: Name,
    canary: Option<(&'a Key, Canary, Name)>,
}

impl Rule<'_> {
    /// Those who choose by a field, those who choose by a cookie, all others: equally specific routes count in this order.
    fn routes(&self) -> Vec<(Key, Route)> {
        let mut routes = Vec::new();
        if let Some((key, canary, backend)) = &self.canary {
            let [always, never] = [backend, &self.stable];
            if let Some(header) = &canary.header {
                for (value, to) in header_values(&header.rule) {
                    routes.push(self.chosen(key, &header.name, value, if to { always } else { never }));
                }
            }
            if let Some([to_canary, to_stable]) = canary.cookie_patterns() {
                routes.push(self.chosen(key, "cookie", regex(to_canary), always));
                routes.push(self.chosen(key, "cookie", regex(to_stable), never));
            }
        }
        let mut rest = Route { matching: Some(self.place.matching()), ..Route::default() };
        match self.canary.as_ref().filter(|(_, canary, _)| canary.weight > Ratio::ZERO) {
            Some((_, canary, backend)) => {
                let shares = [(&self.stable, canary.weight.complement()), (backend, canary.weight)];
                rest.backends = Some(shares.map(|(name, share)| weighted(name, share)).into());
            }
            None => rest.backend = Some(self.stable.clone()),
        }
        routes.push((self.key.clone(), rest));
        routes
    }

    fn chosen(&self, key: &Key, field: &str, value: ValueMatch, backend: &Name) -> (Key, Route) {
        let mut matching = self.place.matching();
        matching.headers.insert(field.to_owned(), value);
        (key.clone(), Route { matching: Some(matching), backend: Some(backend.clone()), ..Route::default() })
    }
}

/// The values of a field that decide, and whether for the canary.
fn header_values(rule: &HeaderRule) -> Vec<(ValueMatch, bool)> {
    match rule {
        HeaderRule::AlwaysNever => {
            vec![(ValueMatch::Exact(ALWAYS.to_owned()), true), (ValueMatch::Exact(NEVER.to_owned()), false)]
        }
        HeaderRule::Value(value) => vec![(ValueMatch::Exact(value.clone()), true)],
        HeaderRule::Pattern(pattern) => vec![(regex(HeaderRule::whole_pattern(pattern)), true)],
    }
}

fn regex(pattern: String) -> ValueMatch {
    ValueMatch::Kind(ValueMatchKind::Regex(pattern))
}

fn weighted(name: &Name, share: Ratio) -> WeightedBackend {
    // A share has no more parts than a weight may have.
    WeightedBackend::new(name.clone(), Weight::new(share.ppm()).unwrap_or_default())
}

/// Routes of one Ingress get a number, from 1.
fn name_routes(origins: &[Key], routes: &mut [Route]) {
    let mut counts: BTreeMap<&Key, u32> = BTreeMap::new();
    for (key, route) in origins.iter().zip(routes) {
        let count = counts.entry(key).or_default();
        *count += 1;
        route.name = format!("ingress/{key}/{count}").parse().ok();
    }
}

/// A host for people.
fn shown(host: &str) -> String {
    if host.is_empty() { "every host".to_owned() } else { format!("host {host}") }
}

#[cfg(test)]
mod tests;
