//! What failed in a rollout, for people and for the memory of it: how often and by what, some requests by their ids, and
//! which clients. Bounded, whatever happens; no evidence: the judge goes by [`crate::stats`] alone. Pure.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::outcome::Fault;
use crate::types::{Name, Side, Timestamp};

/// By what a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The status of its response.
    Status(StatusCode),
    /// The status of its gRPC call.
    Grpc(u8),
    /// There was no whole response.
    Fault(Fault),
}

impl fmt::Display for Cause {
    /// `status 500`, `grpc-status 14`, `backend refused the connection`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {}", status.as_u16()),
            Self::Grpc(code) => write!(f, "grpc-status {code}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

/// What failed in one attempt at a rollout, as far as this weir knows: for the journal, `status` and `explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failures {
    /// Failed requests by version, route and cause: the canary's first, the most frequent first; at most 12 rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<FailureCount>,
    /// Failed requests that none of these rows counts.
    #[serde(skip_serializing_if = "is_zero")]
    pub others: u64,
    /// The first 3 and the last 5 requests that the canary failed, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<FailedRequest>,
}

/// How often one version failed on one route by one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureCount {
    /// The version.
    pub side: Side,
    /// The route, where several lead to the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Name>,
    /// The cause in words: see [`Cause`].
    pub cause: String,
    /// How often.
    pub requests: u64,
}

/// One request that the canary failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRequest {
    /// When.
    pub time: Timestamp,
    /// Its `x-request-id`, as the backend got it.
    pub id: String,
    /// The route, where several lead to the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Name>,
    /// The cause in words: see [`Cause`].
    pub cause: String,
}

impl Failures {
    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many requests failed.
    pub fn requests(&self) -> u64 {
        self.counts.iter().map(|count| count.requests).sum::<u64>() + self.others
    }

    /// These and what came since, as each of `later` has seen a part of it.
    #[must_use]
    pub fn and(&self, later: &[Self]) -> Self {
        let mut all = self.clone();
        let mut samples = Vec::new();
        for part in later {
            part.counts.iter().for_each(|count| all.add(count.clone()));
            all.others += part.others;
            samples.extend(part.samples.iter().cloned());
        }
        samples.sort_by_key(|request| request.time);
        all.samples.extend(samples);
        all.bound();
        all
    }

    fn add(&mut self, new: FailureCount) {
        let same = |old: &&mut FailureCount| (old.side, &old.route, &old.cause) == (new.side, &new.route, &new.cause);
        match self.counts.iter_mut().find(same) {
            Some(old) => old.requests += new.requests,
            None => self.counts.push(new),
        }
    }

    /// Leaves out what is too much to tell.
    fn bound(&mut self) {
        let (mut counts, mut stable): (Vec<_>, Vec<_>) =
            self.counts.drain(..).partition(|count| count.side == Side::Canary);
        for (rows, most) in [(&mut counts, CANARY_ROWS), (&mut stable, STABLE_ROWS)] {
            rows.sort_by_key(|count| std::cmp::Reverse(count.requests));
            self.others += rows.drain(most.min(rows.len())..).map(|count| count.requests).sum::<u64>();
        }
        counts.append(&mut stable);
        self.counts = counts;
        if let Some(surplus) = self.samples.len().checked_sub(FIRST + LAST) {
            self.samples.drain(FIRST..FIRST + surplus);
        }
    }
}

/// What one worker saw fail. Locked by it for failed requests alone, and for a moment by whoever tells of them.
#[derive(Debug, Default)]
pub struct FailureLog {
    kinds: Vec<(Kind, u64)>,
    others: u64,
    first: Vec<FailedRequest>,
    last: VecDeque<FailedRequest>,
}

#[derive(Debug, PartialEq, Eq)]
struct Kind {
    side: Side,
    route: Option<Name>,
    cause: Cause,
}

impl FailureLog {
    /// `side` failed a request of `route` by `cause`.
    pub fn count(&mut self, side: Side, route: Option<&Name>, cause: Cause) {
        let same = |(kind, _): &(Kind, u64)| (kind.side, kind.route.as_ref(), kind.cause) == (side, route, cause);
        match self.kinds.iter().position(same) {
            Some(place) => self.kinds[place].1 += 1,
            None if self.kinds.len() < MOST_KINDS => {
                self.kinds.push((Kind { side, route: route.cloned(), cause }, 1));
            }
            None => self.others += 1,
        }
    }

    /// All that it has noted.
    pub fn told(&self) -> Failures {
        Failures {
            counts: self.kinds.iter().map(|(kind, requests)| kind.told(*requests)).collect(),
            others: self.others,
            samples: self.first.iter().chain(&self.last).cloned().collect(),
        }
    }

    /// The canary failed `request`.
    pub fn sample(&mut self, request: FailedRequest) {
        if self.first.len() < FIRST {
            return self.first.push(request);
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(request);
    }
}

impl Kind {
    fn told(&self, requests: u64) -> FailureCount {
        FailureCount { side: self.side, route: self.route.clone(), cause: self.cause.to_string(), requests }
    }
}

/// Which clients have failed in a rollout, by hash, in the order in which they did.
///
/// Once it is full, further clients are not told apart, and do not count as new: the verdict fell long before.
#[derive(Clone, Debug, Default)]
pub struct FailedClients {
    known: HashSet<u64>,
    order: Vec<u64>,
}

impl FailedClients {
    /// Takes in `client`; whether it is a new one.
    pub fn insert(&mut self, client: u64) -> bool {
        let new = self.order.len() < MOST_CLIENTS && self.known.insert(client);
        if new {
            self.order.push(client);
        }
        new
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All but the first `count`.
    pub fn after(&self, count: usize) -> &[u64] {
        self.order.get(count..).unwrap_or_default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The first failures show how it began, the last ones are still in the logs of the application.
const FIRST: usize = 3;
const LAST: usize = 5;

/// Rows that are told of each version: what matters is among them, and a decision remains some 2 kB.
const CANARY_ROWS: usize = 8;
const STABLE_ROWS: usize = 4;

/// Rows that a worker keeps: looked through for each failed request.
const MOST_KINDS: usize = 64;

/// Bounds the memory of a rollout that fails everybody: 100,000 hashes are about 3 MB.
const MOST_CLIENTS: usize = 100_000;

#[cfg(test)]
mod tests;
