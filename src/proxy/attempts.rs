//! One request, as many attempts as the retry policy allows.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Response, StatusCode};

use super::account::Destination;
use super::choose::{self, By, Choice};
use super::download;
use super::evidence::{Ending, Evidence, Exchanged};
use super::exchange::Exchange;
use super::forward::Outgoing;
use super::upload::Upload;
use super::view::View;
use super::{queue, upgrade};
use crate::balancer::InFlight;
use crate::clock;
use crate::endpoint::Endpoint;
use crate::health::outlier::{self, Sign};
use crate::outcome::{Fault, Semantics};
use crate::retry::{Attempt, Connection, Decision, Ended, Replay, Sent};
use crate::snapshot::{Backend, Route};
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
    /// The configuration in which there were others, after all that were known at first had gone.
    pub(super) later: OnceCell<Rc<View>>,
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
struct Tried<'t> {
    result: Result<Answered, Fault>,
    sent: Sent,
    connection: Connection,
    /// It was given up for another one there: its endpoint has fallen silent.
    elsewhere: Option<Destination<'t>>,
    /// When it ended, as uptime.
    at: Duration,
}

/// What was heard of an endpoint.
enum Heard<'t> {
    /// An answer, or why there is none.
    Of(Result<Response<UpstreamBody>, SendError>),
    /// Nothing, so that another attempt is made there.
    Nothing(Destination<'t>),
}

