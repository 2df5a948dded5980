//! One request, as many attempts as the retry policy allows.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};

use super::account::Destination;
use super::choose::{self, By, Choice};
use super::download;
use super::evidence::Evidence;
use super::exchange::Exchange;
use super::forward::Outgoing;
use super::upgrade;
use super::upload::Upload;
use crate::balancer::InFlight;
use crate::clock;
use crate::health::outlier::{self, Sign};
use crate::outcome::{Fault, Outcome, Semantics};
use crate::retry::{Attempt, Connection, Decision, Ended, Replay, Sent};
use crate::snapshot::{Backend, Release, Route, Target};
use crate::types::Side;
use crate::upstream::{self, Reuse, SendError, UpstreamBody};

/// What all attempts at one request share.
pub(super) struct Attempts<'a> {
    /// The exchange.
    pub(super) exchange: &'a Rc<Exchange>,
    /// Its route.
    pub(super) route: &'a Route,
    /// The head to send.
    pub(super) outgoing: &'a Outgoing,
    /// The body to send.
    pub(super) upload: &'a Rc<Upload>,
}

/// A response head that is to be passed on, and what keeps its endpoint busy until the body has ended.
pub(super) struct Answered {
    /// The response.
    pub(super) response: Response<UpstreamBody>,
    /// Whether its trailers have a say.
    pub(super) semantics: Semantics,
    /// The request is under way at the endpoint as long as this lives.
    pub(super) in_flight: InFlight,
}

/// What an attempt gave.
struct Tried {
    result: Result<Answered, Fault>,
    sent: Sent,
    connection: Connection,
}

