//! From capital to words.

use super::*;
use crate::analysis::Hold;
use crate::analysis::stream::MOST_IN_FAVOUR;

/// What the streams are worth after a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Against the canary.
    pub(super) log_e: f64,
    /// Against the canary, without what is not laid out: what suspicion looks at.
    at_stake: f64,
    /// For the canary: the weakest proof, and whose it is (0: errors, then the latency bounds).
    pub(super) log_promote: f64,
    pub(super) weakest: usize,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { log_e: 0.0, at_stake: f64::NEG_INFINITY, log_promote: 0.0, weakest: 0 }
    }
}

impl Judge {
    /// Adds up what everything is worth, with the open tick.
    pub(super) fn evidence(&mut self) -> Evidence {
        let weighing = weighing(&self.policy, self.table.as_deref(), self.course.weight(), self.trust);
        let weighing = weighing.as_ref();
        self.warm_up.weigh(weighing.filter(|_| self.stage == Stage::WarmUp));
        let counted = weighing.filter(|_| self.stage == Stage::Evidence);
        for stream in std::iter::once(&mut self.errors).chain(&mut self.latency).chain(&mut self.routes) {
            stream.weigh(counted);
        }
        let at_stake = self.against().map(Stream::worth).sum::<f64>().min(f64::MAX);
        let all = (at_stake + self.capital.cash()).min(f64::MAX);
        let (weakest, worth) = self.worth_in_favour();
        Evidence { log_e: libm::log(all), at_stake: libm::log(at_stake), log_promote: libm::log(worth), weakest }
    }

    /// The largest part of the evidence names the culprit; errors that nearly all lie on one route name the route.
    pub(super) fn culprit(&self) -> Culprit {
        let mut largest = (f64::NEG_INFINITY, 0);
        for (place, stream) in self.against().enumerate() {
            let worth = stream.worth();
            if worth > largest.0 {
                largest = (worth, place);
            }
        }
        match largest.1.checked_sub(ERROR_STREAMS) {
            None => self.guilty_route().map_or(Culprit::Errors, Culprit::Route),
            Some(bound) if bound < self.latency.len() => Culprit::Latency(self.bounds.as_millis()[bound]),
            Some(place) => Culprit::Route(self.route_names[place - self.latency.len()].clone()),
        }
    }

    /// The route that nearly all of the canary's errors lie on, if it is but a small part of the traffic.
    fn guilty_route(&self) -> Option<RouteName> {
        let (requests, errors) = self.route_canary.iter().fold((0, 0), |sum, route| (sum.0 + route.0, sum.1 + route.1));
        let guilty = |&(n, e): &(u64, u64)| {
            let share = n as f64 / requests as f64;
            // All further errors falling on the first one's route, were they spread as the requests are.
            let chance = (1..e.min(64)).fold(1.0, |chance, _| chance * share);
            e >= 2 && e * 5 >= errors * 4 && chance < COINCIDENCE
        };
        let place = self.route_canary.iter().position(guilty)?;
        Some(self.route_names[place].clone())
    }

    fn against(&self) -> impl Iterator<Item = &Stream> {
        [&self.warm_up, &self.errors].into_iter().chain(&self.latency).chain(&self.routes)
    }

    /// The weakest of the proofs that the canary is not bad; all of them are needed.
    fn worth_in_favour(&self) -> (usize, f64) {
        if self.stage != Stage::Evidence {
            return (0, 1.0);
        }
        let streams = std::iter::once(&self.errors).chain(&self.latency);
        let most = MOST_IN_FAVOUR / self.policy.beta;
        let worths = streams.map(|stream| stream.worth_in_favour(&self.policy, self.favour)).enumerate();
        worths.fold((0, most), |least, worth| if worth.1 < least.1 { worth } else { least })
    }

