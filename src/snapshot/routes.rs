//! What happens to requests that matched: where they go, and what changes on the way.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::{Backend, Release, Traffic};
use crate::cors::Cors;
use crate::retry::RetryPolicy;
use crate::split::{SharePhase, SplitPhase, WeightedSplit};
use crate::stats::PerWorker;
use crate::types::{Name, Ratio};

/// What happens to a request that matched.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Name,
    /// Where the request goes.
    pub target: Target,
    /// Changes to the request's fields.
    pub request_headers: HeaderEdits,
    /// Changes to the response's fields.
    pub response_headers: HeaderEdits,
    /// The Host that the backend sees.
    pub rewrite_host: Option<HeaderValue>,
    /// The path that the backend sees.
    pub rewrite_path: Option<PathRewrite>,
    /// What pages of other origins may do; `None`: that is the backend's business.
    pub cors: Option<Box<Cors>>,
    /// Copies for other backends.
    pub mirrors: Box<[Mirror]>,
    /// From the request head to the end of the response.
    pub timeout: Option<Duration>,
    /// From the begin of an attempt to the end of the response.
    pub attempt_timeout: Option<Duration>,
    /// When an attempt is repeated.
    pub retry: RetryPolicy,
    /// Its place in [`super::Release::routes`], by slot of the target: see [`Route::evidence`]. Empty where it has none.
    pub evidence: Box<[Option<usize>]>,
    /// Counters, by listener index and then by slot: see [`Route::traffic`].
    pub traffic: Vec<Box<[Arc<Traffic>]>>,
}

impl Route {
    /// The counters of what came by listener `listener` and went to `slot` of the target; `None` for weir's own answers.
    pub fn traffic(&self, listener: usize, slot: Option<usize>) -> Option<&Arc<Traffic>> {
        self.traffic.get(listener)?.get(slot.map_or(0, |slot| slot + 1))
    }

    /// Its place in [`super::Release::routes`] of the release that `slot` of the target is a side of.
    pub fn evidence(&self, slot: usize) -> Option<usize> {
        self.evidence.get(slot).copied().flatten()
    }

    /// What changes for `slot` of the target alone.
    pub fn backend_edits(&self, slot: usize) -> Option<&BackendEdits> {
        match &self.target {
            Target::Split(split) => split.edits.get(slot),
            Target::Backend(_) | Target::Release(_) | Target::Redirect(_) => None,
        }
    }
}

/// Where a request goes.
#[derive(Debug)]
pub enum Target {
    /// To one backend.
    Backend(Arc<Backend>),
    /// To one of several by weight, backends or releases.
    Split(Arc<Split>),
    /// To stable (the first slot) or canary (the second one).
    Release(Arc<Release>),
    /// Back to the client.
    Redirect(Redirect),
}

impl Target {
    /// The backends; the index is the slot.
    pub fn backends(&self) -> Vec<&Arc<Backend>> {
        match self {
            Self::Backend(backend) => vec![backend],
            Self::Split(split) => split.branches.iter().flat_map(|branch| branch.target.backends()).collect(),
            Self::Release(release) => vec![&release.stable, &release.canary],
            Self::Redirect(_) => Vec::new(),
        }
    }

    /// The release that `slot` is a side of, and the slot of its stable.
    pub fn release(&self, slot: usize) -> Option<(&Arc<Release>, usize)> {
        match self {
            Self::Release(release) => Some((release, 0)),
            Self::Split(split) => {
                let branch = split.branches.iter().rfind(|branch| branch.slot <= slot)?;
                branch.target.release(0).map(|(release, _)| (release, branch.slot))
            }
            Self::Backend(_) | Self::Redirect(_) => None,
        }
    }
}

/// Each worker's place in a share or a split. A reload that leaves that as it is goes on with it.
pub type Phases<P> = Arc<PerWorker<P>>;

/// Several backends and releases by weight.
#[derive(Debug)]
pub struct Split {
    /// The weights; `None` when nobody has any.
    pub weights: Option<WeightedSplit>,
    /// Who has them, in the same order.
    pub branches: Vec<Branch>,
    /// What changes on the way to each slot and back.
    pub edits: Vec<BackendEdits>,
    /// Each worker's place.
    pub phase: Phases<SplitPhase>,
}

/// One of those that share a split.
#[derive(Debug)]
pub struct Branch {
    /// The slot of its first backend.
    pub slot: usize,
    /// A backend, or a release: its own exact share of what the split gives it goes to the canary.
    pub target: Target,
}

/// A redirect; `None` keeps what the request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<http::uri::Scheme>,
    /// The host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathRewrite>,
    /// The status.
    pub status: StatusCode,
}

/// A change to the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The whole path.
    Full(String),
    /// The matched prefix, which is `matched` bytes of the path without a trailing slash.
    Prefix {
        /// Bytes of the path that are replaced.
        matched: usize,
        /// By what.
        replacement: String,
    },
}

/// Changes to fields: set, then add, then remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Replaced.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Added.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Removed.
    pub remove: Vec<HeaderName>,
}

/// Changes to fields on the way to one backend of a split, and back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendEdits {
    /// Of the request, after the route's.
    pub request: HeaderEdits,
    /// Of the response, before the route's.
    pub response: HeaderEdits,
}

/// A copy of requests.
#[derive(Debug)]
pub struct Mirror {
    /// Who gets it.
    pub backend: Arc<Backend>,
    /// Of how many requests.
    pub share: Ratio,
    /// Each worker's place.
    pub phase: Phases<SharePhase>,
}
