//! The scrape: everything that is counted elsewhere, read at the moment somebody asks.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use super::family::Family;
use super::names::{ALL, BUILD_INFO, ENDPOINT_HEALTHY, LEADER, PANICS, PROCESS_START, RELEASE_COPIES, RELEASE_WEIGHT};
use super::{Decisions, Reloads, decisions, logs, process, traffic};
use crate::balancer;
use crate::clock::{Clock, SystemClock, uptime};
use crate::snapshot::{Current, Leaves, Snapshot};
use crate::types::Timestamp;

/// The media type of [`Metrics::scrape`]'s text.
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// All metrics of one weir.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// How reloads went.
    pub reloads: Arc<Reloads>,
}

impl Metrics {
    /// Over what the workers count in `leaves`, what `current` holds, and what the engine counts, which `decisions` asks at
    /// each scrape, as it asks `leads` whether this weir may raise weights. Starts now: at the start of the process.
    pub fn new(
        current: Arc<Current>,
        leaves: Arc<Leaves>,
        decisions: impl Fn() -> Decisions + Send + Sync + 'static,
        leads: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let now = SystemClock.now();
        let reloads = Arc::new(Reloads::new(now));
        let weir = Weir {
            descriptions: descriptions(),
            current,
            leaves,
            reloads: reloads.clone(),
            decisions: Box::new(decisions),
            leads: Box::new(leads),
            started: now,
        };
        let registry = Registry::new();
        registry.register(Box::new(weir)).expect("the registry is new, and a test registers these descriptions");
        Self { registry, reloads }
    }

    /// Everything in Prometheus's text format.
    pub fn scrape(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "a metric cannot be written");
        }
        text
    }
}

/// The only collector: it reads, and keeps nothing.
struct Weir {
    descriptions: Vec<Desc>,
    current: Arc<Current>,
    leaves: Arc<Leaves>,
    reloads: Arc<Reloads>,
    decisions: Box<dyn Fn() -> Decisions + Send + Sync>,
    leads: Box<dyn Fn() -> bool + Send + Sync>,
    started: Timestamp,
}

impl Collector for Weir {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.current.load_full();
        let mut families = traffic::families(&self.leaves);
        families.extend(self.reloads.families());
        families.extend(decisions::families(&(self.decisions)(), snapshot.releases.keys()));
        families.extend(process::families());
        families.extend([weights(&snapshot), copies(&snapshot), endpoints(&snapshot), build_info()]);
        families.push(Family::single(PANICS, logs::panics() as f64));
        families.push(Family::single(LEADER, f64::from(u8::from((self.leads)()))));
        families.push(Family::single(PROCESS_START, self.started.as_millis() as f64 / 1000.0));
        families
    }
}

fn weights(snapshot: &Snapshot) -> MetricFamily {
    let mut family = Family::new(RELEASE_WEIGHT);
    for (name, release) in &snapshot.releases {
        family.value(&[name.as_str()], release.live.weight().fraction());
    }
    family.finish()
}

fn copies(snapshot: &Snapshot) -> MetricFamily {
    let mut family = Family::new(RELEASE_COPIES);
    for (name, release) in &snapshot.releases {
        let (answers, failures) = release.live.copies.read();
        family.value(&[name.as_str(), "success"], answers.saturating_sub(failures) as f64);
        family.value(&[name.as_str(), "failure"], failures as f64);
    }
    family.finish()
}

fn endpoints(snapshot: &Snapshot) -> MetricFamily {
    let mut family = Family::new(ENDPOINT_HEALTHY);
    let now = uptime();
    for (name, backend) in &snapshot.backends {
        for endpoint in &backend.endpoints {
            let healthy = if balancer::is_available(endpoint, now) { 1.0 } else { 0.0 };
            family.value(&[name.as_str(), &endpoint.address.to_string()], healthy);
        }
    }
    family.finish()
}

fn build_info() -> MetricFamily {
    let mut family = Family::new(BUILD_INFO);
    family.value(&[env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH], 1.0);
    family.finish()
}

fn descriptions() -> Vec<Desc> {
    let describe = |metric: &super::names::Metric| {
        let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
            .expect("a test makes every description")
    };
    ALL.iter().map(describe).collect()
}

#[cfg(test)]
mod tests;