    /// The report after `tick`.
    pub(super) fn report(&mut self, tick: &Tick, next: Option<Ratio>) -> Report {
        let log_promote_limit = -libm::log(self.policy.beta);
        let mut report = Report {
            log_e: self.evidence.log_e,
            log_e_limit: self.log_e_limit(),
            log_promote: self.evidence.log_promote,
            log_promote_limit,
            stable: self.stable,
            canary: self.canary,
            excess: self.interval.excess(),
            rate: self.course.known_rate().filter(|_| tick.stable.requests + tick.canary.requests > 0),
            ..Report::default()
        };
        if let Some((culprit, log_e)) = &self.conviction {
            report.verdict = Verdict::Fail;
            report.next = Verdict::Fail;
            report.culprit = Some(culprit.clone());
            report.log_e = *log_e;
            return report;
        }
        if self.evidence.at_stake > 0.0 {
            report.culprit = Some(self.culprit());
        }
        let obstacle = self.obstacle(tick);
        let proof = self.next_proof(next);
        report.next_progress = (proof / log_promote_limit).clamp(0.0, 1.0);
        report.hold = obstacle.or_else(|| self.lack(tick));
        let outlook = self.outlook(report.hold, tick.t);
        (report.needed, report.eta) = (outlook.needed, outlook.eta);
        if report.hold.is_none() {
            report.verdict = Verdict::Pass;
        }
        let passes = match next {
            None => report.verdict == Verdict::Pass,
            Some(_) => {
                obstacle.is_none()
                    && self.evidence.at_stake <= 0.0
                    && tick.canary.requests > 0
                    && proof >= log_promote_limit
            }
        };
        if passes {
            report.next = Verdict::Pass;
        }
        report
    }

    /// What forbids to send more traffic to the canary, whatever the proofs say.
    fn obstacle(&self, tick: &Tick) -> Option<Hold> {
        let silent = self.last_canary.is_none_or(|last| tick.t - last > SILENCE_S);
        if silent {
            return Some(Hold::NoCanaryTraffic);
        }
        if self.stage != Stage::Evidence {
            return Some(Hold::WarmUp);
        }
        if self.course.is_silent_stable() {
            return Some(Hold::NoStableTraffic);
        }
        if self.course.is_mismatched(self.routing) {
            return Some(Hold::ShareMismatch);
        }
        if self.favour == Favour::Ignored {
            return Some(Hold::StableIll);
        }
        (self.evidence.at_stake > SUSPICION).then_some(Hold::Suspicious)
    }

    /// What is missing for promotion. Only a tick with canary traffic promotes: without data nothing is decided.
    fn lack(&self, tick: &Tick) -> Option<Hold> {
        if self.evidence.log_promote < -libm::log(self.policy.beta) {
            return Some(Hold::MoreEvidence);
        }
        if (tick.t as f64) < self.policy.min_promote_s {
            return Some(Hold::MinimumTime);
        }
        (tick.canary.requests == 0).then_some(Hold::MoreEvidence)
    }

    /// The logarithm of the proof for the next weight.
    fn next_proof(&mut self, next: Option<Ratio>) -> f64 {
        let Some(next) = next else { return self.evidence.log_promote };
        let weighing = weighing(&self.policy, self.table.as_deref(), self.course.weight(), self.trust);
        let Some(weighing) = weighing.filter(|_| self.stage == Stage::Evidence) else { return 0.0 };
        libm::log(self.gate.worth(&self.errors, &weighing, next.fraction(), self.course.rate()))
    }
}

/// Errors that keep to one route are a coincidence in at most one case of twenty.
const COINCIDENCE: f64 = 0.05;

/// The streams of errors stand first: in warm-up, and after it.
const ERROR_STREAMS: usize = 2;

/// The canary's silence is remarked upon after ten seconds.
const SILENCE_S: i64 = 10;

/// ln 5: such evidence turns up by chance in at most one of five rollouts of a canary that is just tolerable.
const SUSPICION: f64 = 1.609_437_912_434_100_3;
