//! One request and its response, from the whole head to the last byte: the place where everything that is counted about it
//! comes together, exactly once.
//!
//! The [`Ticket`] is handed from the handler to the response body (or to the upgrade); whoever drops it ends the exchange.
//! So a client that goes away, a panic and a drain past its deadline are all accounted for by the same `Drop`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::time::{Instant, Sleep};

use super::access_log::Entry;
use super::account::{Account, Destination};
use super::connection::Connection;
use super::evidence::{Evidence, Settled};
use super::standstill::Standstill;
use super::upload::Upload;
use super::view::View;
use crate::balancer::InFlight;
use crate::clock;
use crate::outcome::{Fault, Outcome};
use crate::snapshot::{Release, Route, Target};
use crate::upstream::UpstreamBody;

/// A request under way.
pub(super) struct Exchange {
    /// Where it came in.
    pub(super) connection: Rc<Connection>,
    /// The configuration it began with, and keeps.
    pub(super) view: Rc<View>,
    /// When its head was whole, as uptime.
    pub(super) began: Duration,
    /// Whether it stands still.
    pub(super) still: Standstill,
    /// The response body while it is passed on. Here, so that a client that stops reading cannot keep it.
    pub(super) payload: RefCell<Option<UpstreamBody>>,
    place: Cell<usize>,
    end: Cell<End>,
    deadline: RefCell<Option<Pin<Box<Sleep>>>>,
    evidence: RefCell<Option<Evidence>>,
    account: RefCell<Account>,
    entry: RefCell<Option<Box<Entry>>>,
    id: RefCell<Option<HeaderValue>>,
    in_flight: RefCell<Option<InFlight>>,
    upload: RefCell<Weak<Upload>>,
}

/// Whether the response has come to an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not yet, and the client has been told nothing.
    Open,
    /// Not yet; the client has the response head.
    Answered,
    /// By its last byte, or by a fault that has been noted.
    Reached,
}

/// Whoever holds it is responsible for the exchange; dropping it is the end.
pub(super) struct Ticket(Rc<Exchange>);

impl Ticket {
    /// Begins an exchange on `connection`.
    pub(super) fn begin<B>(connection: Rc<Connection>, request: &Request<B>) -> Self {
        let view = connection.view();
        let now = clock::uptime();
        connection.exchange_begins();
        let exchange = Rc::new(Exchange {
            entry: RefCell::new(view.log.as_ref().map(|log| Box::new(Entry::begin(log, request)))),
            account: RefCell::new(Account::new(connection.worker.index, now)),
            view,
            began: now,
            still: Standstill::new(now),
            payload: RefCell::default(),
            place: Cell::default(),
            end: Cell::new(End::Open),
            deadline: RefCell::default(),
            evidence: RefCell::default(),
            id: RefCell::default(),
            in_flight: RefCell::default(),
            upload: RefCell::default(),
            connection,
        });
        exchange.connection.worker.exchanges.add(&exchange);
        Self(exchange)
    }
}

impl Deref for Ticket {
    type Target = Rc<Exchange>;

