//! From the world to a plan: the configuration to serve, and everything to write to the API server. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use xxhash_rust::xxh3::Xxh3;

use super::gateway;
use super::gateway::conditions::Refused;
use super::gateway::status::StatusWrite;
use super::ingress;
use super::release::{attach, leader};
use super::services::Apply;
use super::settings::Settings;
use super::world::{Key, World};
use crate::config::schema::{Admin, File, Route};
use crate::config::{Files, Loaded, Problem, Problems};
use crate::types::Name;

/// An object that a part of the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Its kind.
    pub kind: &'static str,
    /// Which one.
    pub key: Key,
}

impl Origin {
    /// A CanaryRelease.
    pub fn release(key: &Key) -> Self {
        Self { kind: "CanaryRelease", key: key.clone() }
    }

    /// A Service.
    pub fn service(key: &Key) -> Self {
        Self { kind: "Service", key: key.clone() }
    }

    /// A Gateway.
    pub fn gateway(key: &Key) -> Self {
        Self { kind: "Gateway", key: key.clone() }
    }
}

/// Objects whose part of the configuration cannot be compiled, and why.
pub type Rejected = BTreeMap<Origin, Refused>;

/// A plan while it is made.
#[derive(Debug, Default)]
pub struct Draft {
    /// The configuration.
    pub file: File,
    /// Certificates and keys, by the paths that the configuration has for them.
    pub files: Files,
    /// Where each route of the configuration comes from.
    pub route_origins: Vec<Origin>,
    /// Where each listener of the configuration comes from.
    pub listener_origins: Vec<Origin>,
    /// Statuses to write.
    pub statuses: Vec<StatusWrite>,
    /// Objects to write.
    pub applies: Vec<Apply>,
    /// Services to delete.
    pub deletes: Vec<Key>,
    /// What is wrong with objects that have no conditions to say it in.
    pub problems: Vec<(Origin, Vec<String>)>,
    /// Releases that have a route to them.
    pub releases: BTreeSet<Key>,
    /// Releases that cannot be compiled, and why.
    pub refused: BTreeMap<Key, Refused>,
}

/// What is to be served and written.
#[derive(Debug)]
pub struct Plan {
    draft: Draft,
}

/// What to do about the world as it is. `rejected` has what is known to be impossible to compile.
pub fn translate(world: &World, settings: &Settings, rejected: &Rejected, now: Timestamp) -> Plan {
    let mut draft = Draft { file: base(settings), ..Draft::default() };
    gateway::translate(world, settings, rejected, now, &mut draft);
    ingress::serve(world, settings, rejected, &mut draft);
    let used: BTreeSet<Name> = draft.file.routes.iter().flat_map(names).collect();
    draft.file.backends.retain(|name, _| used.contains(name));
    let is_bad = |key: &Key| rejected.contains_key(&Origin::release(key));
    // What has no route to it is another weir's, or nobody's.
    let routed = attach(world, &mut draft.file, &is_bad);
    let refused = |key: &Key| Some((key.clone(), rejected.get(&Origin::release(key))?.clone()));
    draft.refused = routed.iter().filter_map(refused).collect();
    draft.releases = routed.into_iter().filter(|key| !is_bad(&leader(world, key))).collect();
    Plan { draft }
}

/// What a problem of the configuration is in the words of the object that it comes from; of a `release`, where in its spec.
pub fn what_is_wrong(problem: &Problem, release: Option<&Key>) -> Refused {
    let rest = release.and_then(|key| problem.path.strip_prefix(&format!("releases.{key}")));
    let path = rest.map_or_else(|| problem.path.clone(), |rest| format!("spec{rest}"));
    Refused::new("UnsupportedValue", format!("{path}: {}", problem.message))
}

/// A configuration that serves nothing but the control surface.
pub fn base(settings: &Settings) -> File {
    let mut file = File {
        admin: Admin {
            address: Some(settings.admin),
            token_file: settings.admin_token_file.clone(),
            ..Admin::default()
        },
        ..File::default()
    };
    file.proxy.workers = settings.workers;
    file
}

