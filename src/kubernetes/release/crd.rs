//! The kind `CanaryRelease` (weir.dev/v1alpha1), as people write it.
//!
//! Steps, analysis and checks are those of the configuration file; what a cluster says in another way (a choice among kinds,
//! a secret) has a type of its own here.

#![allow(unreachable_pub, reason = "the schemas are derived from hidden copies of the types")]

use ipnet::IpNet;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::CanaryReleaseCommand;
use super::status::CanaryReleaseStatus;
use crate::config::schema::{self, Analysis, Check, ClientIpAffinity, CookieAffinity, FullStep, HoldBack, MirrorFirst};
use crate::types::{Side, Span};

/// A canary: what is stable, what is the candidate, the steps from one to the other, and what must hold on the way.
///
/// Either `targetRef` (one Deployment, whose new revision is the canary) or `stable` and `canary` (two Services).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "weir.dev",
    version = "v1alpha1",
    kind = "CanaryRelease",
    namespaced,
    status = "CanaryReleaseStatus",
    shortname = "crel",
    category = "weir",
    doc = "A canary of a workload: who is stable, who is the candidate, how it is promoted, and where it is.",
    derive = "PartialEq",
    printcolumn(name = "State", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Weight", type_ = "string", json_path = ".status.weight"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.step"),
    printcolumn(name = "ETA", type_ = "string", json_path = ".status.eta"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 120").message("the name is longer than 120 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.targetRef) != (has(self.stable) || has(self.canary))")
        .message("write either targetRef (a Deployment) or both stable and canary (two Services)"),
    validation = Rule::new("has(self.stable) == has(self.canary)").message("stable and canary go together"),
    validation = Rule::new("!has(self.stable) || !has(self.canary) || self.stable.service != self.canary.service")
        .message("stable and canary are the same Service"),
    validation = Rule::new("!has(self.revision) || !has(self.targetRef)")
        .message("a Deployment has revisions of its own: revision goes with stable and canary"),
    validation = Rule::new("!has(self.onAbort) || has(self.targetRef)").message("onAbort goes with targetRef"),
    validation = Rule::new(
        "has(self.targetRef) == has(oldSelf.targetRef) && (!has(self.targetRef) || self.targetRef.name == oldSelf.targetRef.name)"
    )
        .message("targetRef cannot be changed, as it may hold a Deployment: delete the release and create another one")
)]
pub struct CanaryReleaseSpec {
    /// The Deployment whose new revision is the canary: `kubectl set image` starts it, `kubectl rollout undo` aborts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<TargetRef>,
    /// The Service in service. It is the one that routes name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<ServiceRef>,
    /// The Service of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<ServiceRef>,
    /// Any text; another text starts a new rollout of the same two Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Releases of one namespace that name the same group move, promote and abort together. The steps and the analysis of
    /// the first by name hold for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub group: Option<String>,
    /// The shares on the way to 100%, rising. Default: 1%, 5%, 25%, 50%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub steps: Option<Vec<FullStep>>,
    /// Before its first user the canary gets copies of some requests, and is judged by its answers, which nobody else sees: a
    /// broken canary is aborted without a user. `{}` is 10% until 100 answers. For applications in which a request that is
    /// carried out twice does no harm. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_first: Option<MirrorFirst>,
    /// Whether a rollout that sees little traffic begins at a later step than the first: at the largest one of at most 5% at
    /// which the canary gets no more than a request in two seconds. Steps with `atLeast` or `pause` are not passed over.
    /// Default: true with the default steps, false with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by_traffic: Option<bool>,
    /// What stable keeps for a time once the canary has won; a canary that turns bad then is aborted at once, as before.
    /// `{}` is 5% for 30m. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_back: Option<HoldBack>,
    /// Who stays with a version once sent there. Default: every request is shared on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Requests that testers send to a side of their choice. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub overrides: Vec<Override>,
    /// What is tolerated, what is bad, and how sure weir must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// Further conditions beside weir's own eyes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub checks: Vec<Check>,
    /// A canary without a ready pod by then is aborted. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_deadline: Option<Span>,
    /// What becomes of the Deployment after an abort. Default: `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_abort: Option<OnAbort>,
}

