//! Releases that cannot be carried out, or not any more, or only against somebody: they say why, and hold nothing for ever.

use anyhow::ensure;

use crate::harness::{Namespace, Result, eventually};
use crate::manifests::weighed;
use crate::releases::{FOUND, Shop};

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
        eventually(&format!("{release} says {reason}"), async || {
            let path =
                "{.status.conditions[?(@.type=='Ready')].reason}: {.status.conditions[?(@.type=='Ready')].message}";
            let said = shop.ns.jsonpath(&format!("canaryrelease/{release}"), path).await?;
            Ok(said.starts_with(reason) && said.contains(word))
        })
        .await?;
    }
    let patch = r#"{"spec":{"targetRef":{"name":"lonely"}}}"#;
    let arguments = ["patch", "canaryrelease", "shop", "--type=merge", "-p", patch];
    let refused = shop.ns.try_run("kubectl", &arguments, "").await?;
    let told = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && told.contains("targetRef cannot be changed"), "{told}");
    shop.becomes(READY, |reason| reason == "Ready").await
}

/// The reason of the condition `Ready`.
const READY: &str = "{.status.conditions[?(@.type=='Ready')].reason}";
