//! The control surface: health, metrics and what weir is doing for reading, commands for releases. It decides who may ask,
//! and asks the engine; it never touches traffic.
//!
//! | path | answers | needs |
//! |---|---|---|
//! | `GET /livez`, `/readyz` | `ok`; 503 before the start is over and while draining | nothing |
//! | `GET /metrics`, `/version` | Prometheus's text format; what runs | nothing on a loopback listener, else the token |
//! | `GET /config`, `/routes` | the effective configuration without secrets; its routes | token |
//! | `GET /listeners`, `/backends` | bound addresses; endpoints with health, load and latency | token |
//! | `GET /releases`, `/releases/NAME` | all releases and the state of the configuration; one release | token |
//! | `GET /releases?watch=1` | the same again after each change: NDJSON, or SSE when `accept` asks for it | token |
//! | `GET /releases/NAME/history` | its decisions, the oldest first | token |
//! | `POST /releases/NAME/ACTION` | `promote`, `abort`, `pause`, `resume`, `retry`, or `weight` with `{"weight": "10%"}` | token |
//! | `POST /reload` | reads the configuration again | token |
//!
//! GET never changes anything. Requests from other sites and for foreign hosts are refused (see `guard`), and no answer
//! carries a secret.

mod access;
mod answer;
mod api;
mod change;
mod feed;
mod guard;
mod published;
mod readiness;
mod server;
mod stall;
mod throttle;
mod views;

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

pub use access::{Access, AccessError, Token};
pub use change::{Changed, USER_FIELD};
pub use published::{Published, Secret};
pub use readiness::Readiness;
pub use server::serve;
pub use views::{BackendView, EndpointView, Health, ListenerView, Version};

use crate::config::Loaded;
use crate::engine::{Control, ReleaseStatus};
use crate::snapshot::Current;
use crate::telemetry::{Metrics, Reload};

/// What the control surface shows and commands.
#[derive(Clone)]
pub struct AdminState {
    /// The picture in force.
    pub current: Arc<Current>,
    /// What is not in it.
    pub shown: Arc<ArcSwap<Shown>>,
    /// The releases.
    pub control: Control,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// Whether weir takes traffic.
    pub readiness: Arc<Readiness>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// Where `POST /reload` goes.
    pub reload: mpsc::Sender<ReloadRequest>,
}

/// What a snapshot does not hold. Replaced as a whole at each reload.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The configuration. What is shown is made when somebody asks: with every default it is many times as large.
    pub loaded: Arc<Loaded>,
    /// The listeners and where they are bound.
    pub listeners: Vec<ListenerView>,
}

/// A wish to read the configuration again. Answer it with the new generation, or with what is wrong.
pub type ReloadRequest = oneshot::Sender<Result<u64, String>>;

/// The answer of `GET /releases`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// All releases, by name.
    pub releases: Vec<ReleaseStatus>,
    /// The state of the configuration.
    pub config: Reload,
}

impl AdminState {
    /// What `GET /releases` answers now.
    pub fn overview(&self) -> Overview {
        Overview { releases: self.control.status(), config: self.metrics.reloads.last() }
    }
}

#[cfg(test)]
mod tests;
