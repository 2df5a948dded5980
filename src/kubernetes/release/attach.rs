//! Releases into the configuration: a route that names a Service with a `CanaryRelease` gets the release as its target,
//! without being edited; one that shares its requests among several Services, in the Service's place with its weight. Pure.
//!
//! For each such Service and port there is a release of the configuration that follows the one of the `CanaryRelease` (or of
//! its group), so all of them move together.

mod sides;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use self::sides::Sides;
use super::crd::{CanaryRelease, Override};
use super::{leader, name_of, part, rival};
use crate::config::schema::{self, Backend, File, Release, Route, Step, WeightedBackend};
use crate::kubernetes::world::{Key, World};
use crate::types::Name;

/// Puts the releases of `world` into `file`, whose backends are those of Services: `namespace/service/port`. Which releases
/// have a route to them. Of those that `is_bad` says cannot be compiled, stable alone is served.
pub fn attach(world: &World, file: &mut File, is_bad: &dyn Fn(&Key) -> bool) -> BTreeSet<Key> {
    let places = Places::of(file);
    let mut ours = BTreeSet::new();
    for (key, release) in world.canary_releases.iter().filter(|(key, _)| rival(world, key).is_none()) {
        let judged = !is_bad(&leader(world, key));
        if (Attaching { world, places: &places, file: &mut *file, key, release, judged }.all()) {
            ours.insert(key.clone());
        }
    }
    ours
}

/// A configuration of nothing but the rules of the release at `key`, to see whether they can be compiled before there is a
/// canary; `None` when it is not its own that count, but those of its group.
pub fn alone(world: &World, key: &Key) -> Option<File> {
    let release = world.canary_releases.at(key).filter(|_| leader(world, key) == *key)?;
    let (name, stable, canary) = (name_of(key)?, "stable".parse::<Name>().ok()?, "canary".parse::<Name>().ok()?);
    let mut file = File::default();
    let attaching = Attaching { world, places: &Places::default(), file: &mut file, key, release, judged: true };
    let rules = attaching.rules(release, between(stable.clone(), canary.clone()));
    let nowhere = || Backend { endpoints: vec!["127.0.0.1:1".to_owned()], ..Backend::default() };
    file.backends.extend([(stable, nowhere()), (canary, nowhere())]);
    file.releases.insert(name, rules);
    Some(file)
}

/// Where each Service is in a configuration.
#[derive(Default)]
struct Places {
    /// Its backends, by its namespace and name.
    backends: BTreeMap<Key, Vec<Name>>,
    /// The routes that send to a backend.
    routes: BTreeMap<Name, BTreeSet<usize>>,
}

impl Places {
    fn of(file: &File) -> Self {
        let mut places = Self::default();
        for name in file.backends.keys() {
            if let Some(service) = service_of(name) {
                places.backends.entry(service).or_default().push(name.clone());
            }
        }
        for (index, route) in file.routes.iter().enumerate() {
            for name in sends_to(route) {
                places.routes.entry(name.clone()).or_default().insert(index);
            }
        }
        places
    }
}

/// The backends that `route` sends to.
fn sends_to(route: &Route) -> impl Iterator<Item = &Name> {
    route.backends.iter().flatten().filter_map(|one| one.name.as_ref()).chain(&route.backend)
}

/// The Service that `backend` is of: `namespace/service/port`.
fn service_of(backend: &Name) -> Option<Key> {
    let mut parts = backend.as_str().split('/');
    let (namespace, service, port) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && port.parse::<u16>().is_ok();
    whole.then(|| Key::new(namespace, service))
}

/// One release on its way into the configuration.
struct Attaching<'a> {
    world: &'a World,
    places: &'a Places,
    file: &'a mut File,
    key: &'a Key,
    release: &'a CanaryRelease,
    /// Whether the canary gets its share; without a judge it gets nothing.
    judged: bool,
}

