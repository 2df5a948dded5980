//! Who leads among replicas: the holder of one Lease (coordination.k8s.io).
//!
//! No two lead at once, whatever their clocks say: a holder counts from before it asked to be renewed, the others from when
//! they saw the last renewal, each by its own steady clock; and a holder gives up earlier than the others take over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::uptime;

/// Whether this replica leads. Cheap to ask.
#[derive(Debug, Default)]
pub struct Leadership {
    /// Until when, in milliseconds of the process's own clock.
    until: AtomicU64,
}

impl Leadership {
    /// Whether this replica leads now.
    pub fn leads(&self) -> bool {
        millis(uptime()) < self.until.load(Ordering::Acquire)
    }

    fn renewed(&self, asked: Duration) {
        self.until.store(millis(asked + HOLD), Ordering::Release);
    }

    fn end(&self) {
        self.until.store(0, Ordering::Release);
    }
}

/// What an election makes of a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// It is nobody's, or its holder is silent for too long.
    Take,
    /// It is ours.
    Renew,
    /// It is another's.
    Wait,
}

/// One replica's view of the Lease. Pure.
#[derive(Debug)]
struct Election {
    me: String,
    /// The version of the other's Lease, and when it was seen first.
    seen: Option<(String, Duration)>,
}

impl Election {
    fn look(&mut self, lease: Option<&Lease>, now: Duration) -> Move {
        let Some(lease) = lease else { return Move::Take };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder == self.me {
            return Move::Renew;
        }
        if holder.is_empty() {
            return Move::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => {
                if now.saturating_sub(*since) > term(lease) {
                    Move::Take
                } else {
                    Move::Wait
                }
            }
            _ => {
                self.seen = Some((version, now));
                Move::Wait
            }
        }
    }

    /// The Lease as it is to be written. What it was read from stays in it, so that of two who write one fails.
    fn write(&self, name: &str, before: Option<Lease>, holder: &str) -> Lease {
        let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
        let taken =
            before.as_ref().and_then(|lease| lease.spec.as_ref()?.holder_identity.clone()) != Some(self.me.clone());
        let mut lease = before.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..Lease::default()
        });
        let spec = lease.spec.get_or_insert_default();
        if taken {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        *spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(i32::try_from(TERM.as_secs()).unwrap_or(i32::MAX)),
            renew_time: Some(now),
            ..spec.clone()
        };
        lease
    }
}

/// Stands for election as `me` until `stop`, then lets go of the Lease, so that another one can lead at once. `regained`
/// counts how often the API server answered again after it had not.
pub async fn run(
    leases: Api<Lease>,
    (name, me): (String, String),
    leadership: Arc<Leadership>,
    regained: watch::Sender<u64>,
    stop: CancellationToken,
) {
    let mut election = Election { me, seen: None };
    let mut lost = false;
    loop {
        let was = leadership.leads();
        match timeout(ANSWER, round(&leases, &name, &mut election, &leadership)).await {
            Ok(Err(kube::Error::Api(status))) => tracing::debug!(lease = name, "not renewed, tried again: {status}"),
            Ok(Ok(())) if std::mem::take(&mut lost) => {
                tracing::info!("the API server answers again");
                regained.send_modify(|count| *count += 1);
            }
            Ok(Ok(())) => {}
            failed => {
                let why = failed.map_or_else(|_| "it does not answer".to_owned(), |round| format!("{:?}", round.err()));
                if !std::mem::replace(&mut lost, true) {
                    tracing::warn!("the API server cannot be reached, and no weight is raised until it can: {why}");
                }
            }
        }
        if was != leadership.leads() {
            tracing::info!(lease = name, "{}", if was { "another replica may lead" } else { "this replica leads" });
        }
        // Not all at the same moment.
        let wait = RETRY + Duration::from_millis(fastrand::u64(..500));
        if stop.run_until_cancelled(sleep(wait)).await.is_none() {
            break;
        }
    }
    if leadership.leads() {
        leadership.end();
        let _ = timeout(ANSWER, let_go(&leases, &name, &election)).await;
    }
}

async fn round(
    leases: &Api<Lease>,
    name: &str,
    election: &mut Election,
    leadership: &Leadership,
) -> Result<(), kube::Error> {
    let before = leases.get_opt(name).await?;
    let wanted = election.look(before.as_ref(), uptime());
    if wanted == Move::Wait {
        leadership.end();
        return Ok(());
    }
    let asked = uptime();
    let known = before.is_some();
    let lease = election.write(name, before, &election.me);
    if known {
        leases.replace(name, &PostParams::default(), &lease).await?;
    } else {
        leases.create(&PostParams::default(), &lease).await?;
    }
    leadership.renewed(asked);
    Ok(())
}

async fn let_go(leases: &Api<Lease>, name: &str, election: &Election) -> Result<(), kube::Error> {
    let before = leases.get_opt(name).await?;
    let ours = election.holds(before.as_ref());
    if ours {
        let lease = election.write(name, before, "");
        leases.replace(name, &PostParams::default(), &lease).await?;
    }
    Ok(())
}

impl Election {
    fn holds(&self, lease: Option<&Lease>) -> bool {
        lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref()) == Some(&self.me)
    }
}

/// How long a Lease holds without renewal.
fn term(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).max(TERM)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Others take over when the holder is silent for this long.
const TERM: Duration = Duration::from_secs(15);

/// The holder gives up when it is not renewed for this long: clocks may differ in speed by a third, and an answer may be late.
const HOLD: Duration = Duration::from_secs(10);

/// Between two renewals.
const RETRY: Duration = Duration::from_secs(2);

/// The longest wait for the API server. With it a holder has at least two tries before it gives up.
const ANSWER: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
