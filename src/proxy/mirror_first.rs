//! Before its first user: copies of requests for the canary, whose answers count and are then dropped.
//!
//! # Why the sides can be compared
//! A request that could be copied is drawn with the release's share, by the splitter that shares users. Of a drawn one the
//! canary's answer counts, and stable's does not; of one that is not drawn stable's counts. What cannot be copied counts for
//! neither. So each request that counts falls on a side by the draw alone, as at a step of that weight, and the judge's
//! bounds hold as they do there. Whether a request could be copied is known before the draw, but for a body: that must have
//! been read by stable and be small, and this is asked of stable's answer on either side.
//!
//! A copy ends with its client, as the request of a user would. But who has stable's answer does not wait for the canary's:
//! what a client would not have waited for counts, up to the horizon.
//!
//! The original never waits for its copy, and nothing that happens to the copy reaches it: copies run in tasks of their own, a
//! bounded number at a time, and none for longer than the horizon of the evidence.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;
use tokio::time::timeout;

use super::choose;
use super::download::{self, GRPC_UNKNOWN};
use super::evidence::{Ending, Evidence, Exchanged, Settled};
use super::exchange::Exchange;
use super::forward::Outgoing;
use super::forwarded::X_REQUEST_ID;
use super::mirror::{Place, X_WEIR_MIRROR};
use super::upload::Upload;
use super::worker::Worker;
use crate::balancer::InFlight;
use crate::clock;
use crate::outcome::{Fault, Semantics};
use crate::retry::{Attempt, Connection, Decision, Ended, Replay};
use crate::snapshot::{Release, Route};
use crate::types::Side;
use crate::upstream::{RequestBody, Reuse, SendError, UpstreamBody};

/// A place for the copy of a request with `head`; `None` when it must not be copied, or when too many copies are under way.
pub(super) fn place(exchange: &Exchange, release: &Release, head: &Parts) -> Option<Place> {
    let may = release.mirrored_methods.contains(&head.method)
        // A switch of protocols cannot be copied: there is one client to talk to.
        && !head.headers.contains_key(header::UPGRADE)
        && exchange.upload().is_some_and(|upload| upload.may_be_kept());
    if may { exchange.connection.worker.mirrors.enter() } else { None }
}

/// A request that was drawn to be copied.
pub(super) struct Drawn {
    /// For the canary of this one.
    pub(super) release: Arc<Release>,
    /// With affinity: the client, by hash.
    pub(super) client: Option<u64>,
    /// Kept until the copy is over.
    #[expect(dead_code, reason = "it counts by being there")]
    pub(super) place: Place,
}

impl Drawn {
    /// The copy, with the head that stable gets, which has `slot` of the route's target.
    pub(super) fn copy(
        self,
        exchange: &Exchange,
        (route, slot): (&Arc<Route>, usize),
        outgoing: &Outgoing,
    ) -> Box<Copy> {
        let mut head = outgoing.head().clone();
        head.headers.insert(X_WEIR_MIRROR, HeaderValue::from_static("true"));
        let (worker, route, counted) = (exchange.connection.worker.clone(), route.clone(), route.evidence(slot));
        Box::new(Copy { drawn: self, worker, route, counted, head, semantics: outgoing.semantics })
    }
}

/// A copy that has not been sent.
pub(super) struct Copy {
    drawn: Drawn,
    worker: Rc<Worker>,
    route: Arc<Route>,
    /// Where the release counts its route, see [`Route::evidence`].
    counted: Option<usize>,
    head: Parts,
    semantics: Semantics,
}

impl Copy {
    /// Sends it, and has its answer counted; without the whole body it is left out. Always `None`: it is gone.
    pub(super) fn send(self: Box<Self>, exchange: &Exchange, upload: &Upload) -> Option<Box<Self>> {
        let body = upload.copy()?;
        let tasks = self.worker.tasks.clone();
        exchange.accompany(tasks.spawn_local(self.run(body)).abort_handle());
        None
    }

