//! The closed enums of the judge and the rollout in words.

use super::Tone;
use crate::analysis::{Culprit, Hold, Verdict};
use crate::rollout::Phase;

/// The word for a phase, and how it looks.
pub(super) const fn phase(phase: Phase) -> (&'static str, Tone) {
    match phase {
        Phase::Progressing => ("progressing", Tone::Active),
        Phase::Paused => ("paused", Tone::Warn),
        Phase::Promoted => ("promoted", Tone::Good),
        Phase::Aborted => ("aborted", Tone::Bad),
    }
}

/// The word for a verdict, and how it looks.
pub(super) const fn verdict(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Pass => ("pass", Tone::Good),
        Verdict::Fail => ("fail", Tone::Bad),
        Verdict::Inconclusive => ("inconclusive", Tone::Warn),
    }
}

/// What convicts, or is suspected: behind "because of".
pub(super) fn culprit(culprit: &Culprit) -> String {
    match culprit {
        Culprit::Errors => "failed requests".to_owned(),
        Culprit::Latency(millis) => format!("responses slower than {millis}ms"),
        Culprit::Route(route) => format!("failed requests on route {route}"),
    }
}

/// Why the judge holds back, as a sentence without its full stop.
pub(super) const fn hold(hold: Hold) -> &'static str {
    match hold {
        Hold::NoCanaryTraffic => "the canary gets no requests at the moment, so there is nothing to judge",
        Hold::NoStableTraffic => {
            "stable gets no requests at the moment, so there is nothing to compare the canary with"
        }
        Hold::WarmUp => "the canary is warming up; only gross errors count yet",
        Hold::StableIll => "stable itself is in an incident, so this is no time to promote",
        Hold::Suspicious => "there is some evidence against the canary, too little to abort",
        Hold::ShareMismatch => "the share of requests that arrived does not fit the weight",
        Hold::MoreEvidence => "more requests are needed to be sure",
        Hold::MinimumTime => "the evidence is there, but the minimum time (analysis.minimumTime) has not passed",
    }
}
