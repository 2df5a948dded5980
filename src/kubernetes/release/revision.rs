//! The revision split: what is to be done with a Deployment, and which of its revisions gets which traffic. Pure.
//!
//! A Deployment's own rolling update is held half way: new pods are ready, so they can serve, but never *available*, so no
//! old pod goes. How many new pods there are is `maxSurge`. Promotion restores the fields, and the native rolling update ends
//! by itself. Its one invariant: weir changes nothing but the three [`HeldFields`], and only while a revision is in question.

mod canary;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::sync::Arc;

pub use canary::Trouble;

use super::status::{HeldFields, Revisions};
use crate::rollout::Phase;
use crate::types::{Ratio, Timestamp};

/// A Deployment and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// The Deployment.
    pub deployment: &'a Deployment,
    /// Its ReplicaSets.
    pub replica_sets: &'a [Arc<ReplicaSet>],
    /// Their pods.
    pub pods: &'a [Arc<Pod>],
}

/// What the journal says of the present canary's rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Where it is; `None`: it has not begun.
    pub phase: Option<Phase>,
    /// The canary's share of the requests, copies included: it needs pods for that.
    pub share: Ratio,
}

/// What is to be done, and what is to be remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to remember, before anything else is done. `None`: the Deployment has no revision in service yet.
    pub revisions: Option<Revisions>,
    /// What becomes of the three fields.
    pub fields: Fields,
    /// How the Service's endpoints are shared.
    pub sharing: Sharing,
    /// The canary of before is gone, because the Deployment went back to its stable revision.
    pub undone: bool,
    /// What keeps the canary from serving.
    pub trouble: Option<Trouble>,
    /// What people should know.
    pub lints: Vec<Lint>,
}

/// What becomes of the three fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    /// They are not weir's.
    Leave,
    /// They are to be these, and weir's, until further notice.
    Hold(HeldFields),
    /// They are to be as they were found, and nobody's.
    Restore(HeldFields),
}

/// How the endpoints of the Deployment's Services are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Every ready pod alike, as the Service alone would do it: at rest, and while a good revision is rolled out.
    Alike,
    /// By weight between two revisions.
    ByWeight,
}

/// What people should know about a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// `strategy: Recreate` replaces all pods at once: there is no canary.
    Recreate,
    /// While it is paused no template takes effect.
    Paused,
    /// `maxUnavailable` is not 0: old pods go before new ones are proven.
    MaxUnavailable,
    /// A pod is available as soon as it is ready: a rollout may be some pods ahead before it is held.
    NoMinReadySeconds,
    /// Another manager writes the fields that weir holds.
    Pinned,
}

impl Lint {
    /// The reason of the event and of the condition.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Recreate => "RecreateStrategy",
            Self::Paused => "DeploymentPaused",
            Self::MaxUnavailable => "MaxUnavailable",
            Self::NoMinReadySeconds => "NoMinReadySeconds",
            Self::Pinned => "FieldsPinned",
        }
    }

    /// What it is and what to do, in one sentence.
    pub const fn message(&self) -> &'static str {
        match self {
            Self::Recreate => {
                "the strategy Recreate stops all old pods before a new one starts, so there is no canary: use RollingUpdate"
            }
            Self::Paused => "the Deployment is paused: no new revision starts until `kubectl rollout resume`",
            Self::MaxUnavailable => {
                "maxUnavailable is not 0, so the rolling update takes old pods away while the canary is judged: set it to 0"
            }
            Self::NoMinReadySeconds => {
                "minReadySeconds is 0, so a new pod may replace an old one before the rollout is held: set it to 5 or more"
            }
            Self::Pinned => {
                "another manager writes minReadySeconds, progressDeadlineSeconds or maxSurge, so the rolling update goes on \
                 by itself: leave these three fields out of what is applied again and again"
            }
        }
    }
}

/// Plans for `work`, of which `known` is remembered and `decided` was decided, at `now`.
pub fn plan(work: Workload<'_>, known: Option<&Revisions>, decided: Decided, now: Timestamp) -> Plan {
    let current = work.current();
    let mut plan = Plan {
        revisions: known.cloned(),
        fields: Fields::Leave,
        sharing: Sharing::Alike,
        undone: false,
        trouble: None,
        lints: lints(work.deployment),
    };
    let Some(known) = known.filter(|known| known.is_of(work.deployment)) else {
        let deployment = work.deployment.metadata.uid.clone();
        let first = |stable: &str| Revisions { deployment, stable: stable.to_owned(), ..Revisions::default() };
        plan.revisions = work.settled().map(first);
        return plan;
    };
    match current {
        // The controller has yet to make the new ReplicaSet; what is in question already is held.
        None if work.is_recreate() => {}
        None => {
            // As it is while the Deployment is paused, too.
            let held = known.held.filter(|held| work.deployment.metadata.generation == Some(*held));
            plan.hold(work, known, Revisions { held, ..known.clone() }, Ratio::ZERO);
        }
        Some(hash) if hash == known.stable => plan.rest(work, known),
        Some(hash) if known.good.iter().any(|good| good == hash) => plan.accept(work, known, hash),
        Some(hash) if work.is_recreate() => plan.accept(work, known, hash),
        // Nobody is served by what has no pods: there is nothing to compare with, and nothing to lose.
        Some(hash) if work.replicas() == 0 && known.canary.is_none() => plan.accept(work, known, hash),
        Some(hash) => plan.question(work, known, hash, decided, now),
    }
    plan
}

