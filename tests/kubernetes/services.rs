//! Releases of two Services: whatever is behind them is deployed by somebody else.

use anyhow::ensure;

use crate::harness::{Namespace, Result, SHARED, eventually};
use crate::weir::all_agree_in;
use crate::workloads::{HOST, Visitors, quick};

pub async fn a_good_candidate_is_promoted_and_a_later_bad_one_is_aborted_without_touching_a_deployment(
    ns: Namespace,
) -> Result {
    // Not the first step of the example: it would wait for its few visitors.
    let address =
        ns.example_with("two-services.yaml", |text| quick(&text.replace("{ weight: 5% }", "{ weight: 20% }"))).await?;
    becomes(&ns, "{.status.phase} {.status.weight}", "Progressing 20%").await?;
    let visitors = Visitors::of(HOST, address, &["/"]);
    wait(&ns, "Promoted").await?;
    becomes(&ns, "{.status.decisions[*].state.weight}", "20% 25% 50% 100%").await?;
    ensure!(visitors.seen("v1") > 0, "both served on the way");
    eventually("everybody is on v2", async || {
        let (v1, v2) = (visitors.seen("v1"), visitors.seen("v2"));
        eventually("some come", async || Ok(visitors.seen("v2") > v2 + 50)).await?;
        Ok(visitors.seen("v1") == v1)
    })
    .await?;

    // What was promoted goes into service for good, and the candidate's place is free for the next one.
    ns.kubectl("set image deployment/app-v1 app=weir/demo-app:v2").await?;
    ns.kubectl("rollout status deployment/app-v1 --timeout=180s").await?;
    eventually("the pods of v1 are gone", async || {
        let images = ns.kubectl("get pods -o jsonpath={.items[*].spec.containers[0].image}").await?;
        Ok(!images.contains("v1"))
    })
    .await?;
    // It stays at its first step until there are pods to judge.
    let next = r#"{"spec":{"revision":"v3","steps":[{"weight":"10%","atLeast":"1h"},{"weight":"50%"}]}}"#;
    ns.run("kubectl", &["patch", "canaryrelease", "app", "--type=merge", "-p", next], "").await?;
    becomes(&ns, "{.status.phase} {.status.weight} {.status.step}", "Progressing 10% 1/2").await?;
    visitors.were_all_answered()?;
    let v1 = visitors.seen("v1");
    // What fails is asked again of stable; by what does not fail visitors see who answered.
    let bad = r#"{"name":"app","image":"weir/demo-app:v3","env":[{"name":"WEIR_DEMO_APP_ERROR_RATE","value":"60%"}]}"#;
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{bad}]}}}}}}}}"#);
    ns.run("kubectl", &["patch", "deployment", "app-v2", "-p", &patch], "").await?;
    wait(&ns, "Aborted").await?;
    all_agree_in(&ns.sibling(SHARED)?, &ns, "app").await?;
    becomes(&ns, "{.status.weight} {.status.decisions[-1:].reason.kind}", "0% convicted").await?;
    let window = async || {
        let by_v3 = || Result::Ok(visitors.failed_by_nobody_but("v3")? + visitors.seen("v3"));
        let (before, v2) = (by_v3()?, visitors.seen("v2"));
        eventually("some come", async || Ok(visitors.seen("v2") > v2 + 50)).await?;
        Ok(by_v3()? == before)
    };
    eventually("the bad one is left alone", &window).await?;
    ensure!(window().await?, "it gets nothing more");
    ensure!(visitors.seen("v3") > 0, "it had visitors");
    ensure!(visitors.seen("v1") == v1, "v1 is not there any more");
    let managers = ns.kubectl("get deployments -o jsonpath={.items[*].metadata.managedFields[*].manager}").await?;
    let ours = managers.split(' ').any(|manager| manager == "weir");
    ensure!(managers.contains("kubectl") && !ours, "weir wrote to a Deployment: {managers}");
    Ok(())
}

async fn becomes(ns: &Namespace, path: &str, wanted: &str) -> Result {
    eventually(&format!("{path} is {wanted}"), async || {
        let now = ns.jsonpath("canaryrelease/app", path).await?;
        ensure!(now == wanted, "{path} is {now}");
        Ok(true)
    })
    .await
}

async fn wait(ns: &Namespace, condition: &str) -> Result {
    ns.kubectl(&format!("wait --for=condition={condition} canaryrelease/app --timeout=180s")).await.map(drop)
}
