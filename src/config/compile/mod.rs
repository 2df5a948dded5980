//! From a configuration to a [`Snapshot`]: everything that one value alone cannot tell, checked at once.
//!
//! One file for each section. A section reports what is wrong and goes on with what it can, so that the next one is still
//! looked at; whether the result may be used is asked once, at the end.

mod analysis;
mod backends;
mod checks;
mod clients;
mod cors;
mod filters;
mod listeners;
mod matches;
mod pem;
mod proxy;
mod releases;
mod routes;
mod tls;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::load::Loaded;
use super::problem::{Problem, Problems, Report};
use super::schema::{File, Route};
use super::tree::At;
use crate::route::Router;
use crate::snapshot::{Backend, Leaves, Release, Snapshot};
use crate::types::Name;

pub use backends::hosts;

/// The addresses of the names that endpoints have. A name that is not there has none (yet).
pub type Resolved = HashMap<String, Vec<IpAddr>>;

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Compiled {
    /// To be put in force.
    pub snapshot: Snapshot,
    /// What is odd, but does not stand in the way.
    pub warnings: Problems,
}

/// Where the control surface is. It is bound once, at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address.
    pub address: SocketAddr,
    /// Further names that it answers to.
    pub hosts: Vec<String>,
    /// The file with the token; `None`: weir makes one.
    pub token_file: Option<PathBuf>,
}

/// Where the control surface is, as configured.
pub fn admin(loaded: &Loaded) -> Admin {
    let admin = &loaded.file.admin;
    Admin {
        address: admin.address.unwrap_or(proxy::DEFAULT_ADMIN),
        hosts: admin.hosts.clone(),
        token_file: admin.token_file.as_deref().map(|path| loaded.resolve(path)),
    }
}

/// Threads that serve requests, as configured; `cores` when nothing is.
pub fn workers(loaded: &Loaded, cores: usize) -> usize {
    loaded.file.proxy.workers.map_or(cores, |workers| workers as usize).clamp(1, proxy::MAX_WORKERS)
}

/// Makes the picture that is to be in force, with the leaves that outlive it. Reads certificates, keys and secrets.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn compile(loaded: &Loaded, leaves: &Leaves, resolved: &Resolved, generation: u64) -> Result<Compiled, Problems> {
    let mut report = Report::default();
    let snapshot = Compiler { loaded, leaves, resolved, report: &mut report }.snapshot(generation);
    let failed = report.has_errors();
    let problems = loaded.problems(report);
    if failed { Err(problems) } else { Ok(Compiled { snapshot, warnings: problems }) }
}

/// Adds to `report` what a compile would find, leaving nothing behind.
pub(super) fn check(loaded: &Loaded, report: &mut Report) {
    let (leaves, resolved) = (Leaves::new(1), Resolved::new());
    Compiler { loaded, leaves: &leaves, resolved: &resolved, report }.snapshot(0);
}

/// What all sections need.
struct Compiler<'a> {
    loaded: &'a Loaded,
    leaves: &'a Leaves,
    resolved: &'a Resolved,
    report: &'a mut Report,
}

/// The targets that routes can name.
struct Targets {
    backends: BTreeMap<Name, Arc<Backend>>,
    releases: BTreeMap<Name, Arc<Release>>,
}

impl<'a> Compiler<'a> {
    fn snapshot(mut self, generation: u64) -> Snapshot {
        let backends = self.backends();
        let releases = self.releases(&backends);
        let targets = Targets { backends, releases };
        let listeners = self.listeners();
        let rules = self.routes(&targets);
        self.admin();
        // With errors about, what seems to be unused or the same may only have been misspelt elsewhere.
        if !self.report.has_errors() {
            self.unused();
            self.shadowed();
        }
        Snapshot {
            generation,
            listeners,
            router: Router::new(rules),
            backends: targets.backends,
            releases: targets.releases,
            client: self.client_policy(),
            access_log: self.access_log(),
        }
    }

    fn file(&self) -> &'a File {
        &self.loaded.file
    }

    fn root(&self) -> At<'a> {
        self.loaded.root()
    }

    fn error(&mut self, at: &At<'_>, message: impl Into<String>) -> &mut Problem {
        self.report.error(at, message)
    }

    fn warn(&mut self, at: &At<'_>, message: impl Into<String>) -> &mut Problem {
        self.report.warn(at, message)
    }

    /// Says so when a release or a backend is named by nobody: mostly a route is missing, or a name was changed in one place.
    fn unused(&mut self) {
        let file = self.file();
        let routes = || file.routes.iter();
        let releases: BTreeSet<&Name> = routes().flat_map(Route::releases).collect();
        let mut backends: BTreeSet<&Name> = file.releases.values().flat_map(|r| [&r.stable, &r.canary]).collect();
        backends.extend(routes().filter_map(|route| route.backend.as_ref()));
        let split = routes().flat_map(|route| route.backends.iter().flatten());
        backends.extend(split.filter_map(|branch| branch.name.as_ref()));
        backends.extend(
            routes()
                .flat_map(|route| route.mirror.iter().chain(route.mirrors.iter().flatten()))
                .map(|mirror| &mirror.backend),
        );
        for name in file.releases.keys().filter(|name| !releases.contains(name)) {
            let at = self.root().key("releases").key_itself(name.as_str());
            self.warn(&at, format!("no route leads to the release `{name}`"))
                .help(format!("add a route with `release: {name}`"));
        }
        for name in file.backends.keys().filter(|name| !backends.contains(name)) {
            let at = self.root().key("backends").key_itself(name.as_str());
            self.warn(&at, format!("nothing refers to the backend `{name}`"));
        }
    }
}

#[cfg(test)]
mod tests;
