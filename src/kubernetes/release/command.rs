//! What people ask of a release: the kind `CanaryReleaseCommand`.
//!
//! A kind of its own, because a command is an event and not a wish: it must not stand in a spec that GitOps applies again and
//! again, and who may promote is not who may edit. An admission policy (`deploy/`) lets a command in only from somebody who
//! has its verb on the release (`kubectl auth can-i promote canaryreleases/shop`), and holds `by` to the name that the API
//! server knows them by. weir carries it out once, answers in the status, and deletes it after a while.

#![allow(unreachable_pub, reason = "the schemas are derived from hidden copies of the types")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rollout::Command;
use crate::types::{Ratio, Timestamp};

/// One command to one release. It cannot be changed, and is carried out once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[allow(clippy::duplicated_attributes, reason = "columns of the same type are columns of their own")]
#[kube(
    group = "weir.dev",
    version = "v1alpha1",
    kind = "CanaryReleaseCommand",
    namespaced,
    status = "CommandStatus",
    category = "weir",
    doc = "One command to one CanaryRelease: created by people, carried out once, deleted by weir after a while.",
    derive = "PartialEq",
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.release"),
    printcolumn(name = "Verb", type_ = "string", json_path = ".spec.verb"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.by"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.outcome"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a command cannot be changed: create another one"),
    validation = Rule::new("(self.verb == 'set-weight') == has(self.weight)").message("weight goes with set-weight alone")
)]
pub struct CanaryReleaseCommandSpec {
    /// The release, in the command's own namespace.
    #[schemars(length(min = 1, max = 253))]
    pub release: String,
    /// What is asked.
    pub verb: Verb,
    /// The share that `set-weight` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Ratio>,
    /// Who asks, as the API server knows them (`kubectl auth whoami`). It goes into the journal.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
}

/// What can be asked; also the verbs of RBAC on `canaryreleases`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// All traffic to the canary, now.
    Promote,
    /// No traffic to the canary, now.
    Abort,
    /// Stay at the weight.
    Pause,
    /// Go on.
    Resume,
    /// Start an aborted rollout again.
    Retry,
    /// Another weight, and pause there.
    SetWeight,
}

/// What became of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandStatus {
    /// Nothing yet without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The same in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is in force.
    Done,
    /// Nothing was done.
    Refused,
}

impl CanaryReleaseCommandSpec {
    /// The command as the state machine knows it. `None`: a weight without `set-weight` or the other way round, which the
    /// API server does not let in.
    pub fn command(&self) -> Option<Command> {
        match (self.verb, self.weight) {
            (Verb::Promote, None) => Some(Command::Promote),
            (Verb::Abort, None) => Some(Command::Abort),
            (Verb::Pause, None) => Some(Command::Pause),
            (Verb::Resume, None) => Some(Command::Resume),
            (Verb::Retry, None) => Some(Command::Retry),
            (Verb::SetWeight, Some(weight)) => Some(Command::SetWeight(weight)),
            _ => None,
        }
    }
}
