//! `kubectl weir`: what people ask of a release, and who may ask it.

use anyhow::ensure;

use crate::harness::{Namespace, Result, eventually};
use crate::workloads::{App, steady};

pub async fn commands_and_explanations_fit_the_moment(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", steady).await?;
    let idle = app.refused("weir set-weight app 20%").await?;
    ensure!(idle.contains("app has no canary at present: the next change of its pods' template starts one"), "{idle}");
    let missing = app.refused("weir promote shop").await?;
    ensure!(missing.contains("shop"), "{missing}");
    app.start("v2").await?;
    app.ns.kubectl("weir set-weight app 50%").await?;
    // The journal has seen nothing of the canary yet; whoever asks sees what weir sees.
    eventually("explain shows requests of the canary", async || {
        let told = app.ns.kubectl("weir explain app").await?;
        let row = told.lines().find(|line| line.trim_start().starts_with("canary ")).unwrap_or_default().to_owned();
        let requests = row.split_whitespace().nth(2).and_then(|count| count.replace(',', "").parse::<u64>().ok());
        Ok(requests.is_some_and(|requests| requests > 50))
    })
    .await?;
    app.ns.kubectl("weir promote app").await?;
    app.is("v2").await?;
    let over = app.refused("weir set-weight app 20%").await?;
    ensure!(over.contains("app has no canary at present") && over.contains("promoted"), "{over}");
    app.visitors.were_all_answered()
}

pub async fn who_may_abort_may_not_promote_and_nobody_speaks_for_another(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", steady).await?;
    app.start("v2").await?;
    app.ns.apply(DUTY).await?;
    let duty = app.ns.seen_by("duty").await?;
    let refused = async |arguments: &str, input: &str| {
        let done = duty.try_run("kubectl", &arguments.split_whitespace().collect::<Vec<_>>(), input).await?;
        ensure!(!done.status.success(), "kubectl {arguments} was done");
        Result::Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    };
    for (command, verb) in [("promote app", "promote"), ("set-weight app 50%", "set-weight")] {
        let told = refused(&format!("weir {command}"), "").await?;
        ensure!(told.contains(&format!("may not {verb} the release app")), "{told}");
    }
    let told = refused("create -f -", FORGED).await?;
    ensure!(told.contains("spec.by must be system:serviceaccount:"), "{told}");
    let told = refused("annotate canaryrelease app by=duty", "").await?;
    ensure!(told.contains("cannot patch"), "who may abort need not be able to edit: {told}");
    ensure!(app.ns.jsonpath("canaryrelease/app", "{.status.phase}").await? == "Progressing", "nothing has changed");

    let said = duty.kubectl("weir abort app").await?;
    app.wait("Aborted").await?;
    let name = format!("system:serviceaccount:{}:duty", app.ns.name);
    let history = duty.kubectl("weir history app").await?;
    ensure!(history.contains(&name), "the journal tells who it was: {said}\n{history}");
    app.visitors.were_all_answered()
}

/// Somebody who may look and abort.
const DUTY: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: duty}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: duty}
rules:
  - {apiGroups: [weir.dev], resources: [canaryreleases], verbs: [get, list, watch, abort]}
  - {apiGroups: [weir.dev], resources: [canaryreleasecommands], verbs: [create, get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: duty}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: duty}
subjects: [{kind: ServiceAccount, name: duty}]
";

/// A command in the name of somebody else.
const FORGED: &str = "
apiVersion: weir.dev/v1alpha1
kind: CanaryReleaseCommand
metadata: {name: forged}
spec: {release: app, verb: abort, by: admin}
";
