//! A worker's view of the configuration through the listeners at one address.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::access_log::Format;
use super::deadline::Watch;
use crate::route::{self, HostPattern};
use crate::snapshot::{AccessLog, Current, Listener, Place, Snapshot, Traffic};

/// One snapshot, as the listeners at one address see it.
pub(super) struct View {
    /// The snapshot.
    pub(super) snapshot: Arc<Snapshot>,
    /// The index of the first listener in it.
    pub(super) first: usize,
    /// The indices of all of them, where it takes a request's host to tell whose the request is; else empty.
    shared: Box<[usize]>,
    /// How requests are logged.
    pub(super) log: Option<Format>,
}

impl View {
    fn of(snapshot: Arc<Snapshot>, place: &Place) -> Option<Self> {
        let here = snapshot.listeners.iter().enumerate().filter(|(_, listener)| listener.place() == *place);
        let mut shared: Box<[usize]> = here.map(|(index, _)| index).collect();
        let first = *shared.first()?;
        if shared.len() == 1 && snapshot.listeners[first].host == HostPattern::Any {
            shared = Box::default();
        }
        let log = snapshot.access_log.as_ref().map(|log| match log {
            AccessLog::Text(template) => Format::text(template),
            AccessLog::Json => Format::json(),
        });
        Some(Self { snapshot, first, shared, log })
    }

    /// Whether it takes a host to tell the listeners apart.
    pub(super) fn is_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    /// The index of the listener that `host` belongs to: the most specific one.
    pub(super) fn listener_of(&self, host: &str) -> Option<usize> {
        if !self.is_shared() {
            return Some(self.first);
        }
        let hosts = self.shared.iter().map(|&index| &self.snapshot.listeners[index].host);
        route::most_specific(hosts, host).map(|place| self.shared[place])
    }

    /// A listener's configuration.
    pub(super) fn listener(&self, index: usize) -> Option<&Listener> {
        self.snapshot.listeners.get(index)
    }

    /// Where requests to a listener are counted that no route takes.
    pub(super) fn unrouted(&self, listener: usize) -> Option<&Arc<Traffic>> {
        self.listener(listener).map(|listener| &listener.unrouted)
    }
}

/// A listening socket of one worker, which one listener has, or several.
pub(super) struct Listening {
    place: Place,
    /// Its bound address.
    pub(super) address: SocketAddr,
    /// The deadlines of its connections.
    pub(super) watch: Rc<Watch>,
    /// Cancelled when it is going to go away: clients are told to connect anew, while it still lets them.
    pub(super) leaving: CancellationToken,
    /// Cancelled when it goes away: it accepts nobody any more, and its connections end with what they have under way.
    pub(super) closing: CancellationToken,
    view: RefCell<Rc<View>>,
}

impl Listening {
    /// The socket at `place`; `None` when no listener of the snapshot in force is there.
    pub(super) fn new(place: Place, address: SocketAddr, current: &Current) -> Option<Self> {
        let view = RefCell::new(Rc::new(View::of(current.load_full(), &place)?));
        let (leaving, closing) = (CancellationToken::new(), CancellationToken::new());
        Some(Self { place, address, watch: Rc::default(), leaving, closing, view })
    }

    /// Goes on as it is, and tells clients that it will not: with the next answer (HTTP/1), or at once (HTTP/2).
    pub(super) fn leave(&self) {
        self.leaving.cancel();
        self.watch.leave();
    }

    /// Accepts nobody any more; connections end with what they have under way.
    pub(super) fn close(&self) {
        self.leave();
        self.closing.cancel();
        self.watch.drain();
    }

    /// The snapshot in force. Once a reload has dropped the address, its last connections keep the snapshot that had it.
    ///
    /// A view is made once for each snapshot: a request costs a comparison of pointers and a count that no other thread
    /// touches.
    pub(super) fn view(&self, current: &Current) -> Rc<View> {
        let snapshot = current.load();
        if Arc::ptr_eq(&snapshot, &self.view.borrow().snapshot) {
            return self.view.borrow().clone();
        }
        match View::of(Arc::clone(&snapshot), &self.place) {
            Some(view) => {
                let view = Rc::new(view);
                *self.view.borrow_mut() = view.clone();
                view
            }
            None => self.view.borrow().clone(),
        }
    }
}
