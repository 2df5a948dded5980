//! Copies of requests for another backend. Their answers are dropped, and nothing that happens to them reaches the original:
//! they are sent after it, from tasks of their own, a bounded number at a time; they are no evidence. (Those for a canary without
//! users are: see [`super::mirror_first`].)
//!
//! Only whole requests are copied: without a body, or with one small enough to have been kept (64 KiB).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue};
use http_body::Body;
use tokio::time::timeout;

use super::choose;
use super::exchange::Exchange;
use super::forward::Outgoing;
use super::upload::Upload;
use super::worker::Worker;
use crate::balancer::InFlight;
use crate::clock;
use crate::snapshot::{Backend, Mirror, Route};
use crate::upstream::{RequestBody, Reuse};

/// A request that is going to be copied.
pub(super) struct Mirrored {
    worker: Rc<Worker>,
    backend: Arc<Backend>,
    head: Parts,
}

impl Mirrored {
    /// The copies of the request: one for each mirror whose share it belongs to.
    pub(super) fn draw(exchange: &Exchange, route: &Route, outgoing: &Outgoing) -> Vec<Self> {
        route.mirrors.iter().filter_map(|mirror| Self::of(exchange, mirror, outgoing)).collect()
    }

    fn of(exchange: &Exchange, mirror: &Mirror, outgoing: &Outgoing) -> Option<Self> {
        let worker = &exchange.connection.worker;
        let drawn = mirror.phase.of(worker.index).next(mirror.share, &mut worker.rng.borrow_mut());
        // A switch of protocols cannot be copied: there is one client to talk to.
        if !drawn || outgoing.upgrade.is_some() {
            return None;
        }
        let mut head = outgoing.head().clone();
        head.headers.insert(X_WEIR_MIRROR, HeaderValue::from_static("true"));
        Some(Self { worker: worker.clone(), backend: mirror.backend.clone(), head })
    }

    /// Sends the copy, if the whole body is there and not too many copies are under way.
    pub(super) fn send(self, upload: &Upload) {
        let Some(body) = upload.copy() else { return };
        let Some(place) = self.worker.mirrors.enter() else { return };
        let tasks = self.worker.tasks.clone();
        tasks.spawn_local(async move {
            let _place = place;
            let _ = timeout(LONGEST, self.deliver(RequestBody::full(body))).await;
        });
    }

    async fn deliver(&self, body: RequestBody) {
        let now = clock::uptime();
        let Some(endpoint) = choose::endpoint(&self.worker, &self.backend, &[], now) else { return };
        let mut in_flight = InFlight::begin(endpoint.clone(), now);
        let sent = self.worker.upstreams.send(&self.backend, endpoint, &self.head, body, Reuse::Any).await;
        let Ok(response) = sent else { return in_flight.failed(clock::uptime()) };
        in_flight.answered(clock::uptime());
        // Read to the end, so that the connection can be used again.
        let mut body = std::pin::pin!(response.into_body());
        while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
    }
}

/// How many copies a worker has under way.
#[derive(Debug, Default)]
pub(super) struct Mirrors(Rc<()>);

impl Mirrors {
    /// A place for one more; `None` when there are too many.
    pub(super) fn enter(&self) -> Option<Place> {
        (Rc::strong_count(&self.0) <= MOST).then(|| Place(self.0.clone()))
    }
}

/// A copy's place among those under way, left by dropping it.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it counts by being there")] Rc<()>);

/// Tells the receiver that nobody waits for its answer.
pub(super) const X_WEIR_MIRROR: HeaderName = HeaderName::from_static("x-weir-mirror");

/// Copies that each worker has under way at once; further ones are left out. A mirror that hangs costs no more than this.
const MOST: usize = 128;

/// The longest time for a copy.
const LONGEST: Duration = Duration::from_secs(30);