impl Attempts<'_> {
    /// Makes the first attempt at `choice`, and further ones as long as they may help.
    ///
    /// # Errors
    /// The last attempt's fault, or the client's own.
    pub(super) async fn run(&self, choice: Choice) -> Result<Answered, Fault> {
        let assigned = choice.assigned;
        let mut to = Destination {
            slot: choice.slot,
            side: assigned.as_ref().map(|assigned| assigned.side),
            backend: choice.backend,
            endpoint: choice.endpoint,
        };
        to.backend.budget.deposit();
        if let Some(assigned) = assigned.filter(|assigned| assigned.by == By::Split) {
            let worker = self.exchange.connection.worker.index;
            let now = clock::uptime();
            self.exchange.bear(Evidence::new(assigned.release, assigned.side, worker, assigned.client, now));
        }
        let mut reuse = if self.outgoing.method().is_idempotent() { Reuse::Any } else { Reuse::Young };
        let mut number = 1;
        loop {
            let tried = self.attempt(&to, reuse).await?;
            let decision = self.route.retry.decide(&self.ended(number, &to, &tried));
            if decision == Decision::AgainFresh {
                reuse = Reuse::FreshOnly;
                continue;
            }
            self.record(&to, &tried);
            match self.next(decision, &to) {
                None => return tried.result,
                Some(next) => to = next,
            }
            drop(tried);
            self.exchange.note(|account| account.attempt_repeats());
            number += 1;
        }
    }

    /// One attempt. An error is the end of the exchange, not of the attempt.
    async fn attempt(&self, to: &Destination, reuse: Reuse) -> Result<Tried, Fault> {
        let began = clock::uptime();
        self.exchange.attempt_begins(to.clone(), began);
        let mut in_flight = InFlight::begin(to.endpoint.clone(), began);
        let request = self.outgoing.request(self.upload.body());
        let upstreams = &self.exchange.connection.worker.upstreams;
        let sending = upstreams.send(&to.backend, &to.endpoint, request, reuse);
        let sent = match self.exchange.guard(sending).await {
            Ok(sent) => sent,
            Err(fault) => return Err(self.given_up(to, fault)),
        };
        let now = clock::uptime();
        match sent {
            Ok(response) if is_unasked_switch(self.outgoing, &response) => {
                in_flight.failed(now);
                let fault = Fault::BadUpgrade;
                self.exchange.note(|account| account.attempt_failed(fault));
                Ok(Tried { result: Err(fault), sent: Sent::Maybe, connection: Connection::Fresh })
            }
            Ok(response) => {
                in_flight.answered(now);
                self.exchange.note(|account| account.attempt_answered(response.status(), now));
                let semantics = self.outgoing.semantics;
                let result = Ok(Answered { response, semantics, in_flight });
                Ok(Tried { result, sent: Sent::Maybe, connection: Connection::Fresh })
            }
            Err(error) => {
                if let Some(fault) = self.upload.fault() {
                    return Err(self.given_up(to, fault));
                }
                in_flight.failed(now);
                Ok(self.failed(to, &error))
            }
        }
    }

    fn failed(&self, to: &Destination, error: &SendError) -> Tried {
        let cause = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
        tracing::debug!(backend = %to.backend.name, endpoint = %to.endpoint.address, fault = ?error.fault, cause, "attempt failed");
        self.exchange.note(|account| account.attempt_failed(error.fault));
        let sent = match error.sent {
            upstream::Sent::Nothing => Sent::Nothing,
            upstream::Sent::Maybe => Sent::Maybe,
        };
        let connection = if error.reused { Connection::Reused } else { Connection::Fresh };
        Tried { result: Err(error.fault), sent, connection }
    }

    /// The exchange is over in the middle of an attempt: by the client's fault, or by the route's timeout.
    fn given_up(&self, to: &Destination, fault: Fault) -> Fault {
        let outcome = self.exchange.outcome_of(fault);
        self.exchange.testify(|evidence| evidence.ended(outcome, clock::uptime()));
        if outcome == Outcome::Failure {
            self.judge_endpoint(&to.backend, to, Sign::Bad);
        }
        fault
    }

    fn ended<'t>(&'t self, number: u32, to: &Destination, tried: &Tried) -> Attempt<'t> {
        Attempt {
            number,
            side: to.side,
            method: self.outgoing.method(),
            sent: tried.sent,
            connection: tried.connection,
            replay: if self.upload.is_whole() { Replay::Possible } else { Replay::Impossible },
            ended: match &tried.result {
                Ok(answer) => Ended::Status(answer.response.status()),
                Err(fault) => Ended::Fault(*fault),
            },
        }
    }

    /// Tells the judge (of the first attempt: later ones find no evidence open) and the outlier detection.
    fn record(&self, to: &Destination, tried: &Tried) {
        let now = clock::uptime();
        let sign = match &tried.result {
            Ok(answer) => {
                let outcome = self.head_outcome(answer);
                self.exchange.testify(|evidence| evidence.answered(outcome, now));
                let broken = matches!(answer.response.status().as_u16(), 502..=504);
                if broken { Sign::Bad } else { Sign::Good }
            }
            Err(fault) => {
                let outcome = self.exchange.outcome_of(*fault);
                self.exchange.testify(|evidence| evidence.ended(outcome, now));
                Sign::Bad
            }
        };
        self.judge_endpoint(&to.backend, to, sign);
    }

    fn head_outcome(&self, answer: &Answered) -> Outcome {
        let Some(release) = self.release() else { return Outcome::Success };
        let head = release.failures.classify_head(answer.response.status(), answer.semantics);
        match (head, grpc_status_in_head(answer.semantics, answer.response.headers())) {
            (Outcome::Success, Some(code)) => release.failures.classify_grpc(code),
            (outcome, _) => outcome,
        }
    }

    fn judge_endpoint(&self, backend: &Arc<Backend>, to: &Destination, sign: Sign) {
        let now = clock::uptime();
        if let Some(ejected) = outlier::record(&backend.outlier, &backend.endpoints, &to.endpoint, sign, now) {
            let (backend, endpoint) = (&backend.name, to.endpoint.address);
            let (failures, duration) = (ejected.failures, ejected.duration);
            tracing::warn!(%backend, %endpoint, failures, ?duration, "endpoint ejected: it fails requests");
        }
    }

    /// Where the next attempt goes, if there is one.
    fn next(&self, decision: Decision, to: &Destination) -> Option<Destination> {
        let now = clock::uptime();
        match decision {
            Decision::Stop | Decision::AgainFresh => None,
            Decision::Again => self.destination(to.slot, to.side, &to.backend, Some(to.endpoint.id), now),
            Decision::OnStable => {
                let release = self.release()?;
                self.destination(choose::slot_of(Side::Stable), Some(Side::Stable), &release.stable, None, now)
            }
        }
    }

    fn destination(
        &self,
        slot: usize,
        side: Option<Side>,
        backend: &Arc<Backend>,
        avoid: Option<u64>,
        now: Duration,
    ) -> Option<Destination> {
        let endpoint = choose::endpoint(&self.exchange.connection.worker, backend, avoid, now)?;
        let has_budget = backend.budget.withdraw(self.route.retry.budget(), now);
        has_budget.then(|| Destination { slot, backend: backend.clone(), side, endpoint })
    }

    fn release(&self) -> Option<&Arc<Release>> {
        match &self.route.target {
            Target::Release(release) => Some(release),
            Target::Backend(_) | Target::Split(_) | Target::Redirect(_) => None,
        }
    }
}

impl Answered {
    /// How the end of the body is to be read: a gRPC status in the head has said it all.
    pub(super) fn closing_semantics(&self) -> Semantics {
        match grpc_status_in_head(self.semantics, self.response.headers()) {
            Some(_) => Semantics::Http,
            None => self.semantics,
        }
    }
}

fn is_unasked_switch<B>(outgoing: &Outgoing, response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && !upgrade::is_agreed(outgoing.upgrade.as_ref(), response.headers())
}

fn grpc_status_in_head(semantics: Semantics, headers: &HeaderMap) -> Option<u8> {
    match semantics {
        Semantics::Grpc => download::grpc_status(headers),
        Semantics::Http => None,
    }
}
