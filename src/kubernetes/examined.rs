//! Whether the rules of releases can be compiled, found out when they are written and not when the first canary comes. Pure.

use std::collections::BTreeMap;

use super::gateway::conditions::Refused;
use super::plan::{Origin, Rejected, what_is_wrong};
use super::release::{CanaryRelease, alone};
use super::world::{Key, World};
use crate::config::{Loaded, Resolved, compile};
use crate::snapshot::Leaves;

/// What was found, so that nothing is looked at twice.
#[derive(Debug, Default)]
pub struct Examined {
    found: BTreeMap<Key, (Version, Option<Refused>)>,
}

/// Another text has another one.
type Version = (Option<String>, Option<i64>);

impl Examined {
    /// Looks at the releases of `world` that have not been seen so.
    pub fn look(&mut self, world: &World) {
        self.found.retain(|key, _| world.canary_releases.at(key).is_some());
        for (key, release) in world.canary_releases.iter() {
            let version = version(release);
            if self.found.get(key).is_none_or(|(before, _)| *before != version) {
                self.found.insert(key.clone(), (version, problem(world, key)));
            }
        }
    }

    /// Those that cannot be compiled.
    pub fn rejected(&self) -> Rejected {
        let bad = self.found.iter().filter_map(|(key, (_, refused))| Some((Origin::release(key), refused.clone()?)));
        bad.collect()
    }
}

fn version(release: &CanaryRelease) -> Version {
    (release.metadata.uid.clone(), release.metadata.generation)
}

fn problem(world: &World, key: &Key) -> Option<Refused> {
    let loaded = Loaded::from_file(alone(world, key)?, "the cluster");
    let problems = compile(&loaded, &Leaves::new(1), &Resolved::new(), 0).err()?;
    let section = format!("releases.{key}");
    let mut errors = problems.list.iter().filter(|problem| problem.severity == crate::config::Severity::Error);
    errors.find(|problem| problem.path.starts_with(&section)).map(|problem| what_is_wrong(problem, Some(key)))
}

#[cfg(test)]
mod tests;
