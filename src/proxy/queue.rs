//! Requests for which there is no endpoint wait for one: so many at a time, for so long. Nothing of them has been sent, so it
//! does not matter what they are.
//!
//! A worker rings its bell whenever endpoints may have appeared; those that wait look again, each in the configuration that
//! is then in force.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::choose;
use super::exchange::Exchange;
use super::view::View;
use crate::outcome::Fault;
use crate::snapshot::{Ended, Queue, Route};
use crate::types::Name;

/// What wakes the requests of a worker that wait.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Notify,
    closed: Cell<bool>,
}

impl Bell {
    /// Endpoints may have appeared.
    pub(super) fn ring(&self) {
        self.rung.notify_waiters();
    }

    /// Nobody waits any more.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.ring();
    }
}

/// Waits in `queue` until the request's route, which `find` finds in a view, has an endpoint. From then on the view in which
/// it has is the exchange's.
///
/// # Errors
/// [`Fault::NoEndpoint`] when none appeared in time, or nobody may wait; [`Fault::Overflow`] when enough others wait;
/// [`Fault::Draining`] when weir is going down; else what ended the exchange.
pub(super) async fn wait(
    exchange: &Exchange,
    queue: &Queue,
    find: impl Fn(&View) -> Result<Arc<Route>, Fault>,
) -> Result<(), Fault> {
    if !queue.is_on() || exchange.has_waited() {
        return Err(Fault::NoEndpoint);
    }
    let place = queue.enter().ok_or(Fault::Overflow)?;
    let worker = &exchange.connection.worker;
    let arrival = until(exchange, |view| Ok(choose::is_possible(worker, &find(view)?.target)));
    match timeout(queue.time, exchange.guard(arrival)).await {
        Ok(arrived) => {
            exchange.waited(arrived??);
            place.leave(Ended::Served);
            Ok(())
        }
        Err(_) => {
            place.leave(Ended::Expired);
            Err(Fault::NoEndpoint)
        }
    }
}

/// Waits in `queue` until the endpoint `lost`, which has failed a request, has left the route `route`, and the route has
/// another: the view in which it is so. `None` when the news of that does not come within [`NEWS`], or no other in time.
pub(super) async fn successor(exchange: &Exchange, queue: &Queue, route: &Name, lost: u64) -> Option<Rc<View>> {
    if !queue.is_on() {
        return None;
    }
    let place = queue.enter()?;
    let worker = &exchange.connection.worker;
    let find = |view: &View, good: &dyn Fn(&Route) -> bool| {
        let mut routes = view.snapshot.router.targets();
        routes.find(|one| one.name == *route).map(|one| good(one)).ok_or(Fault::NoRoute)
    };
    let gone = until(exchange, |view| find(view, &|route| !choose::has(&route.target, lost)));
    let news = timeout(NEWS.min(queue.time), exchange.guard(gone)).await;
    let arrived = match news {
        Ok(Ok(Ok(_))) => {
            let arrival = until(exchange, |view| find(view, &|route| choose::is_possible(worker, &route.target)));
            timeout(queue.time, exchange.guard(arrival)).await.ok()?.ok()?.ok()
        }
        _ => None,
    };
    place.leave(if arrived.is_some() { Ended::Served } else { Ended::Expired });
    arrived
}

/// The first view of which `good` is true.
async fn until(exchange: &Exchange, good: impl Fn(&View) -> Result<bool, Fault>) -> Result<Rc<View>, Fault> {
    let bell = &exchange.connection.worker.bell;
    loop {
        if bell.closed.get() {
            return Err(Fault::Draining);
        }
        let rung = bell.rung.notified();
        let view = exchange.connection.view();
        if good(&view)? {
            return Ok(view);
        }
        rung.await;
    }
}

/// How long after an endpoint the news that it has gone may come; HAProxy waits as long before it tries a server again.
const NEWS: Duration = Duration::from_secs(1);
