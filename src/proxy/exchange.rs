//! One request and its response, from the whole head to the last byte: the place where everything that is counted about it
//! comes together, exactly once.
//!
//! The [`Ticket`] is handed from the handler to the response body (or to the upgrade); whoever drops it ends the exchange.
//! So a client that goes away, a panic and a drain past its deadline are all accounted for by the same `Drop`.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep};

use super::access_log::Entry;
use super::account::{Account, Destination};
use super::connection::Connection;
use super::evidence::{Ending, Evidence, Settled};
use super::standstill::Standstill;
use super::upload::Upload;
use super::view::View;
use crate::balancer::InFlight;
use crate::clock;
use crate::outcome::Fault;
use crate::snapshot::{Listener, Release, Route};
use crate::upstream::UpstreamBody;

/// A request under way.
pub(super) struct Exchange {
    /// Where it came in.
    pub(super) connection: Rc<Connection>,
    /// The configuration it began with.
    view: Rc<View>,
    /// The one in which there was an endpoint at last, where it waited for one.
    later: OnceCell<Rc<View>>,
    /// The index of its listener; the first one at the address until its host is known.
    listener: Cell<usize>,
    /// When its head was whole, as uptime.
    pub(super) began: Duration,
    /// Whether it stands still.
    pub(super) still: Standstill,
    /// The response body while it is passed on. Here, so that a client that stops reading cannot keep it.
    pub(super) payload: RefCell<Option<UpstreamBody>>,
    place: Cell<usize>,
    end: Cell<End>,
    deadline: RefCell<Option<Pin<Box<Sleep>>>>,
    attempt_deadline: RefCell<Option<Pin<Box<Sleep>>>>,
    evidence: RefCell<Option<Evidence>>,
    account: RefCell<Account>,
    entry: RefCell<Option<Box<Entry>>>,
    id: RefCell<Option<HeaderValue>>,
    in_flight: RefCell<Option<InFlight>>,
    upload: RefCell<Weak<Upload>>,
    copy: RefCell<Option<AbortHandle>>,
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
            listener: Cell::new(view.first),
            view,
            later: OnceCell::new(),
            began: now,
            still: Standstill::new(now),
            payload: RefCell::default(),
            place: Cell::default(),
            end: Cell::new(End::Open),
            deadline: RefCell::default(),
            attempt_deadline: RefCell::default(),
            evidence: RefCell::default(),
            id: RefCell::default(),
            in_flight: RefCell::default(),
            upload: RefCell::default(),
            copy: RefCell::default(),
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
    /// Its configuration: it keeps the one it began with, or the one that ended its wait.
    pub(super) fn view(&self) -> &Rc<View> {
        self.later.get().unwrap_or(&self.view)
    }

    /// It has waited for an endpoint, and there is one in `view`.
    pub(super) fn waited(&self, view: Rc<View>) {
        let _ = self.later.set(view);
    }

    /// Whether it has waited for an endpoint.
    pub(super) fn has_waited(&self) -> bool {
        self.later.get().is_some()
    }

    /// Finds the listener of `view` that a request for `host` belongs to.
    ///
    /// # Errors
    /// [`Fault::NoRoute`] when it belongs to none; [`Fault::Misdirected`] when the client has shaken hands with another one.
    pub(super) fn belongs_to(&self, view: &View, host: &str) -> Result<usize, Fault> {
        let listener = view.listener_of(host).ok_or(Fault::NoRoute)?;
        let asked = self.connection.tls.as_deref();
        if asked.is_some_and(|name| view.listener_of(name) != Some(listener)) {
            return Err(Fault::Misdirected);
        }
        Ok(listener)
    }

    /// It came in at this listener.
    pub(super) fn enters(&self, listener: usize) {
        self.listener.set(listener);
    }

    /// Its listener.
    pub(super) fn listener(&self) -> Option<&Listener> {
        self.view().listener(self.listener.get())
    }

