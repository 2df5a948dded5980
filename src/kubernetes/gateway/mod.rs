//! The Gateway API: pure translation of its objects.
//!
//! [`listeners`] says which listeners a Gateway has, [`routes`] which routes attach to them, [`rules`] with [`filters`] and
//! [`targets`] what their rules mean, [`emit`] makes listeners and routes of the configuration of that, and [`status`] the
//! conditions. What is wrong with one object is told in its conditions, and keeps nothing else from being served.

pub mod api;
pub mod clients;
pub mod conditions;
pub mod emit;
pub mod features;
pub mod filters;
pub mod grants;
pub mod hostname;
pub mod listeners;
pub mod policies;
pub mod queue;
pub mod routes;
pub mod rules;
pub mod status;
pub mod targets;
pub mod tls;

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Draft, Origin, Rejected};
use super::services;
use super::settings::Settings;
use super::world::{Key, World};
use conditions::Refused;
use emit::{Emitted, Ports};
use k8s_openapi::jiff::Timestamp;
use listeners::{Front, front};
use policies::Policies;
use routes::{AnyRoute, Place};
use status::{ParentVerdict, Statuses};
use targets::Targets;

/// Adds everything of the Gateway API to `draft`.
pub fn translate(world: &World, settings: &Settings, rejected: &Rejected, now: Timestamp, draft: &mut Draft) {
    let classes = world.gateway_classes.iter().filter(|(_, class)| class.spec.controller_name == settings.controller);
    let classes: Vec<&Key> = classes.map(|(key, _)| key).collect();
    let is_weirs = |class: &str| classes.iter().any(|key| key.name == class);
    let gateways = world.gateways.iter().filter(|(_, gateway)| is_weirs(&gateway.spec.gateway_class_name));
    let mut fronts: Vec<Front<'_>> =
        gateways.map(|(key, gateway)| front(world, key, gateway, &mut draft.files)).collect();
    let mut ports = services::assigned(world, &fronts);
    ports.retain(|(gateway, _), _| !rejected.contains_key(&Origin::gateway(gateway)));
    for front in fronts.iter().filter(|front| front.refused.is_some()) {
        ports.retain(|(gateway, _), _| gateway != front.key);
    }

    let policies = Policies::of(world, &mut draft.files);
    let mut targets = Targets::new(world, &policies);
    let mut statuses = Statuses::new(world, &settings.controller, now);
    let mut users = Users::default();
    for route in routes::all(world) {
        let work = RouteWork { world, ports: &ports, rejected, route: &route };
        work.translate(&mut fronts, &mut targets, &mut statuses, &mut users, draft);
    }
    draft.file.listeners.extend(emit::listeners(&fronts, &ports, settings.address));
    draft.listener_origins.extend(draft.file.listeners.iter().map(|listener| gateway_of(listener.name.as_str())));
    draft.file.backends.extend(targets.backends);
    draft.problems.extend(targets.problems.into_iter().map(|(key, told)| (Origin::service(&key), told)));

    classes.iter().for_each(|key| statuses.class(key));
    fronts.iter().for_each(|front| statuses.front(front, rejected.get(&Origin::gateway(front.key))));
    for (key, verdict) in &policies.verdicts {
        let gateways: BTreeSet<Key> = verdict.services.iter().flat_map(|service| users.of(service)).collect();
        statuses.policy(key, verdict, gateways.into_iter());
    }
    draft.statuses.extend(statuses.writes);
    draft.applies.extend(services::services(world, &fronts, settings));
    draft.applies.extend(services::slices(world, &fronts, settings));
    draft.deletes.extend(services::leftovers(world, settings));
}

/// The Gateways that send to each Service.
#[derive(Debug, Default)]
struct Users(BTreeMap<Key, BTreeSet<Key>>);

impl Users {
    fn add(&mut self, services: BTreeSet<Key>, gateways: &BTreeSet<Key>) {
        for service in services {
            self.0.entry(service).or_default().extend(gateways.iter().cloned());
        }
    }

    fn of(&self, service: &Key) -> impl Iterator<Item = Key> {
        self.0.get(service).into_iter().flatten().cloned()
    }
}

/// One route, and what it is translated among.
struct RouteWork<'a> {
    world: &'a World,
    ports: &'a Ports,
    rejected: &'a Rejected,
    route: &'a AnyRoute<'a>,
}

impl RouteWork<'_> {
    fn translate(
        &self,
        fronts: &mut [Front<'_>],
        targets: &mut Targets<'_>,
        statuses: &mut Statuses<'_>,
        users: &mut Users,
        draft: &mut Draft,
    ) {
        let origin = Origin { kind: self.route.kind, key: self.route.key.clone() };
        let rejected = self.rejected.get(&origin);
        let (verdicts, places) = self.attach(fronts, rejected);
        if verdicts.is_empty() && self.route.status.is_none_or(|status| status.parents.is_empty()) {
            return;
        }
        for place in &places {
            let attached = &mut fronts[place.front].listeners[place.listener].attached;
            attached.insert((self.route.kind, self.route.key.clone()));
        }
        let emitted = match verdicts.is_empty() {
            true => Emitted::default(),
            false => emit::routes(self.route, &places, fronts, self.ports, targets),
        };
        statuses.route(self.route, &verdicts, &emitted);
        let gateways: BTreeSet<Key> = places.iter().map(|place| fronts[place.front].key.clone()).collect();
        users.add(targets.take_referred(), &gateways);
        draft.route_origins.extend(emitted.routes.iter().map(|_| origin.clone()));
        draft.file.routes.extend(emitted.routes);
    }

    /// What becomes of it at each parent that is weir's, and the listeners that it is attached to.
    fn attach(&self, fronts: &[Front<'_>], rejected: Option<&Refused>) -> (Vec<ParentVerdict<'_>>, Vec<Place>) {
        let (mut verdicts, mut places) = (Vec::new(), Vec::new());
        for parent in self.route.parents {
            let Some(attached) = routes::attach(self.route, parent, fronts, self.world) else { continue };
            let attached = rejected.map_or(attached, |why| Err(why.clone()));
            let refused = match attached {
                Ok(found) => {
                    places.extend(found);
                    None
                }
                Err(refused) => Some(refused),
            };
            verdicts.push(ParentVerdict { parent, refused });
        }
        (verdicts, places)
    }
}

/// The Gateway of a listener, whose name begins with it.
fn gateway_of(listener: &str) -> Origin {
    let mut parts = listener.split('/').map(str::to_owned);
    Origin::gateway(&Key::new(parts.next().unwrap_or_default(), parts.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
