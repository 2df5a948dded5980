//! Which backend takes a request: the side first, then the endpoint, so that a share never depends on how many endpoints
//! are well.
//!
//! For a release: a tester's override, else the client's affinity, else the exact share. A side without endpoints gives
//! its requests to the other one: nobody gets a 503 because of a weight.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::cookies::{self, Transport};
use super::exchange::Exchange;
use super::forwarded::Client;
use super::worker::Worker;
use crate::balancer;
use crate::endpoint::Endpoint;
use crate::outcome::Fault;
use crate::snapshot::{Affinity, Backend, Override, OverrideKey, Queue, Release, Route, Split, Target};
use crate::split::{self, ClientKey, Point};
use crate::types::{Ratio, Side};

/// Where the first attempt goes.
///
/// Borrowed from the snapshot: a count of owners is memory that all workers write.
pub(super) struct Choice<'a> {
    /// Which of the target's backends.
    pub(super) slot: usize,
    /// The backend.
    pub(super) backend: &'a Arc<Backend>,
    /// The endpoint.
    pub(super) endpoint: &'a Arc<Endpoint>,
    /// For a release: how its side was found.
    pub(super) assigned: Option<Assigned<'a>>,
}

/// A request's side of a release.
pub(super) struct Assigned<'a> {
    /// The release.
    pub(super) release: &'a Arc<Release>,
    /// The side that it goes to.
    pub(super) side: Side,
    /// Why.
    pub(super) by: By,
    /// With affinity: the client, by hash.
    pub(super) client: Option<u64>,
    /// The cookie that a new client gets, on either side.
    pub(super) cookie: Option<HeaderValue>,
}

impl Choice<'_> {
    /// The cookie that the client gets, once.
    pub(super) fn take_cookie(&mut self) -> Option<HeaderValue> {
        self.assigned.as_mut().and_then(|assigned| assigned.cookie.take())
    }
}

/// Why a request goes to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The split says so: it counts as evidence.
    Split,
    /// A tester chose.
    Override,
    /// Only one side has endpoints, and takes what either would get. Nothing was left to chance, so it tells nothing of the
    /// difference between the two: not even what goes well on the side that it would have gone to anyway.
    OnlySide,
}

/// Chooses for a request with `headers` from `client`.
///
/// # Errors
/// [`Fault::NoEndpoint`] when no backend of the target has an endpoint that takes requests; [`Fault::Unresolved`] when the
/// one whose turn it is does not exist: its share is lost, nobody else takes it. [`Fault::NoBackend`] when nobody has a
/// weight.
pub(super) fn choose<'a>(
    exchange: &Rc<Exchange>,
    route: &'a Route,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Choice<'a>, Fault> {
    among(exchange, (&route.target, 0), headers, client)
}

/// Chooses among the backends of `target`, the first of which has the slot `first`.
fn among<'a>(
    exchange: &Rc<Exchange>,
    (target, first): (&'a Target, usize),
    headers: &HeaderMap,
    client: &Client,
) -> Result<Choice<'a>, Fault> {
    match target {
        Target::Backend(backend) => plain(&exchange.connection.worker, first, backend, exchange.began),
        Target::Split(split) => by_weight(exchange, split, headers, client),
        Target::Release(release) => by_side(exchange, (release, first), headers, client),
        Target::Redirect(_) => Err(Fault::Internal),
    }
}

/// Whether [`choose`] finds an endpoint for `target`, now.
pub(super) fn is_possible(worker: &Worker, target: &Target) -> bool {
    let can = |backend: &Backend| backend.unresolved || balancer::has_any(&backend.endpoints);
    match target {
        Target::Backend(backend) => can(backend),
        Target::Split(split) => split.weights.as_ref().is_none_or(|weights| {
            let can = |index: usize| split.branches[index].target.backends().into_iter().any(|backend| can(backend));
            weights.stand_in(can, &mut worker.rng.borrow_mut()).is_some()
        }),
        Target::Release(release) => can(&release.stable) || can(&release.canary),
        Target::Redirect(_) => true,
    }
}