    fn deref(&self) -> &Rc<Exchange> {
        &self.0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Exchange {
    /// `route` takes it: its time begins.
    pub(super) fn routed(&self, route: &Arc<Route>) {
        self.account.borrow_mut().route = Some(route.clone());
        if let Some(timeout) = route.timeout {
            *self.deadline.borrow_mut() = Some(Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        }
    }

    /// An attempt begins.
    pub(super) fn attempt_begins(&self, to: Destination, now: Duration) {
        self.account.borrow_mut().attempt_begins(self.view.listener, to, now);
    }

    /// Notes something about the exchange.
    pub(super) fn note(&self, note: impl FnOnce(&mut Account)) {
        note(&mut self.account.borrow_mut());
    }

    /// What the first attempt will tell the judge.
    pub(super) fn bear(&self, evidence: Evidence) {
        *self.evidence.borrow_mut() = Some(evidence);
    }

    /// Lets the evidence, while it is open, take note of something.
    pub(super) fn testify(&self, note: impl FnOnce(&mut Evidence) -> Settled) {
        let mut slot = self.evidence.borrow_mut();
        if slot.as_mut().is_some_and(|evidence| note(evidence) == Settled::Yes) {
            *slot = None;
        }
    }

    /// The client is told `status`, because of `fault` if there is one.
    pub(super) fn answers(&self, status: StatusCode, fault: Option<Fault>, headers: &HeaderMap) {
        let mut account = self.account.borrow_mut();
        account.status = Some(status);
        account.fault = fault;
        self.end.set(End::Answered);
        if let (Some(log), Some(entry)) = (&self.view.log, self.entry.borrow_mut().as_mut()) {
            entry.answered(log, headers);
        }
    }

    /// The request is called `id`.
    pub(super) fn identified(&self, id: &HeaderValue) {
        if let (Some(log), Some(entry)) = (&self.view.log, self.entry.borrow_mut().as_mut()) {
            entry.identified(log, id);
        }
        *self.id.borrow_mut() = Some(id.clone());
    }

    /// Its request body. The exchange's end is the end of that, too: what comes after it on the connection is another's.
    pub(super) fn uploads(&self, upload: &Rc<Upload>) {
        *self.upload.borrow_mut() = Rc::downgrade(upload);
    }

    /// What the request is called, once it has been forwarded.
    pub(super) fn id(&self) -> Option<HeaderValue> {
        self.id.borrow().clone()
    }

    /// The request is under way at its endpoint until the exchange ends.
    pub(super) fn keep_busy(&self, in_flight: InFlight) {
        *self.in_flight.borrow_mut() = Some(in_flight);
    }

    /// The last byte of the response was handed over; `outcome` is what its trailers say.
    pub(super) fn ended(&self, outcome: Outcome) {
        self.testify(|evidence| evidence.ended(outcome, clock::uptime()));
        self.end.set(End::Reached);
    }

    /// The response broke off.
    pub(super) fn broke(&self, fault: Fault) {
        let outcome = self.outcome_of(fault);
        self.testify(|evidence| evidence.ended(outcome, clock::uptime()));
        self.account.borrow_mut().fault = Some(fault);
        self.end.set(End::Reached);
    }

    /// How `fault` counts for the release that the route leads to, if it leads to one.
    pub(super) fn outcome_of(&self, fault: Fault) -> Outcome {
        self.release().map_or(Outcome::Ignored, |release| release.failures.classify_fault(fault))
    }

    /// The release that the route leads to.
    pub(super) fn release(&self) -> Option<Arc<Release>> {
        match self.account.borrow().route.as_ref().map(|route| &route.target) {
            Some(Target::Release(release)) => Some(release.clone()),
            _ => None,
        }
    }

    /// Waits for `future`, but no longer than the route allows, and not after the exchange has been given up.
    pub(super) async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Fault> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_given_up(cx).map(Err),
        })
        .await
    }

    /// Ready when the exchange must end, and why.
    pub(super) fn poll_given_up(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        if let Poll::Ready(fault) = self.still.poll(cx) {
            return Poll::Ready(fault);
        }
        match self.deadline.borrow_mut().as_mut() {
            Some(deadline) => deadline.as_mut().poll(cx).map(|()| Fault::RequestTimeout),
            None => Poll::Pending,
        }
    }

    /// Looks after the exchange from outside: the horizon of its evidence, and whether it stands still.
    pub(super) fn sweep(&self, now: Duration) {
        self.testify(|evidence| evidence.look(now));
        let idle = self.account.borrow().attempt.as_ref().map(|to| to.backend.idle_timeout);
        if let Some(fault) = idle.and_then(|idle| self.still.look(now, idle)) {
            self.let_go(fault);
            self.still.give_up(fault);
        }
    }

    /// Nobody polls the body for a client that does not read, so the upstream must be let go from outside.
    fn let_go(&self, fault: Fault) {
        let body = self.payload.borrow_mut().take();
        if body.is_none() {
            return;
        }
        self.broke(fault);
        drop(body);
        if fault == Fault::ClientTimeout {
            self.connection.gives_up_response();
        }
    }

    /// The end, whatever it was.
    fn close(&self) {
        let body = self.payload.borrow_mut().take();
        drop(body);
        if let Some(upload) = self.upload.borrow().upgrade() {
            upload.cut();
        }
        self.in_flight.borrow_mut().take();
        let now = clock::uptime();
        if self.end.get() != End::Reached {
            self.testify(|evidence| evidence.ended(Outcome::Ignored, now));
            let mut account = self.account.borrow_mut();
            account.status = account.status.filter(|_| self.end.get() == End::Answered);
            account.fault = Some(Fault::ClientGone);
        }
        self.account.borrow_mut().close(self.view.listener, self.view.unrouted(), now);
        if let (Some(log), Some(entry)) = (&self.view.log, self.entry.borrow_mut().take()) {
            self.connection.worker.log.write(|line| log.render(line, &entry, self, &self.account.borrow(), now));
        }
        self.connection.worker.exchanges.remove(self.place.get());
        self.connection.exchange_ends();
    }

    /// Where the registry keeps it.
    pub(super) fn place(&self) -> &Cell<usize> {
        &self.place
    }
}
