//! What is told of a pod. Pure.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::super::network::NODE;

/// What is known of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) init: bool,
    pub(super) state: State,
    /// How it ended the last time.
    pub(super) last: Option<Ended>,
    pub(super) restarts: u32,
    pub(super) ready: bool,
    pub(super) started: bool,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        since: Timestamp,
    },
    /// It has ended and is not started again.
    Over(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) started: Timestamp,
    pub(super) at: Timestamp,
}

/// A pod's status as it was told last, for the times at which conditions changed.
#[derive(Debug)]
pub(super) struct Report {
    address: Ipv4Addr,
    started: Timestamp,
    conditions: Vec<(&'static str, bool, Timestamp)>,
}

impl Record {
    pub(super) fn new(container: &Container, init: bool) -> Self {
        Self {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            init,
            state: State::Waiting { reason: "ContainerCreating", message: String::new() },
            last: None,
            restarts: 0,
            ready: false,
            started: false,
        }
    }

    fn succeeded(&self) -> bool {
        matches!(&self.state, State::Over(ended) if ended.code == 0)
    }

    fn failed(&self) -> bool {
        matches!(&self.state, State::Over(ended) if ended.code != 0)
    }

    fn to_json(&self) -> Value {
        let ended = |ended: &Ended| json!({"terminated": {"exitCode": ended.code, "reason": ended.reason, "startedAt": time(ended.started), "finishedAt": time(ended.at)}});
        let state = match &self.state {
            State::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
            State::Running { since } => json!({"running": {"startedAt": time(*since)}}),
            State::Over(how) => ended(how),
        };
        json!({
            "name": self.name, "image": self.image, "imageID": self.image, "restartCount": self.restarts,
            "ready": if self.init { self.succeeded() } else { self.ready }, "started": self.started,
            "state": state, "lastState": self.last.as_ref().map_or_else(|| json!({}), ended),
        })
    }
}

impl Report {
    pub(super) fn new(address: Ipv4Addr) -> Self {
        Self { address, started: Timestamp::now(), conditions: Vec::new() }
    }

    /// The status to write at `now`.
    pub(super) fn status(&mut self, pod: &Pod, records: &[Record], now: Timestamp) -> Value {
        let (init, main): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.init);
        let phase = phase(&init, &main);
        let initialized = init.iter().all(|record| record.succeeded());
        let containers = main.iter().all(|record| record.ready);
        let conditions = [
            ("PodReadyToStartContainers", true),
            ("Initialized", initialized),
            ("ContainersReady", containers),
            ("Ready", containers && gates_are_open(pod)),
        ];
        let conditions: Vec<_> = conditions.map(|(kind, holds)| self.condition(kind, holds, now)).into();
        let json = |records: &[&Record]| records.iter().map(|record| record.to_json()).collect::<Vec<_>>();
        json!({"status": {
            "phase": phase, "conditions": conditions, "hostIP": NODE.to_string(), "hostIPs": [{"ip": NODE.to_string()}],
            "podIP": self.address.to_string(), "podIPs": [{"ip": self.address.to_string()}],
            "startTime": time(self.started), "containerStatuses": json(&main), "initContainerStatuses": json(&init),
        }})
    }

    fn condition(&mut self, kind: &'static str, holds: bool, now: Timestamp) -> Value {
        let known = self.conditions.iter().find(|(name, was, _)| *name == kind && *was == holds);
        let since = known.map_or(now, |(_, _, since)| *since);
        self.conditions.retain(|(name, ..)| *name != kind);
        self.conditions.push((kind, holds, since));
        let reason = if holds { "" } else { "ContainersNotReady" };
        let status = if holds { "True" } else { "False" };
        json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": time(since)})
    }
}

/// Whether a pod has ended for good.
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether the condition of every readiness gate is there and true.
fn gates_are_open(pod: &Pod) -> bool {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_ref());
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    gates.into_iter().flatten().all(|gate| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition.type_ == gate.condition_type && condition.status == "True")
    })
}

fn phase(init: &[&Record], main: &[&Record]) -> &'static str {
    let over = main.iter().all(|record| matches!(record.state, State::Over(_)));
    if init.iter().any(|record| record.failed()) || (over && main.iter().any(|record| record.failed())) {
        "Failed"
    } else if over {
        "Succeeded"
    } else if main.iter().any(|record| matches!(record.state, State::Running { .. }) || record.restarts > 0) {
        "Running"
    } else {
        "Pending"
    }
}

/// Namespace, name and uid, as in the names of a kubelet's log folders.
pub(super) fn folder(pod: &Pod) -> String {
    let namespace = pod.namespace().unwrap_or_default();
    format!("{}/pods/{namespace}_{}_{}", super::super::HOME, pod.name_any(), pod.uid().unwrap_or_default())
}

/// Kubernetes keeps times in whole seconds.
fn time(time: Timestamp) -> String {
    k8s_openapi::jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&time)
}