impl Attaching<'_> {
    /// Every Service that belongs to the release; whether a route leads to one.
    fn all(&mut self) -> bool {
        let Some((services, sides)) = Sides::of(self.world, self.key, self.release) else { return false };
        let places = self.places;
        let backends = services.iter().filter_map(|service| places.backends.get(service)).flatten();
        let mut any = false;
        for name in backends {
            any |= self.one(name, &sides);
        }
        any
    }

    /// The backend `name` of a Service that belongs to the release; whether a route leads to it.
    fn one(&mut self, name: &Name, sides: &Sides) -> bool {
        let Some(whole) = self.file.backends.get(name).cloned() else { return false };
        let port = name.as_str().rsplit('/').next().and_then(|port| port.parse().ok()).unwrap_or_default();
        let (stable, canary) = sides.split(self.world, &whole, port);
        let keeps_all = !self.judged && stable.endpoints.is_empty();
        if let Some(backend) = self.file.backends.get_mut(name).filter(|_| !keeps_all) {
            backend.endpoints.clone_from(&stable.endpoints);
        }
        let routes = self.routes(name, sides);
        let Some(versions) = sides.versions.as_ref().filter(|_| self.judged && !routes.is_empty()) else {
            return !routes.is_empty();
        };
        let (Some(stable_name), Some(canary_name), Some(leading)) =
            (join(name, &versions.0), join(name, &versions.1), name_of(&leader(self.world, self.key)))
        else {
            return false;
        };
        self.lead(&leading, sides, (&stable, &canary));
        self.file.backends.insert(stable_name.clone(), stable);
        self.file.backends.insert(canary_name.clone(), canary);
        let following = Release { follows: Some(leading), ..between(stable_name, canary_name) };
        self.file.releases.insert(name.clone(), following);
        for index in routes {
            lead_to(&mut self.file.routes[index], name);
        }
        true
    }

    /// The places of the routes that send to the backend `name`, and leave it to the release who gets what.
    fn routes(&self, name: &Name, sides: &Sides) -> Vec<usize> {
        let canary = sides.other_service(&self.key.namespace);
        // Another release may have the Service by now: whichever is first keeps it.
        let takes = |route: &Route| sends_to(route).any(|one| one == name) && !shares_by_hand(route, canary.as_deref());
        let routes = self.places.routes.get(name).into_iter().flatten().copied();
        routes.filter(|index| takes(&self.file.routes[*index])).collect()
    }

    /// The release that the others follow: no route leads to it.
    fn lead(&mut self, leading: &Name, sides: &Sides, (stable, canary): (&Backend, &Backend)) {
        let Some(versions) = &sides.versions else { return };
        if self.file.releases.contains_key(leading) {
            return;
        }
        let leader = leader(self.world, self.key);
        let Some(release) = self.world.canary_releases.at(&leader) else { return };
        let (Some(stable_name), Some(canary_name)) = (join(leading, &versions.0), join(leading, &versions.1)) else {
            return;
        };
        let written = between(stable_name.clone(), canary_name.clone());
        self.file.releases.insert(leading.clone(), self.rules(release, written));
        self.file.backends.insert(stable_name, stable.clone());
        self.file.backends.insert(canary_name, canary.clone());
    }

    /// What `written` is judged by, and which rollout it is.
    fn rules(&self, release: &CanaryRelease, written: Release) -> Release {
        let spec = &release.spec;
        Release {
            revision: Some(rollout(self.world, self.key)),
            steps: spec.steps.as_ref().map(|steps| steps.iter().cloned().map(Step::Full).collect()),
            mirror_first: spec.mirror_first.clone(),
            start_by_traffic: spec.start_by_traffic,
            hold_back: spec.hold_back,
            affinity: spec.affinity.as_ref().and_then(Into::into),
            overrides: spec.overrides.iter().map(|one| self.tester(one)).collect(),
            analysis: spec.analysis.clone().unwrap_or_default(),
            checks: spec.checks.clone(),
            ..written
        }
    }

    fn tester(&self, written: &Override) -> schema::Override {
        let secret = |wanted: &super::crd::SecretKey| {
            let secret = self.world.testers.get(&self.key.namespace, &wanted.name)?;
            String::from_utf8(secret.data.as_ref()?.get(&wanted.key)?.0.clone()).ok()
        };
        let value = written.value_from.as_ref().map(|wanted| secret(wanted).unwrap_or_default().trim().to_owned());
        // A secret that is not there (yet) lets nobody choose.
        let nobody = value.as_ref().is_some_and(|value| value.len() < MIN_SECRET);
        schema::Override {
            to: written.to,
            header: written.header.clone(),
            cookie: written.cookie.clone(),
            value: value.filter(|_| !nobody),
            value_file: None,
            from: if nobody { vec![NOBODY] } else { written.from.clone() },
        }
    }
}

/// Which rollout the release at `key` (or its group) is in: what begins a new one, in one text.
fn rollout(world: &World, key: &Key) -> String {
    let members = super::members(world, key);
    members.into_iter().map(|(_, release)| part(release)).collect::<Vec<_>>().join("+")
}

fn between(stable: Name, canary: Name) -> Release {
    Release {
        stable,
        canary,
        follows: None,
        revision: None,
        steps: None,
        mirror_first: None,
        start_by_traffic: None,
        hold_back: None,
        affinity: None,
        overrides: Vec::new(),
        analysis: schema::Analysis::default(),
        checks: Vec::new(),
    }
}

/// What `route` sends to the backend `name` is the release's of that name to share.
fn lead_to(route: &mut Route, name: &Name) {
    let shares = |one: &WeightedBackend| one.name.as_ref() == Some(name);
    let all = |split: &[WeightedBackend]| match split {
        [one] => shares(one) && one.weight.value() > 0 && one.filters == Default::default(),
        _ => false,
    };
    if route.backend.as_ref() == Some(name) || route.backends.as_deref().is_some_and(all) {
        (route.backend, route.backends, route.release) = (None, None, Some(name.clone()));
    }
    for one in route.backends.iter_mut().flatten().filter(|one| shares(one)) {
        (one.name, one.release) = (None, Some(name.clone()));
    }
}

/// Whether `route` gives a share of its own to the Service of the canary, the names of whose backends begin with `canary`:
/// then it is shared by hand, and left alone.
fn shares_by_hand(route: &Route, canary: Option<&str>) -> bool {
    let is_it = |one: &WeightedBackend| {
        let (name, canary) = (one.name.as_ref()?, canary?);
        name.as_str().strip_prefix(canary)?.parse::<u16>().ok()
    };
    route.backends.iter().flatten().any(|one| one.weight.value() > 0 && is_it(one).is_some())
}

fn join(name: &Name, version: &str) -> Option<Name> {
    format!("{name}/{version}").parse().ok()
}

/// As the configuration asks of a tester's secret.
const MIN_SECRET: usize = 16;

/// An address that no client has.
const NOBODY: IpNet = IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(0, 0, 0, 0), 32));

#[cfg(test)]
mod tests;