/// An endpoint of `target` for a request that has lost its own, with its backend. Of a release rather one of stable.
pub(super) fn any<'a>(
    worker: &Worker,
    target: &'a Target,
    now: Duration,
) -> Option<(&'a Arc<Backend>, &'a Arc<Endpoint>)> {
    let of = |backend: &'a Arc<Backend>| Some((backend, endpoint(worker, backend, &[], now)?));
    match target {
        Target::Backend(backend) => of(backend),
        Target::Split(split) => {
            let index = split.weights.as_ref()?.stand_in(|index| has_any(split, index), &mut worker.rng.borrow_mut());
            any(worker, &split.branches[index?].target, now)
        }
        Target::Release(release) => of(&release.stable).or_else(|| of(&release.canary)),
        Target::Redirect(_) => None,
    }
}

/// Whether the endpoint with this [`Endpoint::id`] is one of `target`'s.
pub(super) fn has(target: &Target, id: u64) -> bool {
    target.backends().into_iter().any(|backend| backend.endpoints.iter().any(|endpoint| endpoint.id == id))
}

/// Where requests for `target` wait while [`choose`] finds no endpoint: in the most patient of its backends' queues.
pub(super) fn queue(target: &Target) -> Option<&Queue> {
    match target {
        Target::Backend(backend) => Some(&backend.queue),
        Target::Split(split) => {
            split.branches.iter().filter_map(|branch| queue(&branch.target)).max_by_key(|queue| queue.time)
        }
        Target::Release(release) => Some(&release.stable.queue),
        Target::Redirect(_) => None,
    }
}

/// An endpoint of `backend` that takes requests, rather not `avoid`.
pub(super) fn endpoint<'a>(
    worker: &Worker,
    backend: &'a Backend,
    avoid: &[u64],
    now: Duration,
) -> Option<&'a Arc<Endpoint>> {
    let cursor = backend.cursor.of(worker.index);
    let mut rng = worker.rng.borrow_mut();
    balancer::pick(backend.balancer, &backend.endpoints, cursor, now, avoid, &mut rng)
}

fn plain<'a>(worker: &Worker, slot: usize, backend: &'a Arc<Backend>, now: Duration) -> Result<Choice<'a>, Fault> {
    let none = if backend.unresolved { Fault::Unresolved } else { Fault::NoEndpoint };
    let endpoint = endpoint(worker, backend, &[], now).ok_or(none)?;
    Ok(Choice { slot, backend, endpoint, assigned: None })
}

fn by_weight<'a>(
    exchange: &Rc<Exchange>,
    split: &'a Split,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Choice<'a>, Fault> {
    let worker = &exchange.connection.worker;
    let weights = split.weights.as_ref().ok_or(Fault::NoBackend)?;
    let take = |index: usize| {
        let branch = &split.branches[index];
        among(exchange, (&branch.target, branch.slot), headers, client)
    };
    let picked = weights.pick(split.phase.of(worker.index), &mut worker.rng.borrow_mut());
    let choice = take(picked);
    if !matches!(choice, Err(Fault::NoEndpoint)) {
        return choice;
    }
    // What one without endpoints leaves is shared among the others by weight.
    let other = weights.stand_in(|other| has_any(split, other), &mut worker.rng.borrow_mut());
    other.map_or(choice, take)
}

/// Whether a request can go to number `index` of those that share `split`.
fn has_any(split: &Split, index: usize) -> bool {
    split.branches[index].target.backends().into_iter().any(|backend| balancer::has_any(&backend.endpoints))
}

fn by_side<'a>(
    exchange: &Rc<Exchange>,
    (release, first): (&'a Arc<Release>, usize),
    headers: &HeaderMap,
    client: &Client,
) -> Result<Choice<'a>, Fault> {
    let worker = &exchange.connection.worker;
    let mut assigned = match overridden(&release.overrides, headers, client) {
        Some(side) => Assigned::new(release, side, By::Override),
        None => assign(exchange, release, headers, client),
    };
    let now = exchange.began;
    let meant = assigned.side;
    for side in [meant, meant.other()] {
        let backend = release.backend(side);
        if let Some(endpoint) = endpoint(worker, backend, &[], now) {
            if side != meant || (assigned.by == By::Split && is_alone(release, side)) {
                assigned.by = By::OnlySide;
            }
            assigned.side = side;
            return Ok(Choice { slot: first + slot_of(side), backend, endpoint, assigned: Some(assigned) });
        }
    }
    Err(Fault::NoEndpoint)
}

