//! Canaries: two backends, the steps between them, who stays where, further checks.

use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Analysis, read};
use crate::types::{Name, Ratio, Side, Span};

/// A canary: two backends, the steps from one to the other, and what must hold on the way.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// The backend in service.
    pub stable: Name,
    /// The candidate.
    pub canary: Name,
    /// Another release that this one moves with, as the workers of an application move with its web servers: one weight, one
    /// verdict over the evidence of both, and a client that stays with a version stays with it in both. Everything but
    /// `stable` and `canary` is then written there. Default: none.
    pub follows: Option<Name>,
    /// Any text; another text starts a new rollout of the same two backends.
    pub revision: Option<String>,
    /// Before its first user the canary gets copies of some requests, and is judged by its answers, which nobody else sees: a
    /// broken canary is aborted without a user. `{}` is 10% until 100 answers. For applications in which a request that is
    /// carried out twice does no harm. Default: nothing.
    pub mirror_first: Option<MirrorFirst>,
    /// The shares on the way to 100%, rising. Default: 1%, 5%, 25%, 50%.
    pub steps: Option<Vec<Step>>,
    /// Whether a rollout that sees little traffic begins at a later step than the first: at the largest one of at most 5% at
    /// which the canary gets no more than a request in two seconds. Steps with `atLeast` or `pause` are not passed over.
    /// Default: true with the default steps, false with others.
    pub start_by_traffic: Option<bool>,
    /// What stable keeps for a time once the canary has won; a canary that turns bad then is aborted at once, as before.
    /// `{}` is 5% for 30m. Default: nothing.
    pub hold_back: Option<HoldBack>,
    /// Who stays with a version once sent there. Default: every request is shared on its own.
    pub affinity: Option<Affinity>,
    /// Requests that testers send to a side of their choice. Default: none.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// What is tolerated, what is bad, and how sure weir must be.
    #[serde(default)]
    pub analysis: Analysis,
    /// Further conditions beside weir's own eyes.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One stage of a rollout: a share alone (`5%`), or with its conditions.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// A share; passes when the evidence is there.
    Weight(Ratio),
    /// A share with conditions.
    Full(FullStep),
}

/// One stage of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FullStep {
    /// The canary's share.
    pub weight: Ratio,
    /// Not before this time, however good the evidence. Default: 0s.
    pub at_least: Option<Span>,
    /// When the evidence is not there by then, `analysis.onNoEvidence` decides. Default: no limit.
    pub at_most: Option<Span>,
    /// Wait here for `weir promote` or `weir resume` once the step has passed. Default: false.
    #[serde(default)]
    pub pause: bool,
}

/// Copies of requests for the canary, before any user is sent to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MirrorFirst {
    /// Of how many requests: at most 50%, and less than the last step. Default: 10%.
    pub share: Option<Ratio>,
    /// Until so many were answered, and nothing speaks against the canary. Default: 100.
    pub requests: Option<u32>,
    /// Not before this time. Default: 0s.
    pub at_least: Option<Span>,
    /// When it has not passed by then, `analysis.onNoEvidence` decides. Default: no limit.
    pub at_most: Option<Span>,
    /// Only requests with these methods. Each copy is carried out, so name none that must not be carried out twice.
    /// Default: GET, HEAD, OPTIONS.
    pub methods: Option<Vec<String>>,
}

/// What stable keeps for a time once the canary has won.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldBack {
    /// Stable's share. Default: 5%.
    pub weight: Option<Ratio>,
    /// For how long. Default: 30m.
    #[serde(rename = "for")]
    pub time: Option<Span>,
}

/// Who stays with a version once sent there. Exactly one; in a file, `cookie` and `clientIp` may stand alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = names_alone)]
pub enum Affinity {
    /// A client that keeps cookies: weir sets one, on both sides.
    Cookie(CookieAffinity),
    /// The value of a request field, such as `x-user-id`. Requests without it are shared on their own.
    Header(String),
    /// The client's address, as X-Forwarded-For tells behind trusted proxies.
    ClientIp(ClientIpAffinity),
}

/// Affinity by cookie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CookieAffinity {
    /// The cookie's name. Default: `weir-RELEASE`.
    pub name: Option<String>,
    /// How long a client keeps it. Default: 24h.
    pub max_age: Option<Span>,
}

/// Affinity by address; nothing to configure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientIpAffinity {}

/// Sends testers to one side. The field or cookie is removed before the request is forwarded.
///
/// Outsiders must not choose: needs a `value` (or `valueFile`) of 16 characters or more, or `from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The side that matching requests go to.
    pub to: Side,
    /// The request field that must be there. Exactly one of `header` and `cookie`.
    pub header: Option<String>,
    /// The cookie that must be there.
    pub cookie: Option<String>,
    /// The value that it must have: a secret. Default: any, from the addresses of `from`.
    pub value: Option<String>,
    /// A file with that value instead, such as a mounted secret; blanks and line ends around it do not count.
    pub value_file: Option<PathBuf>,
    /// The client addresses that may choose. Default: all who know the value.
    #[serde(default, deserialize_with = "read::networks")]
    #[schemars(with = "Vec<String>")]
    pub from: Vec<IpNet>,
}

/// A further condition: a rollout goes on while it passes, waits while it is inconclusive and is aborted when it fails.
/// Exactly one of `prometheus` and `webhook`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Its name in the journal.
    pub name: Name,
    /// A query that gives one number.
    pub prometheus: Option<PrometheusCheck>,
    /// A URL that answers.
    pub webhook: Option<WebhookCheck>,
    /// The time between two looks. Default: 15s.
    pub interval: Option<Span>,
    /// The longest wait for an answer. Default: 5s.
    pub timeout: Option<Span>,
    /// Failures in a row until the check fails. Default: 2.
    pub failures: Option<u32>,
}

/// A Prometheus instant query. No data is inconclusive, never a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusCheck {
    /// The server, such as `http://127.0.0.1:9090`.
    pub address: String,
    /// The query; must give one number.
    pub query: String,
    /// The condition under which it passes: a comparison with a number, such as `< 0.05` or `>= 1`.
    pub pass_if: String,
}

/// A POST of the release's status as JSON. 200 to 299 passes, 409 is inconclusive, 400 to 499 otherwise fails;
/// 5xx and no answer are inconclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookCheck {
    /// Where to.
    pub url: String,
}

/// Lets the kinds of affinity that need nothing more be written as a word.
fn names_alone(schema: &mut schemars::Schema) {
    if let Some(kinds) = schema.get_mut("oneOf").and_then(|kinds| kinds.as_array_mut()) {
        kinds.push(serde_json::json!({ "enum": ["cookie", "clientIp"] }));
    }
}
