//! The rules to play by: a release's, from a configuration, or from a file with nothing but its policy.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::analysis::Policy;
use crate::analysis::trace::Routing;
use crate::config::schema::Preset;
use crate::config::{self, Loaded, Resolved, schema};
use crate::rollout::Spec;
use crate::snapshot::{Leaves, Release};

/// What to play by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    pub(super) spec: Spec,
    pub(super) judge_latency: bool,
    pub(super) routing: Routing,
}

/// A file with nothing but a policy.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fragment {
    #[serde(default)]
    analysis: Value,
    #[serde(default)]
    steps: Value,
    #[serde(default)]
    start_by_traffic: Value,
}

/// A preset by its name.
pub(super) fn preset(name: &str) -> Result<Preset, String> {
    serde_json::from_value(json!(name)).map_err(|_| "there are careful, standard and fast".to_owned())
}

impl Rules {
    /// Those of a preset.
    pub(super) fn of_preset(preset: Preset) -> anyhow::Result<Self> {
        Self::of(&fragment(Fragment { analysis: json!({ "preset": preset }), ..Fragment::default() })?, None)
    }

    /// Those of `release` in the file at `path`; the defaults without one.
    pub(super) fn load(path: Option<&Path>, release: Option<&str>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Self::of(&fragment(Fragment::default())?, None) };
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
        let value: Value = serde_saphyr::from_str(&text).unwrap_or_default();
        if value.get("releases").is_some() || value.get("listeners").is_some() {
            return Self::of(&config::parse(path, text).map_err(|problems| anyhow!("{problems}"))?, release);
        }
        let read: Fragment = serde_saphyr::from_str(&text).map_err(|error| {
            anyhow!("{name} is neither a configuration nor a policy (`analysis`, `steps`, `startByTraffic`): {error}")
        })?;
        Self::of(&fragment(read).with_context(|| name.to_string())?, None)
    }

    fn of(loaded: &Loaded, release: Option<&str>) -> anyhow::Result<Self> {
        let compiled = config::compile(loaded, &Leaves::new(1), &Resolved::new(), 1);
        let releases = compiled.map_err(|problems| anyhow!("{problems}"))?.snapshot.releases.clone();
        let names = || releases.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let found: Option<&Arc<Release>> = match release {
            Some(name) => releases.values().find(|release| release.name.as_str() == name),
            None if releases.len() > 1 => bail!("--release says which: {}", names()),
            None => releases.values().next(),
        };
        let found = found.ok_or_else(|| anyhow!("no such release; there are: {}", names()))?;
        let routing = if found.affinity.is_some() { Routing::Sticky } else { Routing::Request };
        let mut spec = found.spec.clone();
        // Only what users meet is played.
        spec.mirror_first = None;
        // Nobody is there to approve.
        spec.steps.iter_mut().for_each(|step| step.pause = false);
        Ok(Self { policy: found.policy.clone(), spec, judge_latency: found.judge_latency, routing })
    }
}

/// A configuration around a policy.
fn fragment(fragment: Fragment) -> anyhow::Result<Loaded> {
    let mut release = json!({ "stable": "stable", "canary": "canary" });
    let Fragment { analysis, steps, start_by_traffic } = fragment;
    for (key, value) in [("analysis", analysis), ("steps", steps), ("startByTraffic", start_by_traffic)] {
        if !value.is_null() {
            release[key] = value;
        }
    }
    let backend = json!({ "endpoints": ["127.0.0.1:1"] });
    let file = json!({
        "listeners": [{ "name": "simulated", "address": "127.0.0.1:80" }],
        "routes": [{ "release": "simulated" }],
        "backends": { "stable": backend, "canary": backend },
        "releases": { "simulated": release },
    });
    let file: schema::File = serde_json::from_value(file)?;
    Ok(Loaded::from_file(file, "the policy"))
}