/// Whether `side` takes what is shared between two, because the other has no endpoint.
fn is_alone(release: &Release, side: Side) -> bool {
    let share = release.live.weight();
    let is_shared = Ratio::ZERO < share && share < Ratio::ONE;
    is_shared && !balancer::has_any(&release.backend(side.other()).endpoints)
}

/// The slot of a side, from that of its release's stable.
fn slot_of(side: Side) -> usize {
    match side {
        Side::Stable => 0,
        Side::Canary => 1,
    }
}

/// The side that a tester asks for, and may.
fn overridden(overrides: &[Override], headers: &HeaderMap, client: &Client) -> Option<Side> {
    let wanted = overrides.iter().find(|wanted| {
        let from = wanted.from.is_empty() || wanted.from.iter().any(|net| net.contains(&client.address));
        from && match &wanted.key {
            OverrideKey::Header(name) => headers.get_all(name).iter().any(|value| is_key(wanted, value.as_bytes())),
            OverrideKey::Cookie(name) => {
                cookies::find(headers, name).is_some_and(|value| is_key(wanted, value.as_bytes()))
            }
        }
    })?;
    Some(wanted.to)
}

/// Compared in constant time: the value is a secret.
fn is_key(wanted: &Override, value: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    wanted.value.as_ref().is_none_or(|secret| secret.as_bytes().ct_eq(value).into())
}

fn assign<'a>(
    exchange: &Rc<Exchange>,
    release: &'a Arc<Release>,
    headers: &HeaderMap,
    client: &Client,
) -> Assigned<'a> {
    let share = release.live.weight();
    let rollout = release.spec.rollout.as_str();
    let sticky = |key: &[u8]| {
        let side = side_of(Point::of(key, rollout).is_within(share));
        Assigned { client: Some(hash(key)), ..Assigned::new(release, side, By::Split) }
    };
    match &release.affinity {
        None => Assigned::new(release, next_side(exchange, release), By::Split),
        Some(Affinity::Header(name)) => match headers.get(name) {
            Some(value) => sticky(value.as_bytes()),
            None => Assigned::new(release, next_side(exchange, release), By::Split),
        },
        Some(Affinity::ClientIp) => match client.address {
            std::net::IpAddr::V4(address) => sticky(&address.octets()),
            std::net::IpAddr::V6(address) => sticky(&address.octets()),
        },
        Some(Affinity::Cookie { name, max_age }) => {
            let known = cookies::find(headers, name).and_then(|value| value.parse::<ClientKey>().ok());
            match known {
                Some(key) => {
                    let side = side_of(key.point(rollout).is_within(share));
                    Assigned { client: Some(hash_of(key)), ..Assigned::new(release, side, By::Split) }
                }
                None => newcomer(exchange, release, name, *max_age),
            }
        }
    }
}

/// A client without a cookie is shared exactly, and gets a key that stands on the side that it went to.
fn newcomer<'a>(exchange: &Rc<Exchange>, release: &'a Arc<Release>, name: &str, max_age: Duration) -> Assigned<'a> {
    let side = next_side(exchange, release);
    let (rollout, share) = (release.spec.rollout.as_str(), release.live.weight());
    let key = split::draw_key(rollout, share, side, &mut exchange.connection.worker.rng.borrow_mut());
    let transport = if exchange.connection.tls.is_some() { Transport::Secure } else { Transport::Plain };
    let cookie = cookies::affinity(name, key, max_age, transport);
    Assigned { client: Some(hash_of(key)), cookie, ..Assigned::new(release, side, By::Split) }
}

fn next_side(exchange: &Rc<Exchange>, release: &Release) -> Side {
    let worker = &exchange.connection.worker;
    let phase = release.live.phase.of(worker.index);
    side_of(phase.next(release.live.weight(), &mut worker.rng.borrow_mut()))
}

fn side_of(canary: bool) -> Side {
    if canary { Side::Canary } else { Side::Stable }
}

impl<'a> Assigned<'a> {
    fn new(release: &'a Arc<Release>, side: Side, by: By) -> Self {
        Self { release, side, by, client: None, cookie: None }
    }
}

/// Tells clients apart among those that failed; nothing else hangs on it.
fn hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

fn hash_of(key: ClientKey) -> u64 {
    hash(key.to_string().as_bytes())
}
