//! A Flagger `Canary` (flagger.app/v1beta1) as a `CanaryRelease`.

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
    target_ref: TargetRef,
    #[serde(default)]
    service: Service,
    #[serde(default, alias = "canaryAnalysis")]
    analysis: Analysis,
    #[serde(default)]
    skip_analysis: bool,
}

#[derive(Debug, Deserialize)]
struct TargetRef {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: Option<String>,
    port: Option<u16>,
    target_port: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Analysis {
    interval: Option<String>,
    threshold: Option<u32>,
    max_weight: Option<u32>,
    step_weight: Option<u32>,
    step_weights: Vec<u32>,
    metrics: Vec<Metric>,
    webhooks: Vec<Webhook>,
    session_affinity: Option<SessionAffinity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    name: String,
    interval: Option<String>,
    #[serde(default)]
    threshold_range: Range,
    template_ref: Option<TemplateRef>,
    #[serde(default)]
    template_variables: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Range {
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct TemplateRef {
    name: String,
    namespace: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Webhook {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    url: String,
    timeout: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionAffinity {
    cookie_name: Option<String>,
    max_age: Option<u64>,
}

/// The `spec` of a `MetricTemplate`.
#[derive(Debug, Deserialize)]
struct Template {
    provider: Provider,
    #[serde(default)]
    query: String,
}

#[derive(Debug, Deserialize)]
struct Provider {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    address: String,
}

/// The Service and the release that stand for a `Canary`.
pub(super) fn import(canary: &Object, objects: &[Object]) -> Result<Vec<Manifest>, ImportError> {
    let (spec, unknown): (Spec, _) = canary.spec()?;
    if spec.target_ref.kind != "Deployment" {
        let kind = &spec.target_ref.kind;
        let what = format!("its target is a {kind}: weir releases Deployments, and any kind behind two Services");
        return Err(ImportError::Wrong(canary.to_string(), what));
    }
    let mut release = Release { spec: &spec, canary, objects, checks: Vec::new(), notes: Vec::new() };
    release.notes.push(format!(
        "From {canary}. The Deployment {} itself is released: before Flagger's Canary is deleted, set its \
         revertOnDeletion, so that the pods of {0}-primary move back.",
        spec.target_ref.name
    ));
    let steps = release.steps();
    release.metrics()?;
    release.webhooks();
    release.notes.extend(explain(&unknown, FIELDS));
    let Release { checks, notes, .. } = release;
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": spec.target_ref.name });
    let body = with(
        json!({ "targetRef": target, "steps": steps }),
        [("affinity", affinity(&spec)), ("checks", json!(checks))],
    );
    Ok(vec![service(canary, &spec), Draft::new("weir.dev/v1alpha1", "CanaryRelease", canary).noted(notes).spec(body)])
}

/// The one Service that the application keeps: Flagger deletes its own together with the `Canary`.
fn service(canary: &Object, spec: &Spec) -> Manifest {
    let target = &spec.target_ref.name;
    let name = spec.service.name.clone().unwrap_or_else(|| target.clone());
    let port = spec.service.port.unwrap_or(80);
    let port = with(json!({ "port": port }), [("targetPort", json!(spec.service.target_port))]);
    let note = format!(
        "Instead of the Services {name}, {name}-primary and {name}-canary. Check the selector: it must select the pods of \
         Deployment {target}, those of every revision."
    );
    Draft::new("v1", "Service", canary)
        .named(name)
        .noted([note])
        .spec(json!({ "selector": { "app": target }, "ports": [port] }))
}

fn affinity(spec: &Spec) -> Value {
    spec.analysis.session_affinity.as_ref().map_or(Value::Null, |affinity| {
        let age = affinity.max_age.map(Span::secs);
        let cookie = with(json!({}), [("name", json!(affinity.cookie_name)), ("maxAge", json!(age))]);
        json!({ "cookie": cookie })
    })
}

/// The release under construction.
struct Release<'a> {
    spec: &'a Spec,
    canary: &'a Object,
    objects: &'a [Object],
    checks: Vec<Value>,
    notes: Vec<String>,
}

impl Release<'_> {
    /// A weight for each interval; weir goes on when the time is over *and* the evidence is there.
    fn steps(&mut self) -> Value {
        let analysis = &self.spec.analysis;
        let interval = analysis.interval.as_deref().and_then(|text| text.parse::<Span>().ok());
        let weights: Vec<u32> = match (analysis.step_weight, analysis.max_weight) {
            _ if !analysis.step_weights.is_empty() => analysis.step_weights.clone(),
            (Some(step), max) if step > 0 => {
                let max = max.unwrap_or(100);
                (step..max).step_by(step as usize).chain([max]).collect()
            }
            _ => {
                self.notes.push("There is no stepWeight (A/B or blue/green): these are weir's own steps.".to_owned());
                return steps(&[1, 5, 25, 50].map(|percent| Step::of(Ratio::percent(percent))));
            }
        };
        self.notes.push(match interval {
            Some(interval) => format!(
                "A step lasts {interval} at least, as interval had it, and until there is evidence for its weight; without \
                 atLeast the evidence alone sets the pace."
            ),
            None => "A step lasts until there is evidence for its weight.".to_owned(),
        });
        if self.spec.skip_analysis {
            self.notes
                .push("skipAnalysis: weir always looks; `kubectl weir promote` goes straight to the end.".to_owned());
        }
        if analysis.threshold.is_some() {
            self.notes.push(
                "threshold: failed checks are not counted. weir aborts as soon as the responses themselves show that the \
                 canary is worse than stable, and at the second failure in a row of a check below."
                    .to_owned(),
            );
        }
        let rising = weights.iter().filter(|weight| (1..100).contains(*weight));
        let step = |weight: &u32| Step { at_least: interval, ..Step::of(Ratio::percent(*weight)) };
        let mut list: Vec<Step> = rising.map(step).collect();
        list.dedup_by_key(|step| step.weight);
        // A gate before the end is a pause at the last step.
        if let Some(last) = list.last_mut() {
            last.pause = analysis.webhooks.iter().any(|hook| hook.kind.as_deref() == Some("confirm-promotion"));
        }
        steps(&list)
    }

    fn metrics(&mut self) -> Result<(), ImportError> {
        for metric in &self.spec.analysis.metrics {
            match (metric.name.as_str(), &metric.template_ref) {
                (_, Some(template)) => self.template(metric, template)?,
                ("request-success-rate", None) => {
                    let rate = metric.threshold_range.min.unwrap_or(99.0);
                    self.notes.push(format!(
                        "request-success-rate, at least {rate}%: weir compares with the error rate of stable in the same \
                         seconds, so that what both suffer from is not blamed on the canary. See analysis.errorRate."
                    ));
                }
                ("request-duration", None) => {
                    let bound = metric.threshold_range.max.unwrap_or(500.0);
                    self.notes.push(format!(
                        "request-duration, at most {bound} ms: weir compares the share of slow responses with stable's, at many \
                         bounds. See analysis.latency."
                    ));
                }
                (name, None) => self.notes.push(format!("metric {name} has no template, and is left out")),
            }
        }
        Ok(())
    }

    /// A check for each end of the range of a Prometheus query.
    fn template(&mut self, metric: &Metric, template: &TemplateRef) -> Result<(), ImportError> {
        let namespace = template.namespace.as_ref().or(self.canary.namespace.as_ref());
        let found = self.objects.iter().find(|object| {
            object.kind == "MetricTemplate" && object.name == template.name && object.namespace.as_ref() == namespace
        });
        let Some(found) = found else {
            let note = "is not among what is imported: add it, and the metric becomes a check";
            self.notes.push(format!("metric {}: MetricTemplate {} {note}", metric.name, template.name));
            return Ok(());
        };
        let (read, _): (Template, _) = found.spec()?;
        if read.provider.kind != "prometheus" {
            let kind = &read.provider.kind;
            self.notes.push(format!("metric {}: weir asks Prometheus or a webhook, not {kind}", metric.name));
            return Ok(());
        }
        let (query, missing) = checks::fill(&read.query, |name| self.variable(metric, name));
        if !missing.is_empty() {
            self.notes.push(format!("metric {}: fill in {}", metric.name, missing.join(", ")));
        }
        let interval = metric.interval.as_deref().and_then(|text| text.parse().ok());
        let ends = [(metric.threshold_range.min, ">="), (metric.threshold_range.max, "<=")];
        let ends: Vec<_> = ends.into_iter().filter_map(|(end, comparison)| Some((end?, comparison))).collect();
        for (end, comparison) in &ends {
            let suffix = if *comparison == ">=" { "min" } else { "max" };
            let name = if ends.len() > 1 { format!("{}-{suffix}", metric.name) } else { metric.name.clone() };
            let pass_if = format!("{comparison} {end}");
            let address = &read.provider.address;
            let check = Query { name: &name, address, query: query.clone(), pass_if, interval, failures: None };
            self.checks.push(check.to_json());
        }
        Ok(())
    }

    /// What Flagger fills in for a variable of a query.
    fn variable<'b>(&'b self, metric: &'b Metric, name: &str) -> Option<&'b str> {
        let target = self.spec.target_ref.name.as_str();
        match name {
            "namespace" => self.canary.namespace.as_deref(),
            "target" => Some(target),
            "service" => Some(self.spec.service.name.as_deref().unwrap_or(target)),
            "name" => Some(self.canary.name.as_str()),
            "interval" => metric.interval.as_deref().or(self.spec.analysis.interval.as_deref()),
            // The canary's pods are those of the Deployment itself, as in Flagger.
            _ => metric.template_variables.get(name.strip_prefix("variables.").unwrap_or(name)).map(String::as_str),
        }
    }

    fn webhooks(&mut self) {
        for hook in &self.spec.analysis.webhooks {
            let (name, kind) = (&hook.name, hook.kind.as_deref().unwrap_or("rollout"));
            match kind {
                "rollout" if name.contains("load") => self.notes.push(format!(
                    "webhook {name}: a load test is not needed for evidence where there is traffic; where there is none, run it \
                     beside weir"
                )),
                "rollout" => {
                    let timeout = hook.timeout.as_deref().and_then(|text| text.parse::<Span>().ok());
                    let check = json!({ "name": checks::name(name), "webhook": { "url": hook.url } });
                    self.checks.push(with(check, [("timeout", json!(timeout))]));
                    self.notes.push(format!(
                        "webhook {name}: it gets the status of the release as JSON, without metadata; 2xx passes, 409 waits, any \
                         other 4xx fails"
                    ));
                }
                "confirm-promotion" => {
                    self.notes.push(format!("webhook {name}: the last step waits for `kubectl weir promote` instead"));
                }
                _ => self.notes.push(format!("webhook {name} of type {kind} has no counterpart")),
            }
        }
    }
}

/// What is to be said of fields that are not read.
const FIELDS: &[(&str, &str)] = &[
    ("spec.provider", "weir routes and measures by itself"),
    ("spec.metricsServer", "the responses themselves are the evidence; checks name their server"),
    ("spec.ingressRef", "import that Ingress, or let an HTTPRoute name the Service"),
    ("spec.routeRef", "routes name the Service; weir attaches to it"),
    (
        "spec.autoscalerRef",
        "an autoscaler stays with the Deployment itself, and weir leaves it alone; there is no second one",
    ),
    ("spec.progressDeadlineSeconds", "see startDeadline: a canary without a ready pod by then is aborted"),
    ("spec.revertOnDeletion", "deleting a CanaryRelease always leaves the Deployment as it was found"),
    ("spec.suspend", "see `kubectl weir pause`"),
    ("spec.service.gatewayRefs", "write an HTTPRoute with these parentRefs that names the Service"),
    ("spec.service.gateways", "write an HTTPRoute that names the Service"),
    ("spec.service.hosts", "they belong into the hostnames of an HTTPRoute that names the Service"),
    ("spec.service.match", "it belongs into the matches of an HTTPRoute that names the Service"),
    ("spec.service.rewrite", "it belongs into the filters of an HTTPRoute that names the Service"),
    ("spec.service.headers", "they belong into the filters of an HTTPRoute that names the Service"),
    ("spec.service.timeout", "it belongs into the timeouts of an HTTPRoute that names the Service"),
    ("spec.service.retries", "weir repeats what may be repeated, a canary's failures on stable"),
    ("spec.service.trafficPolicy", "weir balances by itself"),
    ("spec.service.portDiscovery", "add the other ports to the Service"),
    ("spec.analysis.iterations", "steps end by evidence, not by a count"),
    ("spec.analysis.match", "see overrides: testers choose with a secret or by their network"),
    ("spec.analysis.mirror", "an HTTPRoute's RequestMirror filter copies requests"),
    ("spec.analysis.mirrorWeight", ""),
    ("spec.analysis.alerts", "see the events of the release, and the alert rules for Prometheus"),
    ("spec.analysis.stepWeightPromotion", "promotion moves no pods: all traffic goes to pods that were judged"),
    ("spec.analysis.canaryReadyThreshold", "one ready pod is enough: weights do not depend on replicas"),
    ("spec.analysis.primaryReadyThreshold", ""),
];
