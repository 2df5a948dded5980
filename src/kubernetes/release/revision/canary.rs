//! Why a canary does not start.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerStateWaiting, Pod};

use super::hash;

/// Why no pod of a canary takes requests: the worst of what its pods say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The controller has not made one, or the pods say nothing.
    NoPod,
    /// They run, and are not ready.
    NotReady {
        /// One of them.
        pod: String,
    },
    /// No node has room.
    Unschedulable {
        /// One of them.
        pod: String,
        /// What the scheduler says.
        message: String,
    },
    /// A container does not run: `ErrImagePull`, `CrashLoopBackOff` and the like.
    Waiting {
        /// One of them.
        pod: String,
        /// What the kubelet calls it.
        reason: String,
        /// What it says.
        message: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPod => f.write_str("it has no pod yet"),
            Self::NotReady { pod } => write!(f, "pod {pod} is not ready"),
            Self::Unschedulable { pod, message } => write!(f, "pod {pod} has no node: {message}"),
            Self::Waiting { pod, reason, message } if message.is_empty() => write!(f, "pod {pod}: {reason}"),
            Self::Waiting { pod, reason, message } => write!(f, "pod {pod}: {reason}: {message}"),
        }
    }
}

/// Why the pods of the revision `revision` take no requests; `None` when one does.
pub(super) fn trouble(pods: &[Arc<Pod>], revision: &str) -> Option<Trouble> {
    let alive = |pod: &&Arc<Pod>| hash(pod) == Some(revision) && pod.metadata.deletion_timestamp.is_none();
    let ours: Vec<_> = pods.iter().filter(alive).collect();
    if ours.iter().any(|pod| is_ready(pod)) {
        return None;
    }
    Some(ours.into_iter().map(|pod| of_pod(pod)).max().unwrap_or(Trouble::NoPod))
}

/// How many pods of the revision `revision` take requests.
pub(super) fn ready(pods: &[Arc<Pod>], revision: &str) -> u32 {
    let ready = pods.iter().filter(|pod| hash(pod) == Some(revision) && is_ready(pod)).count();
    u32::try_from(ready).unwrap_or(u32::MAX)
}

/// Whether `pod` takes requests.
pub(super) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, _)| status == "True")
}

fn of_pod(pod: &Pod) -> Trouble {
    let name = pod.metadata.name.clone().unwrap_or_default();
    if let Some(waiting) = waiting(pod) {
        let reason = waiting.reason.clone().unwrap_or_default();
        return Trouble::Waiting { pod: name, reason, message: waiting.message.clone().unwrap_or_default() };
    }
    match condition(pod, "PodScheduled") {
        Some(("False", message)) => Trouble::Unschedulable { pod: name, message: message.to_owned() },
        _ => Trouble::NotReady { pod: name },
    }
}

/// A container that waits for something bad to end. One that is being created does not.
fn waiting(pod: &Pod) -> Option<&ContainerStateWaiting> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    let mut bad = waiting
        .filter(|waiting| !matches!(waiting.reason.as_deref(), None | Some("ContainerCreating" | "PodInitializing")));
    bad.next()
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((&found.status, found.message.as_deref().unwrap_or("")))
}