/// What is to be done when the release is deleted, or its rollout is over: the fields as they were found. What somebody else
/// has written since stays.
pub fn release(deployment: &Deployment, known: &Revisions) -> Fields {
    let wished = known.is_of(deployment).then(|| known.wished(deployment)).flatten();
    wished.filter(|wished| *wished != fields(deployment)).map_or(Fields::Leave, Fields::Restore)
}

impl Plan {
    /// The stable revision is the wanted one.
    fn rest(&mut self, work: Workload<'_>, known: &Revisions) {
        self.undone = known.canary.is_some();
        self.fields = release(work.deployment, known);
        self.revisions = Some(Revisions { canary: None, ..known.clone() });
    }

    /// Another revision goes into service at once.
    fn accept(&mut self, work: Workload<'_>, known: &Revisions, hash: &str) {
        let mut revisions = known.clone();
        revisions.good.retain(|good| good != hash);
        let before = std::mem::replace(&mut revisions.stable, hash.to_owned());
        revisions.good.push(before);
        let surplus = revisions.good.len().saturating_sub(MOST_GOOD);
        revisions.good.drain(..surplus);
        revisions.canary = None;
        self.fields = release(work.deployment, known);
        self.revisions = Some(revisions);
    }

    /// A revision that nobody knows is wanted.
    fn question(&mut self, work: Workload<'_>, known: &Revisions, hash: &str, decided: Decided, now: Timestamp) {
        let goes_on = known.canary.as_deref() == Some(hash);
        let decided = if goes_on { decided } else { Decided::default() };
        if decided.phase == Some(Phase::Promoted) {
            return self.accept(work, known, hash);
        }
        // Whoever applies another template may well write the fields with it: that is no quarrel.
        let held = known.held.filter(|_| goes_on);
        let since = known.since.filter(|_| goes_on).or(Some(now));
        self.trouble = canary::trouble(work.pods, hash);
        self.sharing = Sharing::ByWeight;
        self.hold(
            work,
            known,
            Revisions { canary: Some(hash.to_owned()), since, held, ..known.clone() },
            decided.share,
        );
    }

    /// Holds the rolling update with as many new pods as `share` needs; `next` is remembered instead of `known`.
    fn hold(&mut self, work: Workload<'_>, known: &Revisions, next: Revisions, share: Ratio) {
        let found = Some(known.wished(work.deployment).unwrap_or_else(|| fields(work.deployment)));
        let mut surge = next.surge;
        if next.is_overwritten(work.deployment) {
            self.lints.push(Lint::Pinned);
        } else {
            let pods = canary_pods(work.replicas(), share);
            surge = Some(pods);
            self.fields = Fields::Hold(held(pods));
        }
        self.revisions = Some(Revisions { found, surge, ..next });
    }
}

impl Revisions {
    /// Whether these are the revisions of `deployment`, and not of one that had its name before.
    pub fn is_of(&self, deployment: &Deployment) -> bool {
        self.deployment.is_none() || self.deployment == deployment.metadata.uid
    }

    /// The fields as people want them, while weir holds them: what is not weir's value is somebody's wish, and the latest one
    /// counts.
    fn wished(&self, deployment: &Deployment) -> Option<HeldFields> {
        let (found, now) = (self.found.clone()?, fields(deployment));
        let ready_is_ours = now.min_ready_seconds == Some(FOREVER);
        let deadline_is_ours = now.progress_deadline_seconds == Some(NO_DEADLINE);
        let surge_is_ours = ready_is_ours || now.max_surge == self.surge.map(IntOrString::Int);
        Some(HeldFields {
            min_ready_seconds: if ready_is_ours { found.min_ready_seconds } else { now.min_ready_seconds },
            progress_deadline_seconds: if deadline_is_ours {
                found.progress_deadline_seconds
            } else {
                now.progress_deadline_seconds
            },
            max_surge: if surge_is_ours { found.max_surge } else { now.max_surge },
        })
    }

    /// Whether somebody else wrote the fields after weir did.
    fn is_overwritten(&self, deployment: &Deployment) -> bool {
        let later = self.held.is_some_and(|ours| deployment.metadata.generation > Some(ours));
        let now = fields(deployment);
        later && (now.min_ready_seconds, now.progress_deadline_seconds) != (Some(FOREVER), Some(NO_DEADLINE))
    }
}

