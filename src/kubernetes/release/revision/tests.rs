//! What weir does with a Deployment, at each point of a rollout. The facts about the controllers are those of a real
//! control plane.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::super::status::{HeldFields, Revisions};
use super::{Decided, Fields, Lint, Plan, Sharing, Trouble, Workload, only_of_held_fields, plan, release};
use crate::rollout::Phase;
use crate::types::{Ratio, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_000);

/// A Deployment `app` of ten pods in a namespace of its own.
struct Cluster {
    deployment: Deployment,
    sets: Vec<Arc<ReplicaSet>>,
    pods: Vec<Arc<Pod>>,
}

impl Cluster {
    /// Everything runs `image`, the revision `hash`.
    fn at_rest(image: &str, hash: &str) -> Self {
        let deployment = json!({
            "metadata": { "name": "app", "generation": 1 },
            "spec": {
                "replicas": 10, "minReadySeconds": 5, "progressDeadlineSeconds": 600,
                "selector": {}, "template": template(image, None),
                "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 0 } },
            },
        });
        Self { deployment: read(deployment), sets: vec![set(image, hash, 10)], pods: Vec::new() }
    }

    /// Somebody sets another image; the controller has not seen it yet.
    fn apply(mut self, image: &str) -> Self {
        self.deployment.spec.as_mut().unwrap().template = read(template(image, None));
        self.deployment.metadata.generation = self.deployment.metadata.generation.map(|before| before + 1);
        self
    }

    /// The controller makes the ReplicaSet of `image`.
    fn make_set(mut self, image: &str, hash: &str, pods: i32) -> Self {
        self.sets.push(set(image, hash, pods));
        self
    }

    fn pod(mut self, hash: &str, status: Value) -> Self {
        let name = format!("app-{hash}-{}", self.pods.len());
        let pod = json!({ "metadata": { "name": name, "labels": { "pod-template-hash": hash } }, "status": status });
        self.pods.push(Arc::new(read(pod)));
        self
    }

    /// What the fields are now, by somebody's hand.
    fn write(mut self, fields: &HeldFields) -> Self {
        let spec = self.deployment.spec.as_mut().unwrap();
        spec.min_ready_seconds = fields.min_ready_seconds;
        spec.progress_deadline_seconds = fields.progress_deadline_seconds;
        let rolling = spec.strategy.as_mut().unwrap().rolling_update.as_mut().unwrap();
        rolling.max_surge.clone_from(&fields.max_surge);
        self.deployment.metadata.generation = self.deployment.metadata.generation.map(|before| before + 1);
        self
    }

    /// Who has which fields, as the API server tells it: managers and the hour of their last write, the earliest first.
    fn managed(mut self, managers: &[(&str, Value)]) -> Self {
        let entries = managers.iter().enumerate().map(|(hour, (manager, fields))| {
            let time = format!("2026-01-01T{hour:02}:00:00Z");
            json!({ "manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields })
        });
        self.deployment.metadata.managed_fields = Some(read(entries.collect()));
        only_of_held_fields(&mut self.deployment);
        self
    }

    fn plan(&self, known: Option<&Revisions>, decided: Decided) -> Plan {
        plan(Workload { deployment: &self.deployment, replica_sets: &self.sets, pods: &self.pods }, known, decided, NOW)
    }
}

fn template(image: &str, hash: Option<&str>) -> Value {
    let mut labels = json!({ "app": "app" });
    if let Some(hash) = hash {
        labels["pod-template-hash"] = hash.into();
    }
    json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "app", "image": image }] } })
}

