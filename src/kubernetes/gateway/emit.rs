//! From attached routes to listeners and routes of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::conditions::Refused;
use super::grants::Referrer;
use super::listeners::{Bound, Front};
use super::routes::{AnyRoute, Place};
use super::rules::{self, Served};
use super::targets::{Targets, name};
use crate::config::schema::{Listener, ListenerTls, Match, Route, TlsVersion};
use crate::kubernetes::world::Key;
use crate::types::Name;

/// The ports that weir serves: by Gateway and by the port of its Service, the port inside of weir's pods.
pub type Ports = BTreeMap<(Key, u16), u16>;

/// A listener, by the number of its Gateway and its own in there.
type Door = (usize, usize);

/// The hosts that a route has at each listener.
type Doors = BTreeMap<Door, BTreeSet<Option<String>>>;

/// The listeners of the configuration: those that are served, at the port that the Gateway's Service leads to.
pub fn listeners(fronts: &[Front<'_>], ports: &Ports, address: IpAddr) -> Vec<Listener> {
    let of_front = |front: &Front<'_>| {
        let served = front.listeners.iter().filter(|bound| bound.is_served());
        served.filter_map(|bound| listener(front.key, bound, ports, address)).collect::<Vec<_>>()
    };
    fronts.iter().flat_map(of_front).collect()
}

fn listener(gateway: &Key, bound: &Bound<'_>, ports: &Ports, address: IpAddr) -> Option<Listener> {
    let target = *ports.get(&(gateway.clone(), bound.spec.port))?;
    let certificates = bound.certificates.clone();
    let tls = bound.is_https().then(|| ListenerTls {
        certificates,
        min_version: TlsVersion::default(),
        client_certificates: bound.clients.clone(),
    });
    Some(Listener {
        name: door_name(gateway, bound)?,
        address: (address, target).into(),
        host: bound.hostname().map(str::to_owned),
        public_port: Some(bound.spec.port),
        tls,
        trusted_proxies: Vec::new(),
    })
}

/// A rule's routes, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Emitted {
    /// The routes of the configuration.
    pub routes: Vec<Route>,
    /// The rules that weir cannot do; their requests get 500.
    pub refused: Vec<Refused>,
    /// References that lead nowhere.
    pub unresolved: Vec<Refused>,
}

/// The routes of the configuration that one route of the cluster makes.
pub fn routes(
    route: &AnyRoute<'_>,
    places: &[Place],
    fronts: &[Front<'_>],
    ports: &Ports,
    targets: &mut Targets<'_>,
) -> Emitted {
    let mut emitted = Emitted::default();
    let mut speakers: BTreeMap<Option<usize>, Vec<Place>> = BTreeMap::new();
    for place in places {
        let speaks = matches!(fronts[place.front].identity, Some(Ok(_)));
        speakers.entry(speaks.then_some(place.front)).or_default().push(place.clone());
    }
    if speakers.is_empty() {
        speakers.insert(None, Vec::new());
    }
    let alone = speakers.len() == 1;
    for (speaker, places) in speakers {
        targets.speak_as(speaker.and_then(|front| fronts[front].identity()));
        of_speaker(route, &doors(&places, fronts, ports), alone, fronts, targets, &mut emitted);
    }
    targets.speak_as(None);
    emitted
}

/// Adds the routes for listeners whose Gateways speak alike to backends.
fn of_speaker(
    route: &AnyRoute<'_>,
    doors: &Doors,
    alone: bool,
    fronts: &[Front<'_>],
    targets: &mut Targets<'_>,
    emitted: &mut Emitted,
) {
    let from = Referrer { kind: route.kind, namespace: &route.key.namespace };
    let (mut refusals, mut unresolved) = (Vec::new(), Vec::new());
    for (index, rule) in route.rules.iter().enumerate() {
        let served = match rules::serve(rule, from, targets) {
            Ok(served) => served,
            Err(refused) => {
                refusals.push(refused);
                rules::refused(rule, targets)
            }
        };
        unresolved.extend(served.unresolved.iter().cloned());
        emitted.routes.extend(of_rule(&base_name(route, index), &served, doors, alone, fronts));
    }
    emitted.refused = refusals;
    emitted.unresolved = unresolved;
}

/// For each listener that is served the hosts that a route has there.
fn doors(places: &[Place], fronts: &[Front<'_>], ports: &Ports) -> Doors {
    let mut doors = Doors::new();
    for place in places {
        let front = &fronts[place.front];
        let bound = &front.listeners[place.listener];
        if bound.is_served() && ports.contains_key(&(front.key.clone(), bound.spec.port)) {
            doors.entry((place.front, place.listener)).or_default().extend(place.hosts.iter().cloned());
        }
    }
    doors
}

/// One route for all listeners where it has the same hosts.
fn of_rule(base: &str, served: &Served, doors: &Doors, alone: bool, fronts: &[Front<'_>]) -> Vec<Route> {
    let mut groups: BTreeMap<&BTreeSet<Option<String>>, Vec<Name>> = BTreeMap::new();
    for (&(front, listener), hosts) in doors {
        let front = &fronts[front];
        groups.entry(hosts).or_default().extend(door_name(front.key, &front.listeners[listener]));
    }
    let alone = alone && groups.len() == 1;
    let route = |(hosts, listeners): (&BTreeSet<Option<String>>, Vec<Name>)| {
        let mut route = served.route.clone();
        let full = if alone { base.to_owned() } else { format!("{base}/{}", listeners.first()?) };
        route.name = Some(name(&full)?);
        route.matches = Some(with_hosts(&served.matches, hosts));
        route.listeners = Some(listeners);
        Some(route)
    };
    groups.into_iter().filter_map(route).collect()
}

fn with_hosts(matches: &[Match], hosts: &BTreeSet<Option<String>>) -> Vec<Match> {
    let with = |host: &Option<String>, matching: &Match| Match { host: host.clone(), ..matching.clone() };
    hosts.iter().flat_map(|host| matches.iter().map(move |matching| with(host, matching))).collect()
}

/// The name of a listener of the configuration.
fn door_name(gateway: &Key, bound: &Bound<'_>) -> Option<Name> {
    let own = &bound.spec.name;
    name(&bound.set.map_or_else(|| format!("{gateway}/{own}"), |set| format!("{gateway}/{set}/{own}")))
}

/// What the names of a rule's routes begin with: every name is of one rule.
fn base_name(route: &AnyRoute<'_>, rule: usize) -> String {
    match route.kind {
        "HTTPRoute" => format!("{}/{rule}", route.key),
        kind => format!("{}/{}/{rule}", route.key, kind.to_lowercase()),
    }
}
