//! An Argo `Rollout` (argoproj.io/v1alpha1) as a Deployment and a `CanaryRelease`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ImportError;
use super::checks::{self, Query};
use super::manifest::{Draft, Manifest, Step, steps, with};
use super::read::{Object, explain};
use crate::types::{Ratio, Span};

/// What is read of the `spec`; everything else is told as unknown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<u32>,
    selector: Option<Value>,
    template: Option<Value>,
    workload_ref: Option<WorkloadRef>,
    min_ready_seconds: Option<u32>,
    revision_history_limit: Option<u32>,
    #[serde(default)]
    strategy: Strategy,
}

#[derive(Debug, Deserialize)]
struct WorkloadRef {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    canary: Option<Canary>,
    blue_green: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Canary {
    stable_service: Option<String>,
    canary_service: Option<String>,
    max_surge: Option<Value>,
    steps: Vec<Stage>,
    analysis: Option<Analyses>,
    traffic_routing: Option<TrafficRouting>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stage {
    set_weight: Option<u32>,
    pause: Option<Pause>,
    analysis: Option<Analyses>,
}

/// `{}` waits for a person.
#[derive(Debug, Default, Deserialize)]
struct Pause {
    duration: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Analyses {
    templates: Vec<TemplateRef>,
    args: Vec<Argument>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TemplateRef {
    template_name: String,
    #[serde(default, rename = "clusterScope")]
    _cluster_scope: bool,
}

#[derive(Debug, Deserialize)]
struct Argument {
    name: String,
    value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TrafficRouting {
    max_traffic_weight: Option<u32>,
}

/// The `spec` of an `AnalysisTemplate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    args: Vec<Argument>,
    metrics: Vec<Metric>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    name: String,
    interval: Option<String>,
    success_condition: Option<String>,
    failure_condition: Option<String>,
    failure_limit: Option<Value>,
    #[serde(default)]
    provider: BTreeMap<String, Value>,
}

/// The Deployment, unless there is one, and the release that stand for a `Rollout`.
pub(super) fn import(rollout: &Object, objects: &[Object]) -> Result<Vec<Manifest>, ImportError> {
    let (spec, unknown): (Spec, _) = rollout.spec()?;
    let canary = spec.strategy.canary.as_ref();
    let mut release = Release { rollout, objects, checks: Vec::new(), notes: Vec::new() };
    release.services(canary);
    let steps = match canary {
        Some(canary) => release.steps(canary),
        None => release.own_steps(spec.strategy.blue_green.is_some()),
    };
    for analyses in canary.iter().flat_map(|canary| analyses(canary)) {
        release.analyses(analyses)?;
    }
    let mut manifests = Vec::new();
    let target = match &spec.workload_ref {
        Some(workload) if workload.kind == "Deployment" => {
            release.notes.push(format!(
                "Deployment {0} has run no pods of its own: scale it up before the Rollout is deleted.",
                workload.name
            ));
            workload.name.clone()
        }
        Some(workload) => {
            let what = format!("its workload is a {}: weir releases Deployments", workload.kind);
            return Err(ImportError::Wrong(rollout.to_string(), what));
        }
        None => {
            manifests.push(deployment(rollout, &spec)?);
            rollout.name.clone()
        }
    };
    release.notes.extend(explain(&unknown, FIELDS));
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": target });
    let Release { checks, notes, .. } = release;
    let body = with(json!({ "targetRef": target, "steps": steps }), [("checks", json!(checks))]);
    manifests.push(Draft::new("weir.dev/v1alpha1", "CanaryRelease", rollout).noted(notes).spec(body));
    Ok(manifests)
}

/// The Deployment that the `Rollout` stood for: same pods, same selector.
fn deployment(rollout: &Object, spec: &Spec) -> Result<Manifest, ImportError> {
    let missing = |field: &str| ImportError::Wrong(rollout.to_string(), format!("spec.{field} is missing"));
    let template = spec.template.as_ref().ok_or_else(|| missing("template"))?;
    let selector = spec.selector.as_ref().ok_or_else(|| missing("selector"))?;
    let surge = spec.strategy.canary.as_ref().and_then(|canary| canary.max_surge.clone());
    let rolling = with(json!({ "maxUnavailable": 0 }), [("maxSurge", surge.unwrap_or_default())]);
    let body = with(
        json!({}),
        [
            ("replicas", json!(spec.replicas)),
            ("minReadySeconds", json!(spec.min_ready_seconds.unwrap_or(MIN_READY))),
            ("revisionHistoryLimit", json!(spec.revision_history_limit)),
            ("selector", selector.clone()),
            ("strategy", json!({ "type": "RollingUpdate", "rollingUpdate": rolling })),
            ("template", template.clone()),
        ],
    );
    let note = format!(
        "From {rollout}: the same pods as a native Deployment. Apply it beside the Rollout, wait until it is available, then \
         delete the Rollout. maxUnavailable is 0, so that the new version adds pods before old ones go."
    );
    Ok(Draft::new("apps/v1", "Deployment", rollout).noted([note]).spec(body))
}

/// Those of the whole rollout, and of single steps.
fn analyses(canary: &Canary) -> impl Iterator<Item = &Analyses> {
    canary.analysis.iter().chain(canary.steps.iter().filter_map(|stage| stage.analysis.as_ref()))
}

/// The release under construction.
struct Release<'a> {
    rollout: &'a Object,
    objects: &'a [Object],
    checks: Vec<Value>,
    notes: Vec<String>,
}

impl Release<'_> {
    fn services(&mut self, canary: Option<&Canary>) {
        self.notes.push(format!("From {}: weights are shares of the traffic, whatever the replicas.", self.rollout));
        let stable = canary.and_then(|canary| canary.stable_service.as_deref());
        if let Some(stable) = stable {
            self.notes.push(format!(
                "stableService: routes name Service {stable}; take rollouts-pod-template-hash out of its selector, so that it \
                 selects the pods of every revision"
            ));
        }
        if let Some(service) = canary.and_then(|canary| canary.canary_service.as_deref()) {
            self.notes.push(format!("canaryService: Service {service} is not needed any more"));
        }
    }

    /// A step for each weight; the pauses behind a weight are its `atLeast` and `pause`.
    fn steps(&mut self, canary: &Canary) -> Value {
        let whole = canary.traffic_routing.as_ref().and_then(|routing| routing.max_traffic_weight).unwrap_or(100);
        let mut list: Vec<Step> = Vec::new();
        for stage in &canary.steps {
            if let Some(weight) = stage.set_weight {
                let weight = Ratio::from_fraction(f64::from(weight) / f64::from(whole.max(1)));
                if weight == Ratio::ONE {
                    break;
                }
                let rises = list.last().is_none_or(|last| last.weight < weight);
                if rises && weight > Ratio::ZERO {
                    list.push(Step::of(weight));
                } else {
                    self.notes.push(format!("setWeight {weight}: left out, steps rise from above 0%"));
                }
            }
            if let Some(pause) = &stage.pause {
                self.pause(list.last_mut(), pause);
            }
            if stage.analysis.is_some() {
                self.notes.push("an analysis step: its checks hold during the whole release".to_owned());
            }
        }
        if list.is_empty() {
            return self.own_steps(false);
        }
        self.notes.push("A step ends when its time is over and there is evidence for its weight.".to_owned());
        steps(&list)
    }

    fn pause(&mut self, step: Option<&mut Step>, pause: &Pause) {
        let Some(step) = step else {
            self.notes.push("a pause before the first weight has no counterpart".to_owned());
            return;
        };
        match pause.duration.as_ref().map(span) {
            None => step.pause = true,
            Some(Some(span)) => step.at_least = Some(Span(step.at_least.unwrap_or_default().0 + span.0)),
            Some(None) => self.notes.push(format!("pause: {:?} is not a duration", pause.duration)),
        }
    }

    fn own_steps(&mut self, blue_green: bool) -> Value {
        let why = if blue_green { "blueGreen switches at once" } else { "There are no weights" };
        self.notes.push(format!("{why}: these are weir's own steps."));
        steps(&[1, 5, 25, 50].map(|percent| Step::of(Ratio::percent(percent))))
    }

    fn analyses(&mut self, analyses: &Analyses) -> Result<(), ImportError> {
        for reference in &analyses.templates {
            let name = &reference.template_name;
            let found = self.objects.iter().find(|object| {
                matches!(object.kind.as_str(), "AnalysisTemplate" | "ClusterAnalysisTemplate") && object.name == *name
            });
            let Some(found) = found else {
                self.notes.push(format!(
                    "AnalysisTemplate {name} is not among what is imported: add it, and its Prometheus queries become checks"
                ));
                continue;
            };
            let (template, _): (Template, _) = found.spec()?;
            for metric in &template.metrics {
                self.metric(metric, analyses, &template);
            }
        }
        Ok(())
    }

    fn metric(&mut self, metric: &Metric, analyses: &Analyses, template: &Template) {
        let name = &metric.name;
        let text = |key| metric.provider.get("prometheus").and_then(|provider| provider.get(key)?.as_str());
        let (Some(address), Some(query)) = (text("address"), text("query")) else {
            let kind = metric.provider.keys().next().map_or("no provider", String::as_str);
            self.notes.push(format!("metric {name}: weir asks Prometheus or a webhook, not {kind}"));
            return;
        };
        let Some(pass_if) = pass_if(metric) else {
            self.notes.push(format!(
                "metric {name}: only a comparison of result[0] with a number can become a check (`passIf: \"< 0.05\"`)"
            ));
            return;
        };
        let given = |wanted: &str| {
            let wanted = wanted.strip_prefix("args.")?;
            let all = analyses.args.iter().chain(&template.args);
            all.filter(|argument| argument.name == wanted).find_map(|argument| argument.value.as_deref())
        };
        let (query, mut missing) = checks::fill(query, given);
        let (address, missing_too) = checks::fill(address, given);
        missing.extend(missing_too);
        if !missing.is_empty() {
            self.notes.push(format!("metric {name}: fill in {}", missing.join(", ")));
        }
        let interval = metric.interval.as_deref().and_then(|text| text.parse().ok());
        // Argo counts all failures and forgives so many; weir counts those in a row, up to the one that fails.
        let failures = metric.failure_limit.as_ref().and_then(number).map(|limit| limit + 1);
        let check = Query { name, address: &address, query, pass_if, interval, failures }.to_json();
        if !self.checks.contains(&check) {
            self.checks.push(check);
        }
    }
}

/// `result[0] >= 0.95` is `>= 0.95`; a failure condition is turned round.
fn pass_if(metric: &Metric) -> Option<String> {
    let condition = |text: &str| {
        let rest = text.trim().strip_prefix("result")?.trim_start();
        let rest = rest.strip_prefix("[0]").unwrap_or(rest).trim_start();
        let operator = ["<=", ">=", "==", "!=", "<", ">"].into_iter().find(|operator| rest.starts_with(operator))?;
        let number = rest[operator.len()..].trim();
        number.parse::<f64>().ok().map(|_| (operator, number.to_owned()))
    };
    if let Some(success) = &metric.success_condition {
        return condition(success).map(|(operator, number)| format!("{operator} {number}"));
    }
    let (operator, number) = condition(metric.failure_condition.as_deref()?)?;
    let opposite = match operator {
        "<=" => ">",
        ">=" => "<",
        "<" => ">=",
        ">" => "<=",
        "==" => "!=",
        _ => "==",
    };
    Some(format!("{opposite} {number}"))
}

/// `30`, `"30"` and `"30s"` are half a minute.
fn span(value: &Value) -> Option<Span> {
    number(value).map(|seconds| Span::secs(seconds.into())).or_else(|| value.as_str()?.parse().ok())
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).or_else(|| value.as_str()?.parse().ok())
}

/// So that a canary is seen before a pod of stable goes.
const MIN_READY: u32 = 5;

/// What is to be said of fields that are not read.
const FIELDS: &[(&str, &str)] = &[
    ("spec.progressDeadlineSeconds", "see startDeadline: a canary without a ready pod by then is aborted"),
    ("spec.progressDeadlineAbort", "a canary without a ready pod by startDeadline is always aborted"),
    ("spec.paused", "see `kubectl weir pause`"),
    ("spec.restartAt", "see `kubectl rollout restart`"),
    ("spec.analysis", "the journal of decisions has a length of its own"),
    ("spec.rollbackWindow", "a revision that was promoted before gets its weight back at once"),
    ("spec.workloadRef.apiVersion", ""),
    ("spec.workloadRef.scaleDown", "the Deployment keeps its pods"),
    ("spec.strategy.canary.maxUnavailable", "0, so that the new version adds pods before old ones go"),
    (
        "spec.strategy.canary.trafficRouting",
        "an HTTPRoute, or an Ingress of the class weir, that names the stable Service",
    ),
    ("spec.strategy.canary.steps.setCanaryScale", "the canary's pods follow its weight"),
    ("spec.strategy.canary.dynamicStableScale", "stable keeps its pods until the end"),
    ("spec.strategy.canary.abortScaleDownDelaySeconds", "an aborted canary gets no traffic, and its pods go at once"),
    ("spec.strategy.canary.scaleDownDelaySeconds", "pods that serve requests end them first"),
    ("spec.strategy.canary.minPodsPerReplicaSet", "a canary has one pod at least"),
];
