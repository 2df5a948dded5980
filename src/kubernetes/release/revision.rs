//! The revision split: what is to be done with a Deployment, and which of its revisions gets which traffic. Pure.
//!
//! A Deployment's own rolling update is held half way: new pods are ready, so they can serve, but never *available*, so no
//! old pod goes. How many new pods there are is `maxSurge`; what Kubernetes does not do by itself then, to take surplus pods from
//! the canary and to give stable all of its own again, is done with their ReplicaSets. Promotion restores the fields, and the
//! native rolling update ends by itself. Its one invariant: weir changes nothing but the three [`HeldFields`] and these numbers
//! of pods, and only while a revision is in question.

mod canary;
mod lint;
mod managers;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::sync::Arc;

pub use canary::Trouble;
pub use lint::{Lint, MAX_SURGE_PINNED};
pub use managers::{Field, Pin, only_of_held_fields};

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
    /// ReplicaSets that are to have so many pods instead, because Kubernetes leaves them as they are while the rollout is held.
    pub resize: Vec<(String, i32)>,
    /// How the Service's endpoints are shared.
    pub sharing: Sharing,
    /// The canary of before is gone, because the Deployment went back to its stable revision.
    pub undone: bool,
    /// What keeps the canary from serving.
    pub trouble: Option<Trouble>,
    /// The ready pods of stable and of the canary, while there is one.
    pub ready: (u32, u32),
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

/// Plans for `work`, of which `known` is remembered and `decided` was decided, at `now`.
pub fn plan(work: Workload<'_>, known: Option<&Revisions>, decided: Decided, now: Timestamp) -> Plan {
    let current = work.current();
    let mut plan = Plan {
        revisions: known.cloned(),
        fields: Fields::Leave,
        resize: Vec::new(),
        sharing: Sharing::Alike,
        undone: false,
        trouble: None,
        ready: (0, 0),
        lints: lint::of(work.deployment),
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

/// What is to be done when the release is deleted, or its rollout is over: the fields as they were found, and nobody's. What
/// somebody else has written since stays.
pub fn release(deployment: &Deployment, known: &Revisions) -> Fields {
    let wished = known.is_of(deployment).then(|| known.wished(deployment)).flatten();
    // That is two writes, and there may be no weir between them.
    let is_weirs = Field::ALL.iter().any(|field| field.is_weirs(deployment));
    wished.filter(|wished| is_weirs || *wished != fields(deployment)).map_or(Fields::Leave, Fields::Restore)
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
        self.ready = (canary::ready(work.pods, &known.stable), canary::ready(work.pods, hash));
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
        let pin = Pin::of(&next.overwritten(work.deployment), work.deployment);
        let is_held = pin.as_ref().is_none_or(Pin::is_of_surge_alone);
        self.lints.extend(pin.map(Lint::Pinned));
        if is_held {
            let pods = canary_pods(work.replicas(), share);
            surge = Some(pods);
            self.fields = Fields::Hold(held(pods));
            self.resize = work.resize(&known.stable, &held(pods), pods);
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
        let surge_is_ours = if ready_is_ours {
            !self.overwritten(deployment).contains(&Field::MaxSurge)
        } else {
            now.max_surge == self.surge.map(IntOrString::Int)
        };
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

    /// The fields that somebody else wrote after weir did.
    fn overwritten(&self, deployment: &Deployment) -> Vec<Field> {
        let (ours, now) = (held(self.surge.unwrap_or_default()), fields(deployment));
        let differs = |field: &Field| match field {
            Field::MinReadySeconds => now.min_ready_seconds != ours.min_ready_seconds,
            Field::ProgressDeadlineSeconds => now.progress_deadline_seconds != ours.progress_deadline_seconds,
            Field::MaxSurge => self.surge.is_some() && now.max_surge != ours.max_surge,
        };
        let later = self.held.is_some_and(|ours| deployment.metadata.generation > Some(ours));
        // What weir itself has yet to bring up to date, while something else of the Deployment changed, is still its own.
        let others = |field: &Field| later && differs(field) && !field.is_weirs(deployment);
        Field::ALL.into_iter().filter(others).collect()
    }
}

impl Workload<'_> {
    /// The hash of the revision that is wanted; `None` until the controller has made its ReplicaSet.
    pub fn current(&self) -> Option<&str> {
        hash(self.wanted()?)
    }

    /// The ReplicaSet of the wanted template.
    fn wanted(&self) -> Option<&Arc<ReplicaSet>> {
        let wanted = &self.deployment.spec.as_ref()?.template;
        let of_wanted = |set: &&Arc<ReplicaSet>| {
            let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
            template.is_some_and(|template| is_same(template, wanted))
        };
        self.replica_sets.iter().find(of_wanted)
    }

    /// What is to be made right of stable, and of a canary that is to have `pods`, once the controller goes by `held`. It adds new
    /// pods as long as there are fewer than `replicas` and `maxSurge` together, never takes any away, and adds old ones only in
    /// proportion, when `replicas` change. Where it may take old ones away it would do so again: as many new ones stay instead.
    fn resize(&self, stable: &str, held: &HeldFields, pods: i32) -> Vec<(String, i32)> {
        let deployment = self.deployment;
        let seen = deployment.status.as_ref().and_then(|status| status.observed_generation);
        let Some(canary) =
            self.wanted().filter(|_| fields(deployment) == *held && seen >= deployment.metadata.generation)
        else {
            return Vec::new();
        };
        let others = self.replica_sets.iter().filter(|set| !Arc::ptr_eq(set, canary));
        let missing = i32::try_from(self.replicas()).unwrap_or(i32::MAX) - others.clone().map(size).sum::<i32>();
        let stable = others.into_iter().find(|set| hash(*set) == Some(stable));
        let stable = stable.filter(|_| missing > 0 && !lint::loses_pods(deployment));
        let enough = if stable.is_some() { pods } else { pods.saturating_add(missing.max(0)) };
        let grown = stable.map(|set| (set, size(set).saturating_add(missing)));
        let shrunk = (size(canary) > enough).then_some((canary, enough));
        let all = grown.into_iter().chain(shrunk);
        all.map(|(set, pods)| (set.metadata.name.clone().unwrap_or_default(), pods)).collect()
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

/// How many pods a ReplicaSet is to have.
fn size(set: &Arc<ReplicaSet>) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0)
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
