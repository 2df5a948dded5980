//! A connection for an attempt: to the endpoint that was chosen, and where that takes too long, to others as well. The first
//! that is there is taken. Nothing has been sent by then, so this is as good for POST as for GET.
//!
//! An endpoint whose network is gone does not refuse connections: without this each request that meets it would wait for the
//! whole `timeouts.connect`. What one endpoint more is asked for is a handshake, not a request, so it takes no retry budget.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::account::Destination;
use super::attempts::Attempts;
use super::choose;
use crate::balancer::InFlight;
use crate::clock;
use crate::endpoint::Endpoint;
use crate::health::outlier::Sign;
use crate::outcome::Fault;
use crate::upstream::{Ready, Reuse, SendError};

impl<'a> Attempts<'a> {
    /// A connection for the attempt at `to`, which becomes where it leads, or where it failed last; `in_flight` is the
    /// attempt's so far. The inner error is the attempt's, the outer one the exchange's.
    pub(super) async fn reach<'t>(
        &'t self,
        to: &mut Destination<'t>,
        reuse: Reuse,
        in_flight: InFlight,
    ) -> Result<Result<(Ready, InFlight), SendError>, Fault> {
        let mut race = Race { attempts: self, reuse, runners: Vec::with_capacity(1), tried: Vec::with_capacity(1) };
        race.enter(to.clone(), in_flight);
        match self.exchange.guard(race.run()).await {
            Ok((reached, last)) => {
                *to = last.to;
                self.exchange.attempt_reaches(to, clock::uptime());
                Ok(reached.map(|ready| (ready, last.in_flight)))
            }
            Err(fault @ Fault::ResponseTimeout) => Ok(Err(SendError::unsent(fault))),
            Err(fault) => Err(self.given_up(to, fault)),
        }
    }
}

/// Connections on their way, of which one is needed.
struct Race<'t> {
    attempts: &'t Attempts<'t>,
    reuse: Reuse,
    runners: Vec<Runner<'t>>,
    /// The endpoints of all runners there were, by id.
    tried: Vec<u64>,
}

/// A connection on its way.
struct Runner<'t> {
    to: Destination<'t>,
    in_flight: InFlight,
    began: Instant,
    reaching: Pin<Box<dyn Future<Output = Result<Ready, SendError>> + 't>>,
}

impl<'t> Race<'t> {
    /// To the first connection, or the last failure.
    async fn run(&mut self) -> (Result<Ready, SendError>, Runner<'t>) {
        loop {
            let Ok((reached, mut runner)) = timeout(GLANCE, poll_fn(|cx| self.poll(cx))).await else {
                self.look();
                continue;
            };
            if reached.is_ok() {
                let late = std::mem::take(&mut self.runners).into_iter().filter(Runner::is_late);
                late.for_each(|runner| self.lost(runner));
                return (reached, runner);
            }
            if self.runners.is_empty() {
                runner.in_flight.failed(clock::uptime());
                return (reached, runner);
            }
            self.lost(runner);
        }
    }

    /// Ready with the next runner that arrives, or fails.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Result<Ready, SendError>, Runner<'t>)> {
        for place in 0..self.runners.len() {
            if let Poll::Ready(reached) = self.runners[place].reaching.as_mut().poll(cx) {
                return Poll::Ready((reached, self.runners.remove(place)));
            }
        }
        Poll::Pending
    }

    /// Sends another one off when the latest is late, or when all run to endpoints that take no requests any more: those are
    /// given up as soon as there is a better one.
    fn look(&mut self) {
        let now = clock::uptime();
        let is_well = |runner: &Runner<'_>| runner.to.endpoint.is_available(now);
        if self.runners.last().is_some_and(Runner::is_late) || !self.runners.iter().any(is_well) {
            self.send_another(now);
        }
        if self.runners.iter().any(is_well) {
            self.runners.retain(is_well);
        }
    }

    /// To an endpoint that is well and was not tried, if there is one, and not too many were.
    fn send_another(&mut self, now: Duration) {
        let (attempts, Some(latest)) = (self.attempts, self.runners.last()) else { return };
        let backend = attempts.newest(&latest.to.backend);
        let is_new = |endpoint: &&Arc<Endpoint>| !self.tried.contains(&endpoint.id) && endpoint.is_available(now);
        let endpoint =
            choose::endpoint(&attempts.exchange.connection.worker, &backend, &self.tried, now).filter(is_new);
        let Some(endpoint) = endpoint.filter(|_| self.tried.len() < attempts.route.retry.connects() as usize) else {
            return;
        };
        let endpoint = endpoint.clone();
        let in_flight = InFlight::begin(endpoint.clone(), now);
        let to = Destination { backend: Cow::Owned(backend), endpoint: Cow::Owned(endpoint), ..latest.to };
        self.enter(to, in_flight);
    }

    fn enter(&mut self, to: Destination<'t>, in_flight: InFlight) {
        let (backend, endpoint) = (Arc::clone(&to.backend), Arc::clone(&to.endpoint));
        let upstreams = self.attempts.exchange.connection.worker.upstreams.clone();
        let (headers, reuse) = (&self.attempts.outgoing.head().headers, self.reuse);
        let reaching = Box::pin(async move { upstreams.reach(&backend, &endpoint, headers, reuse).await });
        self.tried.push(to.endpoint.id);
        self.runners.push(Runner { to, in_flight, began: Instant::now(), reaching });
    }

    /// It failed, or was overtaken by one that began much later.
    fn lost(&self, mut runner: Runner<'_>) {
        let now = clock::uptime();
        runner.in_flight.failed(now);
        self.attempts.judge_endpoint(&runner.to, Sign::Bad, now);
    }
}

impl Runner<'_> {
    fn is_late(&self) -> bool {
        self.began.elapsed() >= LATE
    }
}

/// A connection is late after this: the delay between attempts that RFC 8305, section 5, recommends. It is more than a
/// handshake takes within a region, TLS included, and a quarter of what TCP waits before it sends a lost SYN again.
const LATE: Duration = Duration::from_millis(250);

/// How often it is looked whether one is late, or its endpoint is gone.
const GLANCE: Duration = Duration::from_millis(50);