impl Attempts<'_> {
    /// Makes the first attempt at `choice`, and further ones as long as they may help.
    ///
    /// # Errors
    /// The last attempt's fault, or the client's own.
    pub(super) async fn run<'t>(&'t self, choice: Choice<'t>) -> Result<Answered, Fault> {
        let exchanged = if choice.is_copyable() { Exchanged::Undrawn } else { Exchanged::Request };
        let Choice { slot, backend, endpoint, assigned } = choice;
        let side = assigned.as_ref().map(|assigned| assigned.side);
        let (backend, endpoint) = (Cow::Borrowed(backend), Cow::Borrowed(endpoint));
        let mut to = Destination { slot, side, backend, endpoint };
        to.backend.budget.deposit();
        if let Some(assigned) = assigned.filter(|assigned| matches!(assigned.by, By::Split | By::Undrawn)) {
            let (worker, began) = (self.exchange.connection.worker.index, self.exchange.began);
            let (release, route) = (assigned.release.clone(), self.route.evidence(slot));
            self.exchange.bear(Evidence::new(
                release,
                route,
                (assigned.side, exchanged),
                worker,
                assigned.client,
                began,
            ));
        }
        let mut reuse = if self.outgoing.method().is_idempotent() { Reuse::Any } else { Reuse::Young };
        // The first attempt begins with the exchange: nothing has been waited for since.
        let (mut number, mut began) = (1, self.exchange.began);
        loop {
            let mut tried = self.attempt(number, began, &mut to, reuse).await?;
            began = tried.at;
            let decision = self.route.retry.decide(&self.ended(number, &to, &tried));
            if decision == Decision::AgainFresh {
                reuse = Reuse::FreshOnly;
                continue;
            }
            self.record(&to, &tried);
            let mut next = tried.elsewhere.take().or_else(|| self.next(decision, &to, began));
            let begins_anew = next.is_none() && self.may_go_on(&to, &tried);
            if begins_anew {
                next = Box::pin(self.successor(&to)).await;
            }
            let Some(next) = next else { return tried.result };
            drop(tried);
            self.exchange.note(|account| account.attempt_repeats());
            number = if next.slot == to.slot && !begins_anew { number + 1 } else { 1 };
            to = next;
        }
    }

    /// One attempt. An error is the end of the exchange, not of the attempt.
    async fn attempt<'t>(
        &'t self,
        number: u32,
        began: Duration,
        to: &mut Destination<'t>,
        reuse: Reuse,
    ) -> Result<Tried<'t>, Fault> {
        self.exchange.attempt_begins(self.route, to, began);
        let in_flight = InFlight::begin(Arc::clone(&to.endpoint), began);
        let (upstreams, head) = (&self.exchange.connection.worker.upstreams, self.outgoing.head());
        let (ready, mut in_flight) = match upstreams.ready(&to.backend, &to.endpoint, &head.headers, reuse) {
            Some(ready) => (ready, in_flight),
            // Less often, and larger: boxed, so that the common case stays small.
            None => match Box::pin(self.reach(to, reuse, in_flight)).await? {
                Ok(reached) => reached,
                Err(error) => return Ok(self.failed(to, &error, clock::uptime())),
            },
        };
        let to = &*to;
        let mut sending = std::pin::pin!(ready.send(&to.backend, &to.endpoint, head, self.upload.body()));
        let waiting = poll_fn(|cx| match sending.as_mut().poll(cx) {
            Poll::Ready(sent) => Poll::Ready(Heard::Of(sent)),
            Poll::Pending => self.elsewhere(number, to).map_or(Poll::Pending, |next| Poll::Ready(Heard::Nothing(next))),
        });
        let heard = match self.exchange.guard(waiting).await {
            Ok(heard) => heard,
            Err(fault @ Fault::ResponseTimeout) => Heard::Of(Err(SendError::sent(fault))),
            Err(fault) => return Err(self.given_up(to, fault)),
        };
        let now = clock::uptime();
        match heard {
            Heard::Of(Ok(response)) if is_unasked_switch(self.outgoing, &response) => {
                in_flight.failed(now);
                Ok(self.went_wrong(Fault::BadUpgrade, now))
            }
            Heard::Of(Ok(response)) => {
                in_flight.answered(now);
                self.exchange.note(|account| account.attempt_answered(response.status(), now));
                self.answered(to, response, in_flight, now).await
            }
            Heard::Of(Err(error)) => {
                if let Some(fault) = self.upload.fault() {
                    return Err(self.given_up(to, fault));
                }
                in_flight.failed(now);
                Ok(self.failed(to, &error, now))
            }
            Heard::Nothing(next) => {
                in_flight.failed(now);
                Ok(Tried { elsewhere: Some(next), ..self.went_wrong(Fault::ResponseTimeout, now) })
            }
        }
    }

    /// Passes on what may still break off only when there is no other attempt that could mend it: a small body that is on its
    /// way is waited for.
    async fn answered(
        &self,
        to: &Destination<'_>,
        mut response: Response<UpstreamBody>,
        in_flight: InFlight,
        mut now: Duration,
    ) -> Result<Tried<'static>, Fault> {
        if self.outgoing.method().is_idempotent() && self.upload.is_whole() && response.body().is_coming() {
            let gathering = Box::pin(response.body_mut().gather(GATHERED, GATHERING));
            let gathered = self.exchange.guard(gathering).await;
            now = clock::uptime();
            match gathered {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => return Ok(self.went_wrong(broken.fault, now)),
                Err(fault) => return Err(self.given_up(to, fault)),
            }
        }
        let result = Ok(Answered { response, semantics: self.outgoing.semantics, in_flight });
        Ok(Tried { result, sent: Sent::Maybe, connection: Connection::Fresh, elsewhere: None, at: now })
    }

    /// Where to ask instead, when the endpoint of the attempt has just turned out to have fallen silent. Only what is safe is
    /// asked again while the endpoint may wake, and carry the request out yet; what is idempotent, once it has left.
    fn elsewhere<'t>(&'t self, number: u32, to: &Destination<'t>) -> Option<Destination<'t>> {
        if !self.exchange.waits_in_vain() {
            return None;
        }
        let method = self.outgoing.method();
        let may_be_carried_out_twice = method.is_safe() || method.is_idempotent() && to.endpoint.is_retired();
        if !may_be_carried_out_twice {
            return None;
        }
        let now = clock::uptime();
        let is_other = |other: &Arc<Endpoint>| other.id != to.endpoint.id && other.is_available(now);
        match self.route.retry.decide(&self.sent(number, to, Ended::Fault(Fault::ResponseTimeout))) {
            Decision::Again if !self.newest(&to.backend).endpoints.iter().any(is_other) => None,
            decision => self.next(decision, to, now),
        }
    }

    fn went_wrong(&self, fault: Fault, at: Duration) -> Tried<'static> {
        self.exchange.note(|account| account.attempt_failed(fault));
        Tried { result: Err(fault), sent: Sent::Maybe, connection: Connection::Fresh, elsewhere: None, at }
    }

    fn failed(&self, to: &Destination<'_>, error: &SendError, at: Duration) -> Tried<'static> {
        let cause = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
        tracing::debug!(backend = %to.backend.name, endpoint = %to.endpoint.address, fault = ?error.fault, cause, "attempt failed");
        self.exchange.note(|account| account.attempt_failed(error.fault));
        let sent = match error.sent {
            upstream::Sent::Nothing => Sent::Nothing,
            upstream::Sent::Maybe => Sent::Maybe,
        };
        let connection = if error.reused { Connection::Reused } else { Connection::Fresh };
        Tried { result: Err(error.fault), sent, connection, elsewhere: None, at }
    }

    /// The exchange is over in the middle of an attempt: by the client's fault, or by the route's timeout.
    pub(super) fn given_up(&self, to: &Destination<'_>, fault: Fault) -> Fault {
        let ending = self.exchange.ending_by(fault);
        self.exchange.ends(ending, clock::uptime);
        if matches!(ending, Ending::Failed(_)) {
            self.judge_endpoint(to, Sign::Bad, clock::uptime());
        }
        fault
    }

    fn ended<'t>(&'t self, number: u32, to: &Destination<'_>, tried: &Tried<'_>) -> Attempt<'t> {
        let ended = match &tried.result {
            Ok(answer) => Ended::Status(answer.response.status()),
            Err(fault) => Ended::Fault(*fault),
        };
        Attempt { sent: tried.sent, connection: tried.connection, ..self.sent(number, to, ended) }
    }

    /// An attempt on a fresh connection that the endpoint may have seen.
    fn sent<'t>(&'t self, number: u32, to: &Destination<'_>, ended: Ended) -> Attempt<'t> {
        Attempt {
            number,
            side: to.side,
            method: self.outgoing.method(),
            sent: Sent::Maybe,
            connection: Connection::Fresh,
            replay: if self.upload.is_whole() { Replay::Possible } else { Replay::Impossible },
            ended,
        }
    }

    /// Tells the judge (of the first attempt: later ones find no evidence open) and the outlier detection.
    fn record(&self, to: &Destination<'_>, tried: &Tried<'_>) {
        let now = tried.at;
        let sign = match &tried.result {
            Ok(answer) => {
                self.exchange.answered(self.head_ending(to.slot, answer), now);
                if matches!(answer.response.status().as_u16(), 502..=504) {
                    Sign::Bad
                } else {
                    outlier::pardon(&to.backend.outlier, &to.endpoint, answer.in_flight.begun(), now);
                    Sign::Good
                }
            }
            Err(fault) => {
                self.exchange.ends(self.exchange.ending_by(*fault), || now);
                if tried.elsewhere.is_some() { Sign::Silent } else { Sign::Bad }
            }
        };
        self.judge_endpoint(to, sign, now);
    }

    fn head_ending(&self, slot: usize, answer: &Answered) -> Ending {
        let Some((release, _)) = self.route.target.release(slot) else { return Ending::Good };
        let response = &answer.response;
        Ending::of_head(&release.failures, answer.semantics, response.status(), response.headers())
    }

    pub(super) fn judge_endpoint(&self, to: &Destination<'_>, sign: Sign, now: Duration) {
        let backend = &to.backend;
        if let Some(ejected) = outlier::record(&backend.outlier, &backend.endpoints, &to.endpoint, sign, now) {
            let (backend, endpoint) = (&backend.name, to.endpoint.address);
            let (failures, duration) = (ejected.failures, ejected.duration);
            tracing::warn!(%backend, %endpoint, failures, ?duration, "endpoint ejected: it fails requests");
        }
    }

    /// Where the next attempt goes, if there is one.
    fn next<'t>(&'t self, decision: Decision, to: &Destination<'t>, now: Duration) -> Option<Destination<'t>> {
        let (slot, side, backend, avoid) = match decision {
            Decision::Stop | Decision::AgainFresh => return None,
            Decision::Again => (to.slot, to.side, &*to.backend, &[to.endpoint.id][..]),
            Decision::OnStable => {
                let (release, slot) = self.route.target.release(to.slot)?;
                (slot, Some(Side::Stable), &release.stable, &[][..])
            }
        };
        let backend = self.newest(backend);
        let endpoint = choose::endpoint(&self.exchange.connection.worker, &backend, avoid, now)?.clone();
        let has_budget = backend.budget.withdraw(self.route.retry.budget(), now);
        has_budget.then_some(Destination { slot, backend: Cow::Owned(backend), side, endpoint: Cow::Owned(endpoint) })
    }

    /// `backend` as it is by now: endpoints come and go while a request is under way.
    pub(super) fn newest(&self, backend: &Arc<Backend>) -> Arc<Backend> {
        let snapshot = self.exchange.connection.worker.current.load();
        snapshot.backends.get(&backend.name).unwrap_or(backend).clone()
    }

    /// Whether the request might be repeated, were there anybody else to ask.
    fn may_go_on(&self, to: &Destination<'_>, tried: &Tried<'_>) -> bool {
        let unheard = tried.result.is_err() && self.later.get().is_none();
        unheard && self.route.retry.decide(&self.ended(1, to, tried)) != Decision::Stop
    }

    /// Where to ask when all that were known have gone, and others are there now or come in a moment.
    async fn successor<'t>(&'t self, to: &Destination<'t>) -> Option<Destination<'t>> {
        let route = &self.route.name;
        let view = queue::successor(self.exchange, &to.backend.queue, route, to.endpoint.id).await?;
        let view = self.later.get_or_init(|| view);
        let target = &view.snapshot.router.targets().find(|other| other.name == *route)?.target;
        let (backend, endpoint) = choose::any(&self.exchange.connection.worker, target, clock::uptime())?;
        let (backend, endpoint) = (Cow::Borrowed(backend), Cow::Borrowed(endpoint));
        Some(Destination { slot: to.slot, side: to.side, backend, endpoint })
    }
}

impl Answered {
    /// How the end of the body is to be read: a gRPC status in the head has said it all.
    pub(super) fn closing_semantics(&self) -> Semantics {
        match download::grpc_status_in_head(self.semantics, self.response.headers()) {
            Some(_) => Semantics::Http,
            None => self.semantics,
        }
    }
}

fn is_unasked_switch<B>(outgoing: &Outgoing, response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && !upgrade::is_agreed(outgoing.upgrade.as_ref(), response.headers())
}

/// A body of so many bytes is waited for before its head is passed on, where another attempt may give a whole one: most
/// answers of services are smaller.
const GATHERED: u64 = 64 * 1024;

/// For so long: what follows its head at all follows at once, and nobody notices.
const GATHERING: Duration = Duration::from_millis(100);