    /// `route` takes it: its time begins, if it has not yet.
    pub(super) fn routed(&self, route: &Arc<Route>) {
        self.account.borrow_mut().route = Some(route.clone());
        if let Some(timeout) = route.timeout.filter(|_| self.deadline.borrow().is_none()) {
            *self.deadline.borrow_mut() = Some(Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        }
    }

    /// An attempt begins, and with it the time that `route` gives to each.
    pub(super) fn attempt_begins(&self, route: &Route, to: &Destination<'_>, now: Duration) {
        if let Some(timeout) = route.attempt_timeout {
            *self.attempt_deadline.borrow_mut() = Some(Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        }
        self.still.begins_again();
        self.account.borrow_mut().attempt_begins(self.listener.get(), to, now);
    }

    /// The attempt has a connection: from here on it may wait in vain.
    pub(super) fn attempt_reaches(&self, to: &Destination<'_>, now: Duration) {
        self.still.begins_again();
        self.account.borrow_mut().attempt_reaches(to, now);
    }

    /// Notes something about the exchange.
    pub(super) fn note(&self, note: impl FnOnce(&mut Account)) {
        note(&mut self.account.borrow_mut());
    }

    /// What the first attempt will tell the judge.
    pub(super) fn bear(&self, evidence: Evidence) {
        *self.evidence.borrow_mut() = Some(evidence);
    }

    /// The evidence, while it is open, hears of the response head.
    pub(super) fn answered(&self, so_far: Ending, now: Duration) {
        let so_far = if self.counts() { so_far } else { Ending::Ignored };
        self.testify(|evidence| evidence.answered(so_far, self.id.borrow().as_ref(), now));
    }

    /// The evidence, while it is open, hears of the end.
    pub(super) fn ends(&self, ending: Ending, now: impl FnOnce() -> Duration) {
        let ending = if self.counts() { ending } else { Ending::Ignored };
        self.testify(|evidence| evidence.ended(ending, self.id.borrow().as_ref(), now));
    }

    /// Whether the evidence counts as things are. What might have been copied does only with a body that can be; one that has
    /// gone with the response head was looked at then.
    fn counts(&self) -> bool {
        let must_be_kept = self.evidence.borrow().as_ref().is_some_and(Evidence::is_of_copyable);
        !must_be_kept || self.upload().is_none_or(|upload| upload.is_kept())
    }

    fn testify(&self, note: impl FnOnce(&mut Evidence) -> Settled) {
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

    /// Its request body, until that is no longer needed.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        self.upload.borrow().upgrade()
    }

    /// Its copy for the canary is under way, and ends with a client that goes away, as the exchange does.
    pub(super) fn accompany(&self, copy: AbortHandle) {
        *self.copy.borrow_mut() = Some(copy);
    }

    /// What the request is called, once it has been forwarded.
    pub(super) fn id(&self) -> Option<HeaderValue> {
        self.id.borrow().clone()
    }

    /// The request is under way at its endpoint until the exchange ends.
    pub(super) fn keep_busy(&self, in_flight: InFlight) {
        *self.in_flight.borrow_mut() = Some(in_flight);
    }

    /// The last byte of the response was handed over; `ending` is what its trailers say.
    pub(super) fn ended(&self, ending: Ending) {
        self.ends(ending, clock::uptime);
        self.end.set(End::Reached);
    }

    /// The response broke off.
    pub(super) fn broke(&self, fault: Fault) {
        self.ends(self.ending_by(fault), clock::uptime);
        self.account.borrow_mut().fault = Some(fault);
        self.end.set(End::Reached);
    }

    /// How `fault` counts for the release that the route leads to, if it leads to one.
    pub(super) fn ending_by(&self, fault: Fault) -> Ending {
        self.release().map_or(Ending::Ignored, |release| Ending::of_fault(&release.failures, fault))
    }

    /// The release that the route leads to; where it leads to several, that of the last attempt.
    pub(super) fn release(&self) -> Option<Arc<Release>> {
        let account = self.account.borrow();
        let (release, _) = account.route.as_ref()?.target.release(account.slot())?;
        Some(release.clone())
    }

    /// Waits for `future`, but no longer than the route allows, and not after the exchange has been given up.
    ///
    /// # Errors
    /// [`Fault::ResponseTimeout`] when the time of the attempt alone is over; any other one is the end of the exchange.
    pub(super) async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Fault> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_given_up(cx).map(Err),
        })
        .await
    }

    /// Whether the attempt waits for an endpoint that has fallen silent; says so once.
    pub(super) fn waits_in_vain(&self) -> bool {
        self.still.takes_vain()
    }

    /// Ready when the exchange must end, and why.
    pub(super) fn poll_given_up(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        if let Poll::Ready(fault) = self.still.poll(cx) {
            return Poll::Ready(fault);
        }
        let is_over = |deadline: &RefCell<Option<Pin<Box<Sleep>>>>, cx: &mut Context<'_>| {
            deadline.borrow_mut().as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
        };
        if is_over(&self.deadline, cx) {
            return Poll::Ready(Fault::RequestTimeout);
        }
        if is_over(&self.attempt_deadline, cx) { Poll::Ready(Fault::ResponseTimeout) } else { Poll::Pending }
    }

    /// Looks after the exchange from outside: the horizon of its evidence, and whether it stands still.
    pub(super) fn sweep(&self, now: Duration) {
        if self.counts() {
            self.testify(|evidence| evidence.look(now));
        }
        if self.account.borrow().waits_in_vain(now) {
            self.still.waits_in_vain();
        }
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
        if let Some(upload) = self.upload() {
            upload.cut();
        }
        self.in_flight.borrow_mut().take();
        let now = clock::uptime();
        if self.end.get() != End::Reached {
            self.ends(Ending::Ignored, || now);
            self.copy.borrow_mut().take().iter().for_each(AbortHandle::abort);
            let mut account = self.account.borrow_mut();
            account.status = account.status.filter(|_| self.end.get() == End::Answered);
            account.fault = Some(Fault::ClientGone);
        }
        self.account.borrow_mut().close(self.listener.get(), self.view().unrouted(self.listener.get()), now);
        if let (Some(log), Some(entry)) = (&self.view.log, self.entry.borrow_mut().take()) {
            let took = now.saturating_sub(self.began);
            let account = self.account.borrow();
            self.connection
                .worker
                .log
                .write(|line| log.render(line, &entry, (&self.connection, self.listener()), &account, took));
        }
        self.connection.worker.exchanges.remove(self.place.get());
        self.connection.exchange_ends(now);
    }

    /// Where the registry keeps it.
    pub(super) fn place(&self) -> &Cell<usize> {
        &self.place
    }
}
