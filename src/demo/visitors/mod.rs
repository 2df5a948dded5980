//! A steady stream of visitors: real HTTP over loopback, on connections that are kept alive, and what they saw.
//!
//! Visitors come when they come, whether the ones before them have been answered or not; a slow answer does not thin the
//! stream out, as it would if a few clients asked one after the other.

mod client;
mod seen;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request};
use http_body_util::Full;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::Clients;
pub(crate) use self::seen::{Seen, Sight};
use super::app::VISIT_FIELD;
use super::ledger::Ledger;
use crate::types::{Ratio, Side};

/// Who comes, how often, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The site they visit.
    pub(crate) address: SocketAddr,
    /// Visits a second, on average.
    pub(crate) rate: f64,
    /// Share of the visits that POST; the others GET.
    pub(crate) posts: Ratio,
    /// What the stable and the canary version greet with.
    pub(crate) greetings: [String; 2],
    /// Chooses when visitors come and who of them posts.
    pub(crate) seed: u64,
}

/// What the visitors of one stream share.
struct Stream {
    plan: Plan,
    clients: Clients,
    ledger: Arc<Ledger>,
    seen: Rc<RefCell<Seen>>,
}

/// Lets visitors come until cancelled, then waits for those that are under way (none waits longer than [`PATIENCE`]).
///
/// Needs a `LocalSet`. `seen` grows as visits end.
pub(crate) async fn come(plan: Plan, ledger: Arc<Ledger>, seen: Rc<RefCell<Seen>>, cancel: CancellationToken) {
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    let stream = Rc::new(Stream { clients: Clients::new(plan.address), plan, ledger, seen });
    let visits = TaskTracker::new();
    let mut next = Instant::now();
    for number in 0.. {
        if cancel.run_until_cancelled(tokio::time::sleep_until(next)).await.is_none() {
            break;
        }
        next += pause(stream.plan.rate, &mut rng);
        if visits.len() >= MOST_AT_ONCE {
            stream.seen.borrow_mut().turned_away += 1;
            continue;
        }
        let method = if rng.f64() < stream.plan.posts.fraction() { Method::POST } else { Method::GET };
        let stream = stream.clone();
        visits.spawn_local(async move { stream.visit(number, method).await });
    }
    visits.close();
    visits.wait().await;
}

impl Stream {
    async fn visit(&self, number: u64, method: Method) {
        let begun = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, self.clients.send(self.request(number, &method))).await;
        let sight = match answer {
            Ok(Ok((status, _))) if status.is_server_error() => Sight::Failure,
            Ok(Ok((_, body))) => self.recognise(&body),
            Ok(Err(_)) | Err(_) => Sight::NoAnswer,
        };
        let rescued = self.ledger.end(number);
        self.seen.borrow_mut().record(&method, sight, rescued, begun.elapsed());
    }

    fn request(&self, number: u64, method: &Method) -> Request<Full<Bytes>> {
        let body = if *method == Method::POST { Bytes::from_static(b"one cup of tea, please") } else { Bytes::new() };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        request.headers_mut().insert(HOST, http::HeaderValue::from_static("hello.example"));
        request.headers_mut().insert(VISIT_FIELD, http::HeaderValue::from(number));
        request
    }

    fn recognise(&self, body: &[u8]) -> Sight {
        let text = body.trim_ascii();
        let version =
            Side::BOTH.into_iter().zip(&self.plan.greetings).find(|(_, greeting)| greeting.as_bytes() == text);
        version.map_or(Sight::Failure, |(side, _)| Sight::Greeting(side))
    }
}

/// The time until the next visitor, of a Poisson process.
fn pause(rate: f64, rng: &mut fastrand::Rng) -> Duration {
    // 1 - f64() is in (0, 1]: its logarithm is finite. The cap keeps tiny rates from never sending anybody.
    Duration::from_secs_f64((-(1.0 - rng.f64()).ln() / rate).min(60.0))
}

/// The longest that a visitor waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Visits at once at most: what a laptop opens without a thought, and far more than a working site needs at these rates.
const MOST_AT_ONCE: usize = 500;

#[cfg(test)]
mod tests;
