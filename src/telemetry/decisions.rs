//! How often releases moved, and why: what the engine counts, as metrics.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::family::Family;
use super::names::{RELEASE_TRANSITIONS, RELEASE_VERDICTS};
use crate::rollout::Reason;
use crate::types::Name;

/// Decisions since the start, by release and [`Reason::label`].
pub type Decisions = BTreeMap<(Name, &'static str), u64>;

/// Both families for `releases`. Every series is there from the start, so that the first decision is a rise that queries see.
pub(super) fn families<'a>(decisions: &Decisions, releases: impl Iterator<Item = &'a Name>) -> [MetricFamily; 2] {
    let mut transitions = Family::new(RELEASE_TRANSITIONS);
    let mut verdicts = Family::new(RELEASE_VERDICTS);
    for release in releases {
        let count = |label: &'static str| decisions.get(&(release.clone(), label)).copied().unwrap_or(0) as f64;
        for label in Reason::LABELS {
            transitions.value(&[release.as_str(), label], count(label));
        }
        for (verdict, labels) in VERDICTS {
            verdicts.value(&[release.as_str(), verdict], labels.iter().map(|label| count(label)).sum());
        }
    }
    [transitions.finish(), verdicts.finish()]
}

/// The reasons that rest on what was seen, by what it said. A human's command rests on nothing of the kind.
const VERDICTS: [(&str, &[&str]); 3] = [
    ("pass", &["mirrored", "step_passed", "healthy", "hold_back_over", "awaiting_approval"]),
    ("fail", &["errors", "latency", "route_errors", "check_failed"]),
    ("inconclusive", &["no_evidence", "stepped_back"]),
];
