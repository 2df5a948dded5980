//! The closed enums of the judge and the rollout in words.

use super::{Tone, format};
use crate::analysis::{Culprit, Verdict};
use crate::rollout::Phase;
use crate::simulate::Truth;

/// The word for a phase, and how it looks.
pub(super) const fn phase(phase: Phase) -> (&'static str, Tone) {
    match phase {
        Phase::Mirroring => ("mirrored", Tone::Active),
        Phase::Progressing => ("progressing", Tone::Active),
        Phase::Paused => ("paused", Tone::Warn),
        Phase::HoldingBack => ("holding back", Tone::Good),
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

/// What the canary made of copies of requests, of which `(answers, failures)` are known; nothing of none.
pub(super) fn copies((answers, failures): (u64, u64)) -> Option<String> {
    let failed = if failures == 0 { "none".to_owned() } else { format::count(failures) };
    let told = || {
        format!("Besides, the canary answered {} copies of requests; {failed} of them failed.", format::count(answers))
    };
    (answers > 0).then(told)
}

/// What would be right to do.
pub(super) const fn truth(truth: Truth) -> &'static str {
    match truth {
        Truth::Good => "promote",
        Truth::Bad => "abort",
        Truth::Undecidable => "neither",
    }
}
