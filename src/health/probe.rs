//! Active probes: asks the endpoints of the snapshot in force whether they are well, and writes what it finds into them.
//!
//! The only writer of [`Endpoint::probed_healthy`]. An endpoint starts healthy, and changes after as many answers in a row as
//! its backend's [`Probe`] says; without a probe it is healthy.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::endpoint::Endpoint;
use crate::snapshot::{Backend, Current, Probe, Protocol, Snapshot};
use crate::types::Name;
use crate::upstream::fetch::{self, FetchError, Options};

/// Probes the endpoints of the snapshot in force, whichever that is, until `stop`.
///
/// Each endpoint is probed once per interval, the first time at a random moment within it (drawn from `rng`), so that many
/// weirs do not ask all at once.
pub async fn run(current: Arc<Current>, mut rng: fastrand::Rng, stop: CancellationToken) {
    let mut watches = Watches::default();
    let mut probes = JoinSet::new();
    loop {
        watches.follow(&current.load(), &mut rng);
        let room = MAX_AT_ONCE.saturating_sub(probes.len());
        for (id, backend, endpoint) in watches.start_due(room, &mut rng) {
            probes.spawn(async move { (id, ask(&backend, &endpoint).await) });
        }
        let glance = Instant::now() + GLANCE;
        let next = watches.next_due().filter(|_| probes.len() < MAX_AT_ONCE).map_or(glance, |due| due.min(glance));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
            Some(Ok((id, answer))) = probes.join_next() => watches.take(id, answer),
        }
    }
}

/// What is probed, by endpoint.
#[derive(Debug, Default)]
struct Watches {
    generation: Option<u64>,
    endpoints: HashMap<u64, Watch>,
}

/// One endpoint under probe.
#[derive(Debug)]
struct Watch {
    backend: Arc<Backend>,
    endpoint: Arc<Endpoint>,
    /// When to ask next.
    due: Instant,
    asking: bool,
    /// Answers in a row that speak against the present state.
    against: u32,
}

impl Watches {
    /// Takes over what a new snapshot has to probe; the state of what stays is kept.
    fn follow(&mut self, snapshot: &Snapshot, rng: &mut fastrand::Rng) {
        if self.generation == Some(snapshot.generation) {
            return;
        }
        self.generation = Some(snapshot.generation);
        let mut before = std::mem::take(&mut self.endpoints);
        for backend in snapshot.backends.values() {
            let Some(probe) = &backend.probe else { continue };
            for endpoint in &backend.endpoints {
                let watch = match before.remove(&endpoint.id) {
                    Some(known) => Watch { backend: backend.clone(), ..known },
                    None => Watch {
                        backend: backend.clone(),
                        endpoint: endpoint.clone(),
                        due: Instant::now() + probe.interval.mul_f64(rng.f64()),
                        asking: false,
                        against: 0,
                    },
                };
                self.endpoints.insert(endpoint.id, watch);
            }
        }
        for gone in before.into_values() {
            gone.endpoint.probed_healthy.store(true, Ordering::Relaxed);
        }
    }

    /// Marks at most `room` endpoints whose time has come as being asked, and returns them.
    fn start_due(&mut self, room: usize, rng: &mut fastrand::Rng) -> Vec<(u64, Arc<Backend>, Arc<Endpoint>)> {
        let now = Instant::now();
        let due = self.endpoints.iter_mut().filter(|(_, watch)| !watch.asking && watch.due <= now);
        let started = due.take(room).map(|(id, watch)| {
            watch.asking = true;
            let interval = watch.backend.probe.as_ref().map_or(GLANCE, |probe| probe.interval);
            watch.due = now + interval.mul_f64(1.0 + JITTER * (rng.f64() - 0.5));
            (*id, watch.backend.clone(), watch.endpoint.clone())
        });
        started.collect()
    }

    fn next_due(&self) -> Option<Instant> {
        self.endpoints.values().filter(|watch| !watch.asking).map(|watch| watch.due).min()
    }

    fn take(&mut self, id: u64, answer: Result<(), Unwell>) {
        // It may have gone with a reload.
        let Some(watch) = self.endpoints.get_mut(&id) else { return };
        watch.asking = false;
        if let Some(probe) = &watch.backend.probe {
            let changed = judge(probe, &watch.endpoint, &mut watch.against, answer.is_ok());
            if changed {
                announce(&watch.backend.name, &watch.endpoint, probe, answer);
            }
        }
    }
}

/// Counts one answer. Returns whether the endpoint's state has changed by it.
fn judge(probe: &Probe, endpoint: &Endpoint, against: &mut u32, well: bool) -> bool {
    let healthy = endpoint.probed_healthy.load(Ordering::Relaxed);
    if well == healthy {
        *against = 0;
        return false;
    }
    *against += 1;
    let needed = if healthy { probe.unhealthy_after } else { probe.healthy_after };
    if *against < needed {
        return false;
    }
    *against = 0;
    endpoint.probed_healthy.store(well, Ordering::Relaxed);
    true
}

fn announce(backend: &Name, endpoint: &Endpoint, probe: &Probe, answer: Result<(), Unwell>) {
    let Endpoint { address, authority, .. } = endpoint;
    match answer {
        Ok(()) => {
            let times = probe.healthy_after;
            tracing::info!(%backend, %address, "{authority} is healthy again: the last {times} probes were answered well");
        }
        Err(why) => {
            let times = probe.unhealthy_after;
            tracing::warn!(%backend, %address, "{authority} is unhealthy: {times} probes in a row failed, the last: {why}");
        }
    }
}

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("it answered {0}")]
    Status(http::StatusCode),
    #[error(transparent)]
    NoAnswer(#[from] FetchError),
    #[error("the probe's address cannot be written")]
    BadUri,
}

/// Asks once. Well is 200 to 399, the whole answer within the probe's timeout.
async fn ask(backend: &Backend, endpoint: &Endpoint) -> Result<(), Unwell> {
    let Some(probe) = &backend.probe else { return Ok(()) };
    let options = Options {
        timeout: probe.timeout,
        limit: MAX_ANSWER,
        tls: backend.tls.as_ref().map(|tls| tls.config.clone()),
        server_name: backend.tls.as_ref().and_then(|tls| tls.server_name.clone()),
        address: Some(endpoint.address),
        version: match backend.protocol {
            Protocol::Auto | Protocol::Http1 => fetch::Version::Http1,
            Protocol::Http2 => fetch::Version::Http2,
        },
    };
    let response = fetch::fetch(request(backend, endpoint, probe)?, &options).await?;
    match response.status() {
        status if status.is_success() || status.is_redirection() => Ok(()),
        status => Err(Unwell::Status(status)),
    }
}

fn request(backend: &Backend, endpoint: &Endpoint, probe: &Probe) -> Result<Request<Bytes>, Unwell> {
    let path = probe.path.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder()
        .scheme(if backend.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(&*endpoint.authority)
        .path_and_query(path)
        .build()
        .map_err(|_| Unwell::BadUri)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("weir-probe"));
    if let Some(host) = &probe.host {
        request.headers_mut().insert(HOST, host.clone());
    }
    Ok(request)
}

/// Probes under way at once, over all backends.
const MAX_AT_ONCE: usize = 64;
/// How soon a new snapshot is noticed.
const GLANCE: Duration = Duration::from_millis(250);
/// Intervals vary by a tenth, so that probes of several weirs drift apart.
const JITTER: f64 = 0.1;
/// A page of health is small.
const MAX_ANSWER: usize = 1 << 20;

#[cfg(test)]
mod tests;
