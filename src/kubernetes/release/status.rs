//! What weir says of a `CanaryRelease`, and what it must not forget: the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::analysis::{Report, RouteTally};
use crate::engine::JournalEntry;
use crate::failures::Failures;
use crate::rollout::Phase;
use crate::types::{Ratio, Span, Timestamp};

/// Where a release is, why, and what weir must not forget about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryReleaseStatus {
    /// The weir that carries it out, by the name of its GatewayClasses' controller: the last one with a route to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Progressing`, `Paused`, `Promoted` and `Aborted`: what `kubectl wait --for=condition=Promoted` waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// In one word, for people; programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The canary's share of the traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Ratio>,
    /// The present step, such as `2/4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The present in one plain sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The time to a decision at the present rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Span>,
    /// What was seen of stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Seen>,
    /// What was seen of the canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Seen>,
    /// What the judge says while a rollout is open, for `kubectl weir explain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "report")]
    pub report: Option<Report>,
    /// What failed while a rollout is open, as all replicas saw it, for `kubectl weir explain`.
    #[serde(default, skip_serializing_if = "Failures::is_empty")]
    #[schemars(schema_with = "report")]
    pub failures: Failures,
    /// What was seen by route while a rollout is open, where several lead to the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "decisions")]
    pub routes: Vec<RouteTally>,
    /// With `targetRef`: what weir knows of the Deployment's revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisions: Option<Revisions>,
    /// The last decisions, the oldest first. The last one is what a restart goes on from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "decisions")]
    pub decisions: Vec<JournalEntry>,
}

/// What was seen of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The Service, or the revision's pod template hash.
    pub version: String,
    /// Users' requests that count as evidence.
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
    /// Of the canary: its answers to copies of requests before its first user, which count as evidence too.
    #[serde(default)]
    pub copies: u64,
    /// Failures among these.
    #[serde(default)]
    pub failed_copies: u64,
    /// Pods that take requests.
    pub ready: u32,
}

/// What weir knows of a Deployment's revisions, by pod template hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revisions {
    /// The Deployment's uid: another one of the same name has other revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The revision in service.
    pub stable: String,
    /// The candidate, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// Since when the latest candidate is one, or was: by this its rollout is known, also when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Revisions that were in service before: they get all traffic at once. The latest last, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub good: Vec<String>,
    /// The Deployment's fields as they were found, while weir holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<HeldFields>,
    /// The `maxSurge` that weir gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<i32>,
    /// The Deployment's generation after weir wrote the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<i64>,
}

/// The three fields of a Deployment that weir holds during a rollout. `None`: the field is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldFields {
    /// `spec.minReadySeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i32>,
    /// `spec.progressDeadlineSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// `spec.strategy.rollingUpdate.maxSurge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_string")]
    pub max_surge: Option<IntOrString>,
}

impl CanaryReleaseStatus {
    /// The last decision: what a restart goes on from.
    pub fn last(&self) -> Option<&JournalEntry> {
        self.decisions.last()
    }

    /// The canary's share as it was decided; nothing before the first decision.
    pub fn decided_weight(&self) -> Ratio {
        self.last().map_or(Ratio::ZERO, |last| last.state.weight)
    }

    /// Where the rollout is; `None` before the first decision.
    pub fn decided_phase(&self) -> Option<Phase> {
        self.last().map(|last| last.state.phase)
    }
}

fn report(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true })
}

fn decisions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 50,
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    })
}

/// As Kubernetes has conditions everywhere, keyed by type.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": { "type": "string", "maxLength": 316 },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "reason": { "type": "string", "minLength": 1, "maxLength": 1024 },
                "message": { "type": "string", "maxLength": 32768 },
            },
        },
    })
}
