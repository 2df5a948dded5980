//! The pods of a canary: as many as its share needs, whoever applies what in the meantime.

use anyhow::ensure;

use crate::harness::{Namespace, Result, eventually};
use crate::situations::example_text;
use crate::workloads::{App, steady};

pub async fn a_canary_has_as_many_pods_as_its_share_needs_and_no_more(ns: Namespace) -> Result {
    // Six pods, of which the native rolling update would begin with three new ones.
    let app = App::open(ns, "surge.yaml", steady).await?;
    app.start("v2").await?;
    for (share, pods) in [("1%", 1), ("50%", 3), ("20%", 2), ("5%", 1), ("50%", 3)] {
        app.ns.kubectl(&format!("weir set-weight app {share}")).await?;
        has(&app, 6, pods).await?;
    }
    app.ns.kubectl("weir abort app").await?;
    has(&app, 6, 1).await?;
    ensure!(app.ns.jsonpath("deployment/app", "{.spec.strategy.rollingUpdate.maxSurge}").await? == "1");
    app.visitors.were_all_answered()?;
    app.ns.kubectl("weir retry app").await?;
    app.wait("Progressing").await?;
    app.ns.kubectl("weir promote app").await?;
    app.is("v2").await?;
    ensure!(app.ns.jsonpath("deployment/app", "{.spec.strategy.rollingUpdate.maxSurge}").await? == "3");
    app.visitors.were_all_answered()
}

/// As GitOps does it: every few minutes what is in the repository, which knows nothing of the hold.
pub async fn what_is_applied_again_in_mid_canary_changes_nothing_unless_it_pins_the_held_fields(
    ns: Namespace,
) -> Result {
    let text = steady(&example_text("deployment.yaml"));
    let unpinned = |text: &str| text.replace("  minReadySeconds: 1\n", "");
    let app = App::open(ns, "deployment.yaml", |text| unpinned(&steady(text))).await?;
    let deployment = text.split("---\n").next().unwrap_or_default().replace("demo-app:v1", "demo-app:v2");
    let (deployment, unpinned) = (deployment.as_str(), unpinned(&deployment));
    ensure!(deployment != unpinned, "the example pins it");
    app.ns.apply(&unpinned).await?;
    app.wait("Progressing").await?;
    has(&app, 3, 2).await?;
    for how in [&["apply", "-f", "-"][..], &["apply", "--server-side", "--force-conflicts", "-f", "-"]] {
        app.ns.run("kubectl", how, &unpinned).await?;
        held(&app).await?;
    }
    has(&app, 3, 2).await?;
    app.visitors.were_all_answered()?;

    // It is somebody's wish, and not fought over; but said, and so is what comes of it.
    app.ns.run("kubectl", &["apply", "--server-side", "--force-conflicts", "-f", "-"], deployment).await?;
    app.becomes(READY, |why| why == "StableNotReady").await?;
    let told = app.ns.kubectl("weir status app").await?;
    ensure!(told.contains("has no endpoint, so") && told.contains("gets every request"), "{told}");
    app.ns.kubectl("weir abort app").await?;
    app.becomes("{.status.message}", |message| message.contains("but") && message.contains("gets every request"))
        .await?;
    app.visitors.were_all_answered()
}

/// Waits for so many ready pods of stable and of the canary, which the ReplicaSets want, too.
async fn has(app: &App, stable: usize, canary: usize) -> Result {
    let path =
        "{range .items[*]}{.spec.template.spec.containers[0].image} {.spec.replicas} {.status.readyReplicas}\n{end}";
    let arguments = ["get", "replicasets", "-l", "app=app", "-o", &format!("jsonpath={path}")];
    let wanted =
        [("v1", stable), ("v2", canary)].map(|(version, pods)| format!("weir/demo-app:{version} {pods} {pods}"));
    eventually(&format!("there are {stable} pods of stable and {canary} of the canary"), async || {
        let sets = app.ns.run("kubectl", &arguments, "").await?;
        ensure!(wanted.iter().all(|wanted| sets.lines().any(|set| set == wanted)), "{sets}");
        Ok(true)
    })
    .await
}

/// The fields are held, and after the controllers have seen it, too.
async fn held(app: &App) -> Result {
    eventually("the fields are held and the controller goes by them", async || {
        let deployment = app.ns.read("apps/v1", "deployments/app").await?;
        let (spec, generation) = (&deployment["spec"], &deployment["metadata"]["generation"]);
        let fields = (spec["minReadySeconds"].as_i64(), spec["progressDeadlineSeconds"].as_i64());
        Ok(fields == (Some(2_147_483_646), Some(2_147_483_647))
            && deployment["status"]["observedGeneration"] == *generation)
    })
    .await
}

/// The reason of the condition `Ready`.
const READY: &str = "{.status.conditions[?(@.type=='Ready')].reason}";
