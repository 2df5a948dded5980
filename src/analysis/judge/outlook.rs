//! How much longer: what is still missing, over what a request is expected to add.

use super::*;
use crate::analysis::Hold;
use crate::analysis::cells::middle;
use crate::types::Span;

/// What is expected until a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outlook {
    /// Canary requests.
    pub(super) needed: Option<u64>,
    /// Time.
    pub(super) eta: Option<Span>,
}

impl Judge {
    /// The outlook while `hold` keeps the rollout; nothing when what is awaited is not traffic.
    pub(super) fn outlook(&self, hold: Option<Hold>, t: i64) -> Outlook {
        let until = |second: f64| Span::secs((second - t as f64).clamp(0.0, MOST_SECONDS) as u64);
        match hold {
            Some(Hold::MinimumTime) => Outlook { needed: Some(0), eta: Some(until(self.policy.min_promote_s)) },
            Some(Hold::MoreEvidence | Hold::Suspicious | Hold::NoCanaryTraffic) => {
                let Some(needed) = self.needed() else { return Outlook::default() };
                let rate = self.course.rate() * self.course.weight().fraction();
                let seconds = needed / rate;
                let eta = (rate > 0.0 && seconds < MOST_SECONDS)
                    .then(|| until((t as f64 + libm::ceil(seconds)).max(self.policy.min_promote_s)));
                Outlook { needed: Some(libm::ceil(needed) as u64), eta }
            }
            _ => Outlook::default(),
        }
    }

    /// The canary requests that are missing on the shorter of the two ways, at the rates seen so far; `None` when the
    /// evidence grows on neither, because the canary lies between the lines.
    fn needed(&self) -> Option<f64> {
        let table = self.table.as_deref()?;
        let weight = self.course.weight().fraction();
        let stable = middle(self.errors.cell());
        let canary = self.interval.canary_rate(stable);
        let weighing = Weighing { policy: &self.policy, table, weight, trust: Trust::Drawn };
        let against = self.errors.growth_against(&weighing, stable, canary);
        let weakest = if self.evidence.weakest == 0 { &self.errors } else { &self.latency[self.evidence.weakest - 1] };
        let favour = weakest.growth_in_favour(&weighing);
        let requests = |missing: f64, growth: f64| (growth > 0.0).then(|| missing.max(0.0) / growth * weight);
        let abort = requests(self.log_e_limit() - self.evidence.log_e, against);
        let promotion = requests(-libm::log(self.policy.beta) - self.evidence.log_promote, favour);
        let needed = match (abort, promotion) {
            (Some(abort), Some(promotion)) => abort.min(promotion),
            (abort, promotion) => abort.or(promotion)?,
        };
        (needed < MOST_REQUESTS).then_some(needed)
    }
}

/// Further away than ten weeks or a billion requests is not a time or a number to tell anybody.
const MOST_SECONDS: f64 = 6e6;
const MOST_REQUESTS: f64 = 1e9;