fn set(image: &str, hash: &str, pods: i32) -> Arc<ReplicaSet> {
    Arc::new(read(json!({
        "metadata": { "name": format!("app-{hash}"), "labels": { "pod-template-hash": hash } },
        "spec": { "replicas": pods, "selector": {}, "template": template(image, Some(hash)) },
        "status": { "replicas": pods },
    })))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn stable(hash: &str) -> Revisions {
    Revisions { stable: hash.to_owned(), ..Revisions::default() }
}

fn found() -> HeldFields {
    HeldFields {
        min_ready_seconds: Some(5),
        progress_deadline_seconds: Some(600),
        max_surge: Some(IntOrString::String("25%".to_owned())),
    }
}

fn held(pods: i32) -> HeldFields {
    HeldFields {
        min_ready_seconds: Some(2_147_483_646),
        progress_deadline_seconds: Some(2_147_483_647),
        max_surge: Some(IntOrString::Int(pods)),
    }
}

/// `v1` is in service, `v2` is a canary since `NOW`, and the fields are held.
fn in_question() -> Revisions {
    Revisions { canary: Some("v2".to_owned()), since: Some(NOW), found: Some(found()), ..stable("v1") }
}

fn decided(phase: Phase, percent: u32) -> Decided {
    Decided { phase: Some(phase), share: Ratio::percent(percent) }
}

fn mid_canary() -> Cluster {
    Cluster::at_rest("app:1", "v1").apply("app:2").make_set("app:2", "v2", 1)
}

#[test]
fn at_rest_nothing_is_weirs() {
    let plan = Cluster::at_rest("app:1", "v1").plan(Some(&stable("v1")), Decided::default());
    assert_eq!((plan.fields, plan.sharing, plan.lints), (Fields::Leave, Sharing::Alike, vec![]));
    assert_eq!(plan.revisions, Some(stable("v1")));
}

#[test]
fn what_runs_alone_when_the_release_is_made_is_stable() {
    let cluster = Cluster::at_rest("app:1", "v1");
    assert_eq!(cluster.plan(None, Decided::default()).revisions, Some(stable("v1")));
    let rolling = Cluster::at_rest("app:1", "v1").apply("app:2").make_set("app:2", "v2", 3);
    assert_eq!(rolling.plan(None, Decided::default()).revisions, None, "a rolling update under way is nobody's canary");
}

#[test]
fn another_template_is_held_before_the_controller_has_made_its_replica_set() {
    let plan = Cluster::at_rest("app:1", "v1").apply("app:2").plan(Some(&stable("v1")), Decided::default());
    assert_eq!(plan.fields, Fields::Hold(held(1)));
    assert_eq!(plan.revisions.unwrap().found, Some(found()), "as it was found, to be restored");
    assert_eq!(plan.sharing, Sharing::Alike);
}

#[test]
fn the_new_revision_becomes_the_canary_with_one_pod_and_no_weight() {
    let plan = mid_canary().plan(Some(&stable("v1")), Decided::default());
    assert_eq!(plan.revisions, Some(Revisions { surge: Some(1), ..in_question() }));
    assert_eq!((plan.fields, plan.sharing), (Fields::Hold(held(1)), Sharing::ByWeight));
}

#[test]
fn the_number_of_canary_pods_follows_the_weight() {
    for (percent, pods) in [(0, 1), (1, 1), (5, 1), (11, 2), (25, 3), (50, 5), (100, 10)] {
        let plan = mid_canary().plan(Some(&in_question()), decided(Phase::Progressing, percent));
        assert_eq!(plan.fields, Fields::Hold(held(pods)), "at {percent}% of 10 pods");
    }
}

/// What becomes of the ReplicaSets with so many pods, at this share, where the controller has seen this generation.
fn resized(stable: i32, canary: i32, percent: u32, observed: i64, max_unavailable: i32) -> Vec<(String, i32)> {
    let mut cluster = Cluster::at_rest("app:1", "v1").apply("app:2").make_set("app:2", "v2", canary);
    cluster.sets[0] = set("app:1", "v1", stable);
    let spec = cluster.deployment.spec.as_mut().unwrap();
    let rolling = spec.strategy.as_mut().unwrap().rolling_update.as_mut().unwrap();
    rolling.max_unavailable = Some(IntOrString::Int(max_unavailable));
    cluster = cluster.write(&held(i32::try_from(percent / 10).unwrap().max(1)));
    cluster.deployment.status = Some(read(json!({ "observedGeneration": observed })));
    cluster.plan(Some(&in_question()), decided(Phase::Progressing, percent)).resize
}

#[test]
fn a_canary_with_more_pods_than_its_share_needs_gives_them_back_once_the_controller_holds() {
    // Kubernetes has begun with the surge that it found.
    let to = |pods: i32| vec![("app-v2".to_owned(), pods)];
    assert_eq!(resized(10, 3, 1, 3, 0), to(1));
    assert_eq!(resized(10, 5, 20, 3, 0), to(2));
    assert_eq!(resized(10, 5, 50, 3, 0), [], "it needs them");
    assert_eq!(resized(10, 1, 50, 3, 0), [], "the controller adds by itself");
    assert_eq!(resized(10, 3, 1, 2, 0), [], "the controller would make new ones, by the fields that it knows");
}

#[test]
fn stable_has_all_of_its_pods_unless_the_controller_may_take_them_away() {
    // Scaled in mid-canary, Kubernetes has shared what is new among both.
    let both = |stable: i32, canary: i32| vec![("app-v1".to_owned(), stable), ("app-v2".to_owned(), canary)];
    assert_eq!(resized(8, 4, 20, 3, 0), both(10, 2));
    assert_eq!(resized(0, 11, 1, 3, 0), both(10, 1), "after it was scaled to nothing for a night");
    assert_eq!(resized(9, 1, 1, 3, 0), [("app-v1".to_owned(), 10)]);
    assert_eq!(resized(8, 5, 1, 3, 2), [("app-v2".to_owned(), 3)], "where old ones go, new ones come in their place");
}

#[test]
fn scaling_during_the_hold_scales_the_canary_too() {
    let mut cluster = mid_canary();
    cluster.deployment.spec.as_mut().unwrap().replicas = Some(40);
    let plan = cluster.plan(Some(&in_question()), decided(Phase::Progressing, 25));
    assert_eq!(plan.fields, Fields::Hold(held(10)));
}

#[test]
fn what_was_found_is_remembered_once_and_not_overwritten_with_what_is_held() {
    let plan = mid_canary().write(&held(1)).plan(Some(&in_question()), decided(Phase::Progressing, 5));
    assert_eq!(plan.revisions.unwrap().found, Some(found()));
}

#[test]
fn promotion_restores_the_fields_and_the_canary_is_stable() {
    let plan = mid_canary().write(&held(5)).plan(Some(&in_question()), decided(Phase::Promoted, 100));
    assert_eq!(plan.fields, Fields::Restore(found()));
    let revisions = plan.revisions.unwrap();
    assert_eq!(revisions.since, Some(NOW), "its rollout keeps its name, whoever else of a group has yet to end it");
    assert_eq!((revisions.stable.as_str(), revisions.canary, revisions.good), ("v2", None, vec!["v1".to_owned()]));
    assert_eq!(plan.sharing, Sharing::Alike, "the native rolling update has pods of both in service, as it always has");
}

#[test]
fn after_an_abort_the_template_stays_and_the_bad_revision_stays_held() {
    let plan = mid_canary().write(&held(5)).plan(Some(&in_question()), decided(Phase::Aborted, 0));
    assert_eq!((plan.fields, plan.sharing), (Fields::Hold(held(1)), Sharing::ByWeight));
    assert!(!plan.undone);
}

#[test]
fn an_undo_in_mid_canary_restores_the_fields_and_is_told() {
    let cluster = mid_canary().write(&held(5)).apply("app:1");
    let plan = cluster.plan(Some(&in_question()), decided(Phase::Progressing, 50));
    assert!(plan.undone);
    assert_eq!((plan.fields, plan.sharing), (Fields::Restore(found()), Sharing::Alike));
    assert_eq!(plan.revisions.unwrap().canary, None);
}

#[test]
fn the_same_image_applied_again_after_an_undo_is_another_canary() {
    let later = Revisions { since: Some(Timestamp::from_secs(1)), ..stable("v1") };
    let plan = mid_canary().plan(Some(&later), decided(Phase::Aborted, 0));
    assert_eq!(plan.revisions.unwrap().since, Some(NOW));
    assert_eq!(plan.fields, Fields::Hold(held(1)));
}

#[test]
fn an_undo_to_a_revision_that_was_in_service_is_no_canary() {
    let known = Revisions { good: vec!["v1".to_owned()], ..stable("v2") };
    let cluster = Cluster::at_rest("app:2", "v2").apply("app:1").make_set("app:1", "v1", 3);
    let plan = cluster.plan(Some(&known), decided(Phase::Promoted, 100));
    assert_eq!((plan.fields, plan.sharing), (Fields::Leave, Sharing::Alike));
    let revisions = plan.revisions.unwrap();
    assert_eq!((revisions.stable.as_str(), revisions.good), ("v1", vec!["v2".to_owned()]));
}

#[test]
fn a_third_template_in_mid_canary_is_the_canary_from_then_on() {
    let cluster = mid_canary().write(&held(5)).apply("app:3").make_set("app:3", "v3", 1);
    let plan = cluster.plan(Some(&in_question()), decided(Phase::Progressing, 50));
    let revisions = plan.revisions.unwrap();
    assert_eq!((revisions.canary.as_deref(), revisions.found), (Some("v3"), Some(found())));
    assert_eq!(plan.fields, Fields::Hold(held(1)), "the weight of the one before is not its own");
}

#[test]
fn a_release_that_is_deleted_leaves_the_deployment_as_it_was_found() {
    let deployment = mid_canary().write(&held(1)).deployment;
    assert_eq!(release(&deployment, &in_question()), Fields::Restore(found()));
    assert_eq!(release(&deployment, &stable("v1")), Fields::Leave);
    let known = Revisions { held: Some(2), ..in_question() };
    let overwritten = mid_canary().write(&found()).deployment;
    assert_eq!(release(&overwritten, &known), Fields::Leave, "what somebody else wrote since stays");
}

#[test]
fn fields_that_have_their_values_again_and_are_still_weirs_are_let_go_of() {
    let weirs = |fields| mid_canary().write(&found()).managed(&[("weir", fields)]).deployment;
    let deployment = weirs(json!({ "f:spec": { "f:progressDeadlineSeconds": {} } }));
    assert_eq!(release(&deployment, &in_question()), Fields::Restore(found()), "weir ended between its two writes");
    assert_eq!(release(&deployment, &stable("v1")), Fields::Leave, "they have been let go of, and are shown as before");
    let deployment = weirs(json!({ "f:spec": { "f:replicas": {} } }));
    assert_eq!(release(&deployment, &in_question()), Fields::Leave, "nothing of it is held");
}

#[test]
fn of_fields_that_somebody_wrote_in_mid_canary_only_the_others_are_restored() {
    let known = Revisions { surge: Some(1), held: Some(3), ..in_question() };
    // `kubectl apply` of a manifest that has minReadySeconds and nothing else.
    let applied = HeldFields { min_ready_seconds: Some(7), ..held(1) };
    let cluster = mid_canary().write(&held(1)).write(&applied);
    let wished = HeldFields { min_ready_seconds: Some(7), ..found() };
    assert_eq!(release(&cluster.deployment, &known), Fields::Restore(wished.clone()));
    let plan = cluster.plan(Some(&known), decided(Phase::Progressing, 5));
    assert_eq!((plan.fields, plan.revisions.unwrap().found), (Fields::Leave, Some(wished)));
    let own = HeldFields { max_surge: Some(IntOrString::Int(3)), ..applied };
    let cluster = mid_canary().write(&held(1)).write(&own);
    let wished = HeldFields { progress_deadline_seconds: found().progress_deadline_seconds, ..own };
    assert_eq!(release(&cluster.deployment, &known), Fields::Restore(wished), "a surge of one's own stays");
}

#[test]
fn a_template_that_no_replica_set_is_made_of_is_held_once() {
    let cluster = Cluster::at_rest("app:1", "v1").apply("app:2");
    let first = cluster.plan(Some(&stable("v1")), Decided::default());
    assert_eq!(first.fields, Fields::Hold(held(1)));
    let cluster = cluster.write(&held(1));
    let known = Revisions { held: cluster.deployment.metadata.generation, ..first.revisions.unwrap() };
    let again = cluster.plan(Some(&known), Decided::default());
    assert_eq!(again.revisions, Some(known), "nothing is written anew while the Deployment is paused");
}

#[test]
fn a_deployment_without_pods_takes_a_new_revision_at_once() {
    let mut cluster = Cluster::at_rest("app:1", "v1").apply("app:2").make_set("app:2", "v2", 0);
    cluster.deployment.spec.as_mut().unwrap().replicas = Some(0);
    let plan = cluster.plan(Some(&stable("v1")), Decided::default());
    assert_eq!((plan.fields, plan.revisions.unwrap().stable.as_str()), (Fields::Leave, "v2"));
    let aborted = cluster.plan(Some(&in_question()), decided(Phase::Aborted, 0)).revisions.unwrap();
    assert_eq!(aborted.stable, "v1", "what was judged and found bad is not good for want of pods");
}

#[test]
fn a_deployment_that_was_made_again_has_revisions_of_its_own() {
    let mut cluster = mid_canary().write(&held(1));
    let known = Revisions { deployment: Some("first".to_owned()), ..in_question() };
    cluster.deployment.metadata.uid = Some("first".to_owned());
    assert_eq!(cluster.plan(Some(&known), Decided::default()).fields, Fields::Hold(held(1)));
    let mut again = Cluster::at_rest("app:2", "v2");
    again.deployment.metadata.uid = Some("second".to_owned());
    let plan = again.plan(Some(&known), Decided::default());
    let revisions = plan.revisions.unwrap();
    assert_eq!((revisions.stable.as_str(), revisions.canary, plan.fields), ("v2", None, Fields::Leave));
    assert_eq!(revisions.deployment.as_deref(), Some("second"));
    assert_eq!(release(&again.write(&held(1)).deployment, &known), Fields::Leave, "what it holds is not weir's");
}

#[test]
fn another_manager_of_the_held_fields_is_told_of_and_not_fought() {
    let known = Revisions { held: Some(3), ..in_question() };
    let plan = mid_canary().write(&held(1)).write(&found()).plan(Some(&known), decided(Phase::Progressing, 5));
    let told: Vec<_> = plan.lints.iter().map(|lint| (lint.reason(), lint.message())).collect();
    let said = "another manager writes minReadySeconds and progressDeadlineSeconds, by which weir holds the rolling update, so it \
                goes on by itself: leave minReadySeconds and progressDeadlineSeconds out of the manifest, or let the GitOps tool \
                ignore the difference";
    assert_eq!((plan.fields, told), (Fields::Leave, vec![("FieldsPinned", said.to_owned())]));
    let scaled = mid_canary().write(&held(1)).write(&held(1)).plan(Some(&known), decided(Phase::Progressing, 5));
    assert_eq!(scaled.fields, Fields::Hold(held(1)), "a Deployment that only changed elsewhere is still held");
}

/// At three pods by weir's hand; then somebody, a manager of its own or weir, has written `surge`.
fn pinned(surge: IntOrString, managers: &[(&str, Value)]) -> (Cluster, Revisions) {
    let cluster = mid_canary().write(&held(3));
    let known = Revisions { surge: Some(3), held: cluster.deployment.metadata.generation, ..in_question() };
    (cluster.write(&HeldFields { max_surge: Some(surge), ..held(3) }).managed(managers), known)
}

/// What a manager of `maxSurge` has, beside something else.
fn surge_of() -> Value {
    json!({ "f:spec": { "f:replicas": {}, "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} } } } })
}

#[test]
fn a_max_surge_that_another_manager_writes_again_and_again_is_written_back_and_told_of() {
    let weirs = json!({ "f:spec": { "f:minReadySeconds": {}, "f:progressDeadlineSeconds": {} } });
    let other = json!({ "f:spec": { "f:replicas": {} }, "f:status": {} });
    let managers = [
        ("kubectl", surge_of()),
        ("argocd-controller", surge_of()),
        ("weir", weirs),
        ("kube-controller-manager", other),
    ];
    let (cluster, known) = pinned(IntOrString::String("50%".to_owned()), &managers);
    assert_eq!(cluster.deployment.metadata.managed_fields.as_ref().map(Vec::len), Some(3), "only who has held fields");
    let plan = cluster.plan(Some(&known), decided(Phase::Progressing, 40));
    assert_eq!(plan.fields, Fields::Hold(held(4)), "the rolling update is held without it");
    let told: Vec<_> = plan.lints.iter().map(|lint| (lint.reason(), lint.message())).collect();
    let said = "the manager argocd-controller writes strategy.rollingUpdate.maxSurge, by which the canary has as many pods as its \
                share needs, so weir writes it back each time: leave strategy.rollingUpdate.maxSurge out of the manifest, or let \
                the GitOps tool ignore the difference";
    assert_eq!(told, [("MaxSurgePinned", said.to_owned())]);
    let wished = HeldFields { max_surge: Some(IntOrString::String("50%".to_owned())), ..found() };
    assert_eq!(plan.revisions.unwrap().found, Some(wished), "what is wanted by hand is what is restored in the end");
}

#[test]
fn a_max_surge_that_weir_has_yet_to_bring_up_to_date_is_nobody_elses() {
    let (cluster, known) =
        pinned(IntOrString::Int(2), &[("weir", surge_of()), ("autoscaler", json!({ "f:spec": {} }))]);
    let plan = cluster.plan(Some(&known), decided(Phase::Progressing, 30));
    assert_eq!((plan.fields, plan.lints), (Fields::Hold(held(3)), vec![]));
    assert_eq!(plan.revisions.unwrap().found, Some(found()));
    let (cluster, known) = pinned(IntOrString::Int(3), &[("kubectl", surge_of())]);
    assert_eq!(
        cluster.plan(Some(&known), decided(Phase::Progressing, 30)).lints,
        [],
        "who wants the same is no quarrel"
    );
}

#[test]
fn a_template_applied_together_with_the_fields_is_a_new_canary_and_its_fields_are_those_to_restore() {
    let known = Revisions { held: Some(3), ..in_question() };
    let wished = HeldFields { min_ready_seconds: Some(9), ..found() };
    let cluster = mid_canary().write(&held(1)).apply("app:3").write(&wished);
    let early = cluster.plan(Some(&known), decided(Phase::Aborted, 0));
    assert_eq!((early.fields, early.lints), (Fields::Hold(held(1)), vec![]), "before its ReplicaSet is there");
    let cluster = cluster.make_set("app:3", "v3", 1);
    let plan = cluster.plan(Some(&known), decided(Phase::Aborted, 0));
    assert_eq!((plan.fields, plan.lints), (Fields::Hold(held(1)), vec![]));
    assert_eq!(plan.revisions.unwrap().found, Some(wished));
}

#[test]
fn the_strategy_recreate_is_told_of_and_left_alone() {
    let mut cluster = mid_canary();
    let spec = cluster.deployment.spec.as_mut().unwrap();
    spec.strategy = read(json!({ "type": "Recreate" }));
    let plan = cluster.plan(Some(&stable("v1")), Decided::default());
    assert_eq!((plan.fields, plan.lints), (Fields::Leave, vec![Lint::Recreate]));
    assert_eq!(plan.revisions.unwrap().stable, "v2");
}

#[test]
fn what_makes_a_rollout_less_safe_is_told() {
    let mut cluster = Cluster::at_rest("app:1", "v1");
    let spec = cluster.deployment.spec.as_mut().unwrap();
    (spec.min_ready_seconds, spec.paused) = (None, Some(true));
    spec.strategy = None;
    let lints = cluster.plan(Some(&stable("v1")), Decided::default()).lints;
    assert_eq!(lints, [Lint::Paused, Lint::MaxUnavailable, Lint::NoMinReadySeconds]);
    cluster.deployment.spec.as_mut().unwrap().replicas = Some(3);
    let lints = cluster.plan(Some(&stable("v1")), Decided::default()).lints;
    assert_eq!(lints, [Lint::Paused, Lint::NoMinReadySeconds], "25% of 3 pods is none");
}

#[test]
fn a_canary_that_cannot_start_says_why() {
    let waiting = |reason: &str| {
        let state = json!({ "waiting": { "reason": reason, "message": "app:2 does not exist" } });
        json!({ "containerStatuses": [
            { "name": "app", "image": "app:2", "imageID": "", "ready": false, "restartCount": 0, "state": state },
        ] })
    };
    let trouble = |cluster: Cluster| cluster.plan(Some(&in_question()), Decided::default()).trouble;
    let told = trouble(mid_canary().pod("v2", json!({})).pod("v2", waiting("ErrImagePull"))).unwrap();
    assert_eq!(told.to_string(), "pod app-v2-1: ErrImagePull: app:2 does not exist");
    assert_eq!(trouble(mid_canary()), Some(Trouble::NoPod));
    let unready = trouble(mid_canary().pod("v2", waiting("ContainerCreating"))).unwrap();
    assert_eq!(unready, Trouble::NotReady { pod: "app-v2-0".to_owned() });
    let unplaced = json!({ "conditions": [
        { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" },
    ] });
    let unplaced = trouble(mid_canary().pod("v2", unplaced)).unwrap();
    assert_eq!(unplaced.to_string(), "pod app-v2-0 has no node: 0/1 nodes are available");
}

#[test]
fn one_ready_pod_is_enough_to_have_started() {
    let ready = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
    let cluster = mid_canary().pod("v2", json!({})).pod("v2", ready.clone());
    assert_eq!(cluster.plan(Some(&in_question()), Decided::default()).trouble, None);
    let of_stable = mid_canary().pod("v1", ready);
    assert_eq!(of_stable.plan(Some(&in_question()), Decided::default()).trouble, Some(Trouble::NoPod));
}