/// The backends that a route names.
fn names(route: &Route) -> impl Iterator<Item = Name> {
    let split = route.backends.iter().flatten().filter_map(|branch| branch.name.clone());
    let mirrors = route.mirror.iter().chain(route.mirrors.iter().flatten());
    split.chain(route.backend.clone()).chain(mirrors.map(|mirror| mirror.backend.clone()))
}

impl Plan {
    /// The configuration, to be compiled.
    pub fn loaded(&self) -> Loaded {
        Loaded::from_file(self.draft.file.clone(), "the cluster").with_files(self.draft.files.clone())
    }

    /// What differs when the configuration does, certificates included.
    pub fn digest(&self) -> u128 {
        let mut hasher = Xxh3::new();
        hasher.update(&serde_json::to_vec(&self.draft.file).unwrap_or_default());
        for (path, bytes) in &self.draft.files {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(bytes);
        }
        hasher.digest128()
    }

    /// The objects that a failed compile is due to, with what is wrong; none when it cannot be told.
    pub fn blame(&self, problems: &Problems) -> Rejected {
        let mut rejected = Rejected::new();
        let errors = problems.list.iter().filter(|problem| problem.severity == crate::config::Severity::Error);
        for problem in errors {
            for origin in self.origins(&problem.path) {
                let release = Some(&origin.key).filter(|key| origin == Origin::release(key));
                let refused = what_is_wrong(problem, release);
                rejected.entry(origin).or_insert(refused);
            }
        }
        rejected
    }

    /// The object to leave out when the sockets of `listener` cannot be had, for this reason.
    pub fn blame_listener(&self, listener: &Name, reason: &str) -> Rejected {
        let listeners = self.draft.file.listeners.iter().zip(&self.draft.listener_origins);
        let its = listeners.filter(|(written, _)| written.name == *listener);
        its.map(|(_, origin)| (origin.clone(), Refused::new("UnsupportedValue", reason))).collect()
    }

    /// Where the part of the configuration at `path` comes from.
    fn origins(&self, path: &str) -> Vec<Origin> {
        let index = |section: &str| -> Option<usize> {
            path.strip_prefix(section)?.strip_prefix('[')?.split(']').next()?.parse().ok()
        };
        if let Some(index) = index("routes") {
            return self.draft.route_origins.get(index).cloned().into_iter().collect();
        }
        if let Some(index) = index("listeners") {
            return self.draft.listener_origins.get(index).cloned().into_iter().collect();
        }
        if let Some(rest) = path.strip_prefix("releases.") {
            let is_it = |key: &&Key| rest.starts_with(&format!("{key}.")) || rest == key.to_string();
            return self.draft.releases.iter().filter(is_it).map(Origin::release).collect();
        }
        let Some(rest) = path.strip_prefix("backends.") else { return Vec::new() };
        let is_it = |name: &Name| rest.strip_prefix(name.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        let routes = self.draft.file.routes.iter().zip(&self.draft.route_origins);
        routes.filter(|(route, _)| names(route).any(|name| is_it(&name))).map(|(_, origin)| origin.clone()).collect()
    }

    /// The releases that have a route to them.
    pub fn releases(&self) -> &BTreeSet<Key> {
        &self.draft.releases
    }

    /// Releases that cannot be compiled, and why.
    pub fn refused(&self) -> &BTreeMap<Key, Refused> {
        &self.draft.refused
    }

    /// Statuses to write.
    pub fn statuses(&self) -> &[StatusWrite] {
        &self.draft.statuses
    }

    /// Objects to write.
    pub fn applies(&self) -> &[Apply] {
        &self.draft.applies
    }

    /// Services to delete.
    pub fn deletes(&self) -> &[Key] {
        &self.draft.deletes
    }

    /// What is wrong with objects that have no conditions to say it in.
    pub fn problems(&self) -> &[(Origin, Vec<String>)] {
        &self.draft.problems
    }

    /// The configuration.
    pub fn file(&self) -> &File {
        &self.draft.file
    }
}
