//! A worker's view of the configuration through one of its listeners.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::access_log::Format;
use super::deadline::Watch;
use crate::snapshot::{AccessLog, Current, Listener, Snapshot, Traffic};
use crate::types::Name;

/// One snapshot, as one listener sees it.
pub(super) struct View {
    /// The snapshot.
    pub(super) snapshot: Arc<Snapshot>,
    /// The listener's index in it.
    pub(super) listener: usize,
    /// How requests are logged.
    pub(super) log: Option<Format>,
}

impl View {
    fn of(snapshot: Arc<Snapshot>, name: &Name) -> Option<Self> {
        let listener = snapshot.listeners.iter().position(|listener| listener.name == *name)?;
        let log = snapshot.access_log.as_ref().map(|log| match log {
            AccessLog::Text(template) => Format::text(template),
            AccessLog::Json => Format::json(),
        });
        Some(Self { snapshot, listener, log })
    }

    /// The listener's configuration.
    pub(super) fn listener(&self) -> Option<&Listener> {
        self.snapshot.listeners.get(self.listener)
    }

    /// Whose word about clients is believed.
    pub(super) fn trusted_proxies(&self) -> &[IpNet] {
        self.listener().map_or(&[], |listener| &listener.trusted_proxies)
    }

    /// Where requests without a route are counted.
    pub(super) fn unrouted(&self) -> Option<&Arc<Traffic>> {
        self.listener().map(|listener| &listener.unrouted)
    }
}

/// A listener on one worker.
pub(super) struct Listening {
    /// Its name.
    pub(super) name: Name,
    /// Its bound address.
    pub(super) address: SocketAddr,
    /// The deadlines of its connections.
    pub(super) watch: Rc<Watch>,
    /// Cancelled when it goes away: it accepts nobody any more, and its connections end with what they have under way.
    pub(super) closing: CancellationToken,
    view: RefCell<Rc<View>>,
}

impl Listening {
    /// A listener called `name`; `None` when the snapshot in force does not have it.
    pub(super) fn new(name: Name, address: SocketAddr, current: &Current) -> Option<Self> {
        let view = RefCell::new(Rc::new(View::of(current.load_full(), &name)?));
        Some(Self { name, address, watch: Rc::default(), closing: CancellationToken::new(), view })
    }

    /// Accepts nobody any more; connections end with what they have under way.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.watch.drain();
    }

    /// The snapshot in force. Once a reload has dropped the listener, its last connections keep the snapshot that had it.
    ///
    /// A view is made once for each snapshot: a request costs a comparison of pointers and a count that no other thread
    /// touches.
    pub(super) fn view(&self, current: &Current) -> Rc<View> {
        let snapshot = current.load();
        if Arc::ptr_eq(&snapshot, &self.view.borrow().snapshot) {
            return self.view.borrow().clone();
        }
        match View::of(Arc::clone(&snapshot), &self.name) {
            Some(view) => {
                let view = Rc::new(view);
                *self.view.borrow_mut() = view.clone();
                view
            }
            None => self.view.borrow().clone(),
        }
    }
}