    /// To the end of the answer, of the route's time or of the horizon, whichever comes first.
    async fn run(self: Box<Self>, body: Bytes) {
        let (release, began) = (&self.drawn.release, clock::uptime());
        let (worker, client) = (self.worker.index, self.drawn.client);
        let side = (Side::Canary, Exchanged::Copy);
        let mut evidence = Evidence::new(release.clone(), self.counted, side, worker, client, began);
        let horizon = release.bounds.horizon();
        let limit = self.route.timeout.into_iter().chain(self.route.attempt_timeout).min();
        let time = limit.map_or(horizon, |limit| limit.min(horizon));
        if timeout(time, self.exchange(body, &mut evidence)).await.is_ok() {
            return;
        }
        if time < horizon {
            let over = Ending::of_fault(&release.failures, Fault::RequestTimeout);
            evidence.ended(over, self.id(), clock::uptime);
        } else {
            // Longer than the last bound, by the least that tells.
            evidence.look(began + horizon + Duration::from_micros(1));
        }
    }

    async fn exchange(&self, body: Bytes, evidence: &mut Evidence) {
        let failures = &self.drawn.release.failures;
        let Some(answer) = self.answer(body).await else { return };
        let (response, _in_flight) = match answer {
            Ok(answered) => answered,
            Err(fault) => {
                evidence.ended(Ending::of_fault(failures, fault), self.id(), clock::uptime);
                return;
            }
        };
        let (status, headers) = (response.status(), response.headers());
        let head = Ending::of_head(failures, self.semantics, status, headers);
        // A status in the head has said it all.
        let semantics = match download::grpc_status_in_head(self.semantics, headers) {
            Some(_) => Semantics::Http,
            None => self.semantics,
        };
        let settled = evidence.answered(head, self.id(), clock::uptime());
        // Read to the end in any case, so that the connection can be used again.
        let ending = self.read(response.into_body(), semantics).await;
        if settled == Settled::No {
            evidence.ended(ending, self.id(), clock::uptime);
        }
    }

    /// The canary's response head; `None` when it has no endpoint, as a user would have gone to stable then.
    async fn answer(&self, body: Bytes) -> Option<Result<(Response<UpstreamBody>, InFlight), Fault>> {
        let canary = &self.drawn.release.canary;
        let mut reuse = if self.head.method.is_idempotent() { Reuse::Any } else { Reuse::Young };
        loop {
            let now = clock::uptime();
            let endpoint = choose::endpoint(&self.worker, canary, &[], now)?;
            let mut in_flight = InFlight::begin(endpoint.clone(), now);
            let body = RequestBody::full(body.clone());
            let error = match self.worker.upstreams.send(canary, endpoint, &self.head, body, reuse).await {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    in_flight.failed(clock::uptime());
                    return Some(Err(Fault::BadUpgrade));
                }
                Ok(response) => {
                    in_flight.answered(clock::uptime());
                    return Some(Ok((response, in_flight)));
                }
                Err(error) => error,
            };
            if reuse == Reuse::FreshOnly || !self.had_closed(&error) {
                in_flight.failed(clock::uptime());
                return Some(Err(error.fault));
            }
            reuse = Reuse::FreshOnly;
        }
    }

    /// Whether it met a connection that had been closed while it was idle: no failure of the canary, for users neither.
    fn had_closed(&self, error: &SendError) -> bool {
        let attempt = Attempt {
            number: 1,
            side: Some(Side::Canary),
            method: &self.head.method,
            sent: error.sent,
            connection: if error.reused { Connection::Reused } else { Connection::Fresh },
            replay: Replay::Possible,
            ended: Ended::Fault(error.fault),
        };
        self.route.retry.decide(&attempt) == Decision::AgainFresh
    }

    /// Reads the answer and drops it; what its end says.
    async fn read(&self, body: UpstreamBody, semantics: Semantics) -> Ending {
        let failures = &self.drawn.release.failures;
        let mut body = std::pin::pin!(body);
        let mut code = GRPC_UNKNOWN;
        loop {
            match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    code = frame.trailers_ref().and_then(download::grpc_status).unwrap_or(code);
                }
                Some(Err(error)) => return Ending::of_fault(failures, error.fault),
                None => break,
            }
        }
        match semantics {
            Semantics::Http => Ending::Good,
            Semantics::Grpc => Ending::of_grpc(failures, code),
        }
    }

    fn id(&self) -> Option<&HeaderValue> {
        self.head.headers.get(X_REQUEST_ID)
    }
}