impl Workload<'_> {
    /// The hash of the revision that is wanted; `None` until the controller has made its ReplicaSet.
    pub fn current(&self) -> Option<&str> {
        let wanted = &self.deployment.spec.as_ref()?.template;
        let of_wanted = |set: &&Arc<ReplicaSet>| {
            let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
            template.is_some_and(|template| is_same(template, wanted))
        };
        self.replica_sets.iter().find(of_wanted).and_then(|set| hash(set))
    }

    /// The hash of the wanted revision when no other one has pods.
    fn settled(&self) -> Option<&str> {
        let current = self.current()?;
        let others = self.replica_sets.iter().filter(|set| hash(set) != Some(current));
        let gone = |set: &Arc<ReplicaSet>| set.status.as_ref().is_none_or(|status| status.replicas == 0);
        others.into_iter().all(gone).then_some(current)
    }

    fn replicas(&self) -> u32 {
        let replicas = self.deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        u32::try_from(replicas).unwrap_or(0)
    }

    fn is_recreate(&self) -> bool {
        strategy(self.deployment) == Some("Recreate")
    }
}

/// The pod template hash of a ReplicaSet or of a pod.
pub fn hash<K: kube::Resource>(object: &Arc<K>) -> Option<&str> {
    object.meta().labels.as_ref()?.get(HASH_LABEL).map(String::as_str)
}

/// How many pods a canary needs that has `share` of the requests beside `replicas` stable pods.
fn canary_pods(replicas: u32, share: Ratio) -> i32 {
    let needed = (u64::from(replicas) * u64::from(share.ppm())).div_ceil(u64::from(Ratio::PARTS));
    i32::try_from(needed.max(1)).unwrap_or(i32::MAX)
}

/// What the fields are to be while a canary has so many pods.
fn held(pods: i32) -> HeldFields {
    HeldFields {
        min_ready_seconds: Some(FOREVER),
        progress_deadline_seconds: Some(NO_DEADLINE),
        max_surge: Some(IntOrString::Int(pods)),
    }
}

/// The three fields as they are.
pub fn fields(deployment: &Deployment) -> HeldFields {
    let spec = deployment.spec.as_ref();
    let rolling = spec.and_then(|spec| spec.strategy.as_ref()).and_then(|strategy| strategy.rolling_update.as_ref());
    HeldFields {
        min_ready_seconds: spec.and_then(|spec| spec.min_ready_seconds),
        progress_deadline_seconds: spec.and_then(|spec| spec.progress_deadline_seconds),
        max_surge: rolling.and_then(|rolling| rolling.max_surge.clone()),
    }
}

fn lints(deployment: &Deployment) -> Vec<Lint> {
    let Some(spec) = &deployment.spec else { return Vec::new() };
    let recreate = strategy(deployment) == Some("Recreate");
    let found = [
        (recreate, Lint::Recreate),
        (spec.paused == Some(true), Lint::Paused),
        (!recreate && loses_pods(spec), Lint::MaxUnavailable),
        (!recreate && spec.min_ready_seconds.unwrap_or(0) == 0, Lint::NoMinReadySeconds),
    ];
    found.into_iter().filter(|(is, _)| *is).map(|(_, lint)| lint).collect()
}

/// Whether a rolling update may take old pods away at once. A percentage counts rounded down, as Kubernetes does it.
fn loses_pods(spec: &DeploymentSpec) -> bool {
    let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let replicas = spec.replicas.unwrap_or(1);
    match rolling.and_then(|rolling| rolling.max_unavailable.as_ref()) {
        Some(IntOrString::Int(pods)) => *pods > 0,
        Some(IntOrString::String(share)) => share.trim_end_matches('%').parse().is_ok_and(|n: i32| n * replicas >= 100),
        None => 25 * replicas >= 100,
    }
}

fn strategy(deployment: &Deployment) -> Option<&str> {
    deployment.spec.as_ref()?.strategy.as_ref()?.type_.as_deref()
}

/// Whether two templates are the same revision, as the Deployment controller sees it: all but the hash itself.
fn is_same(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    let labels = |template: &PodTemplateSpec| {
        let mut labels = template.metadata.as_ref().and_then(|meta| meta.labels.clone()).unwrap_or_default();
        labels.remove(HASH_LABEL);
        labels
    };
    let annotations = |template: &PodTemplateSpec| {
        template.metadata.as_ref().and_then(|meta| meta.annotations.clone()).unwrap_or_default()
    };
    one.spec == other.spec && labels(one) == labels(other) && annotations(one) == annotations(other)
}

/// By which a Deployment's pods tell their revision.
pub const HASH_LABEL: &str = "pod-template-hash";

/// `minReadySeconds` that no pod lives to see; the deadline must be larger.
const FOREVER: i32 = i32::MAX - 1;

/// `progressDeadlineSeconds` that means "none".
const NO_DEADLINE: i32 = i32::MAX;

/// Revisions in service before that are remembered; as many as a Deployment keeps by default.
const MOST_GOOD: usize = 10;

#[cfg(test)]
mod tests;
