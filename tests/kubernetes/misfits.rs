//! Releases that cannot be carried out, or not any more, or only against somebody: they say why, and hold nothing for ever.

use anyhow::{Context, ensure};

use crate::harness::{Namespace, Result, eventually};
use crate::manifests::weighed;
use crate::releases::{FOUND, Shop};
use crate::workloads::{HOST, Visitors, steady};

pub async fn a_release_that_loses_its_route_in_mid_canary_says_so_and_its_deployment_can_be_undone(
    ns: Namespace,
) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.fields_are_held().await?;
    shop.nobody_was_turned_away()?;
    shop.visitors.go();
    shop.ns.kubectl("delete httproute/shop").await?;
    shop.becomes(READY, |reason| reason == "NoRoute").await?;
    shop.fields_are_held().await?;
    shop.ns.kubectl("rollout undo deployment/shop").await?;
    shop.fields_become(FOUND).await
}

pub async fn a_max_surge_that_somebody_writes_in_mid_canary_is_written_back_told_of_and_kept_for_the_end(
    ns: Namespace,
) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    // By hand, so that the share stays as it is.
    shop.ns.kubectl("weir set-weight shop 50%").await?;
    shop.fields_become("2147483646 2147483647 2").await?;
    shop.becomes(READY, |reason| reason == "Ready").await?;
    let surge = r#"{"spec":{"strategy":{"rollingUpdate":{"maxSurge":3}}}}"#;
    let patch = ["patch", "deployment", "shop", "--field-manager=gitops", "-p", surge];
    shop.ns.run("kubectl", &patch, "").await?;
    shop.becomes(READY, |reason| reason == "MaxSurgePinned").await?;
    shop.fields_become("2147483646 2147483647 2").await?;
    let said = shop.ns.jsonpath("canaryrelease/shop", &READY.replace("reason", "message")).await?;
    ensure!(said.starts_with("the manager gitops writes strategy.rollingUpdate.maxSurge"), "{said}");
    shop.ns.tells(&["Warning MaxSurgePinned"]).await?;
    shop.ns.kubectl("weir promote shop").await?;
    shop.wait("Promoted").await?;
    shop.fields_become("3 600 3").await?;
    shop.becomes(READY, |reason| reason == "Ready").await?;
    shop.nobody_was_turned_away()
}

pub async fn a_release_that_nobody_carries_out_says_why(ns: Namespace) -> Result {
    let shop = Shop::open(ns, "").await?;
    shop.visitors.go();
    let named = |name: &str, target: &str| {
        weighed("shop")
            .replace("{name: shop}", &format!("{{name: {name}}}"))
            .replace("name: shop}", &format!("name: {target}}}"))
    };
    shop.ns.apply(&named("another", "shop")).await?;
    shop.ns.apply(&named("typo", "shpo")).await?;
    shop.ns.apply(&crate::harness::demo_app("lonely", "v1", 1)).await?;
    shop.ns.apply(&named("lonely", "lonely")).await?;
    for (release, reason, word) in [
        ("another", "DeploymentTaken", "the CanaryRelease shop has the same Deployment"),
        ("typo", "DeploymentNotFound", "there is no Deployment shpo"),
        ("lonely", "NoRoute", "no route or Ingress of a weir sends to its Service"),
    ] {
        says(&shop.ns, release, reason, word).await?;
    }
    // At rest, long before anybody needs them.
    for (steps, reason, word) in [("50%", "UnsupportedValue", "spec.steps"), ("5%", "Ready", "")] {
        let patch = format!(r#"{{"spec":{{"steps":[{{"weight":"{steps}"}},{{"weight":"20%"}}]}}}}"#);
        shop.ns.run("kubectl", &["patch", "canaryrelease", "shop", "--type=merge", "-p", &patch], "").await?;
        says(&shop.ns, "shop", reason, word).await?;
    }
    let patch = r#"{"spec":{"targetRef":{"name":"lonely"}}}"#;
    let arguments = ["patch", "canaryrelease", "shop", "--type=merge", "-p", patch];
    let refused = shop.ns.try_run("kubectl", &arguments, "").await?;
    let told = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && told.contains("targetRef cannot be changed"), "{told}");
    shop.becomes(READY, |reason| reason == "Ready").await
}

pub async fn releases_of_services_that_are_taken_or_missing_say_so_and_so_does_one_without_stable_pods(
    ns: Namespace,
) -> Result {
    let address = ns.example_with("two-services.yaml", steady).await?;
    let visitors = Visitors::of(HOST, address, &["/"]);
    for (name, canary) in [("second", "app-v2"), ("missing", "app-v9")] {
        let stable = if name == "missing" { "app-v2" } else { "app-v1" };
        ns.apply(&OF_SERVICES.replace("NAME", name).replace("STABLE", stable).replace("CANARY", canary)).await?;
    }
    says(&ns, "second", "ServiceTaken", "the CanaryRelease app has the same Service app-v1").await?;
    says(&ns, "missing", "ServiceNotFound", "there is no Service app-v9").await?;
    says(&ns, "app", "Ready", "").await?;
    ns.kubectl("scale deployment/app-v1 --replicas=0").await?;
    says(&ns, "app", "StableNotReady", "has no endpoint, so").await?;
    visitors.were_all_answered()?;
    ns.kubectl("scale deployment/app-v1 --replicas=1").await?;
    says(&ns, "app", "Ready", "").await
}

/// Waits until the condition `Ready` has this reason, and the message of it and of the status this word.
async fn says(ns: &Namespace, release: &str, reason: &str, word: &str) -> Result {
    eventually(&format!("{release} says {reason}"), async || {
        let release = ns.read("weir.dev/v1alpha1", &format!("canaryreleases/{release}")).await?;
        let conditions = release["status"]["conditions"].as_array().context("it has no condition")?;
        let ready = conditions.iter().find(|one| one["type"] == "Ready").context("it says nothing")?;
        let texts = [&ready["message"], &release["status"]["message"]];
        let says = texts.iter().all(|text| text.as_str().is_some_and(|text| text.contains(word)));
        ensure!(ready["reason"] == reason && says, "{ready:#} {texts:#?}");
        Ok(true)
    })
    .await
}

const OF_SERVICES: &str = r#"
apiVersion: weir.dev/v1alpha1
kind: CanaryRelease
metadata: {name: NAME}
spec:
  stable: {service: STABLE}
  canary: {service: CANARY}
"#;

/// The reason of the condition `Ready`.
const READY: &str = "{.status.conditions[?(@.type=='Ready')].reason}";