/// The workload whose new revision is the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// Its API. Default: `apps/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["apps/v1"]))]
    pub api_version: Option<String>,
    /// Its kind: `Deployment`.
    #[schemars(extend("enum" = ["Deployment"]))]
    pub kind: String,
    /// Its name, in the release's own namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A Service in the release's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub service: String,
}

/// Who stays with a version once sent there. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.cookie), has(self.header), has(self.clientIp)].filter(one, one).size() == 1")
        .message("write exactly one of cookie, header and clientIp")
)]
pub struct Affinity {
    /// A client that keeps cookies: weir sets one, on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<CookieAffinity>,
    /// The value of a request field, such as `x-user-id`. Requests without it are shared on their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The client's address, as X-Forwarded-For tells behind trusted proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<ClientIpAffinity>,
}

/// Sends testers to one side. The field or cookie is removed before the request is forwarded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.header) != has(self.cookie)").message("write exactly one of header and cookie"),
    validation = Rule::new("has(self.valueFrom) || (has(self.from) && self.from.size() > 0)")
        .message("outsiders must not choose: write valueFrom (a Secret's key) or from (networks)")
)]
pub struct Override {
    /// The side that matching requests go to.
    pub to: Side,
    /// The request field that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The cookie that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// The value that it must have: 16 characters or more in a Secret of the release's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretKey>,
    /// The client addresses that may choose. Default: all who know the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>", length(max = 64))]
    pub from: Vec<IpNet>,
}

/// One key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret.
    pub name: String,
    /// The key in it.
    pub key: String,
}

/// What becomes of the Deployment after an abort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnAbort {
    /// Its template stays as it was applied, so that nothing disagrees with Git; the bad revision gets no traffic.
    #[default]
    Keep,
    /// Its template becomes the stable one again, as `kubectl rollout undo` would do it.
    Undo,
}

impl CanaryReleaseSpec {
    /// How long a canary may be without a ready pod.
    pub fn start_deadline(&self) -> std::time::Duration {
        self.start_deadline.unwrap_or(START_DEADLINE).0
    }
}

impl From<&Affinity> for Option<schema::Affinity> {
    fn from(affinity: &Affinity) -> Self {
        let cookie = affinity.cookie.clone().map(schema::Affinity::Cookie);
        let header = affinity.header.clone().map(schema::Affinity::Header);
        cookie.or(header).or(affinity.client_ip.map(schema::Affinity::ClientIp))
    }
}

/// The definitions of weir's own kinds, with the names of their files in `deploy/crds`.
pub fn definitions() -> [(&'static str, CustomResourceDefinition); 2] {
    [
        ("canaryreleases.yaml", structural(&CanaryRelease::crd())),
        ("canaryreleasecommands.yaml", structural(&CanaryReleaseCommand::crd())),
    ]
}

/// `definition` without what Kubernetes does not take: closed objects (it drops unknown fields by itself), defaults of whole
/// sections (they are empty), and number formats of Rust.
fn structural(definition: &CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(definition).expect("a definition is plain data");
    tidy(&mut value);
    serde_json::from_value(value).expect("it was one before")
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| match key.as_str() {
                "additionalProperties" => *value != Value::Bool(false),
                "default" => !matches!(value, Value::Object(_) | Value::Array(_) | Value::Null),
                "format" => value.as_str().is_none_or(|format| !format.starts_with("uint")),
                _ => true,
            });
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A definition as the text of its file.
///
/// # Errors
/// Never, for definitions of ours.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(definition)
}

/// Long enough for a node to join and an image to be pulled; as Deployments have it.
const START_DEADLINE: Span = Span::secs(600);
