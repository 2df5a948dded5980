//! `kubectl weir`: what people ask of a release, and who may ask it.

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::time::timeout;

use crate::harness::{Namespace, PATIENCE, Result, eventually};
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
    eventually("the API server knows the role", async || Ok(duty.kubectl("get canaryrelease app").await.is_ok()))
        .await?;
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

pub async fn a_watched_status_shows_each_change_until_it_is_ended(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", in_steps).await?;
    app.start("v2").await?;
    let mut watch = app.ns.command("kubectl").args(["weir", "status", "-w"]).spawn()?;
    let mut shown = BufReader::new(watch.stdout.take().context("it was piped")?).lines();
    shows(&mut shown, "app: Progressing, canary at 10%, step 1/3").await?;
    for weight in ["30%", "40%"] {
        app.ns.kubectl(&format!("weir set-weight app {weight}")).await?;
        shows(&mut shown, &format!("app: Paused, canary at {weight}")).await?;
    }
    app.ns.kubectl("weir abort app").await?;
    shows(&mut shown, "app: Aborted, canary at 0%").await?;
    ensure!(watch.try_wait()?.is_none(), "it goes on after the end of a rollout");
    watch.kill().await?;
    let lines = async |object: &str, path: &str| {
        let told = app.ns.jsonpath(object, &format!("{{range {path}}}{{.message}}{{\"\\n\"}}{{end}}")).await?;
        Result::Ok(told.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let decisions = lines("canaryrelease/app", ".status.decisions[*]").await?;
    ensure!(decisions.len() == 4, "started, twice another weight, aborted: {decisions:#?}");
    eventually("each decision is an event with its own sentence", async || {
        let events = lines("events", ".items[*]").await?;
        let missing: Vec<_> = decisions.iter().filter(|one| !events.contains(one)).collect();
        ensure!(missing.is_empty(), "{missing:#?} of {events:#?}");
        Ok(true)
    })
    .await?;
    app.visitors.were_all_answered()
}

pub async fn a_wait_ends_with_what_is_decided_about_the_image_that_was_set_last(ns: Namespace) -> Result {
    let start = "  startDeadline: 20s\n  analysis:\n";
    let app = App::open(ns, "deployment.yaml", |text| steady(text).replace("  analysis:\n", start)).await?;
    let (code, told) = waited(&app, "").await?;
    ensure!(code == Some(0) && told.contains("no other one is wanted"), "nothing is in question: {code:?} {told}");
    let set_image =
        async |version: &str| app.ns.kubectl(&format!("set image deployment/app app=weir/demo-app:{version}")).await;
    set_image("v2").await?;
    let mut wait = app.ns.command("kubectl").args(["weir", "wait", "app"]).spawn()?;
    let mut shown = BufReader::new(wait.stderr.take().context("it was piped")?).lines();
    shows(&mut shown, "app: Progressing, canary at 50%").await?;
    app.ns.kubectl("weir promote app").await?;
    let done = timeout(PATIENCE, wait.wait_with_output()).await??;
    let told = String::from_utf8_lossy(&done.stdout);
    ensure!(done.status.code() == Some(0) && told.contains("promoted"), "{:?} {told}", done.status);
    let stands = app.ns.jsonpath("canaryrelease/app", "{.status.decisions[-1:].state.phase}").await?;
    ensure!(stands == "promoted", "{stands}");

    // While the Deployment is paused nobody can have seen what is wanted.
    app.ns.kubectl("rollout pause deployment/app").await?;
    set_image("does-not-exist").await?;
    let (code, told) = waited(&app, "--timeout 0s").await?;
    ensure!(code == Some(3) && told.starts_with("app: "), "it is not decided yet: {code:?} {told}");
    app.ns.kubectl("rollout resume deployment/app").await?;
    let (code, told) = waited(&app, "").await?;
    ensure!(code == Some(1) && told.contains("does not start"), "{code:?} {told}");
    app.ns.kubectl("rollout undo deployment/app").await?;
    app.is("v2").await?;
    let (code, told) = waited(&app, "").await?;
    ensure!(code == Some(0), "nothing else is wanted any more: {code:?} {told}");
    app.visitors.were_all_answered()
}

/// How `kubectl weir wait` ends, and its answer.
async fn waited(app: &App, options: &str) -> Result<(Option<i32>, String)> {
    let arguments = ["weir", "wait", "app"].into_iter().chain(options.split_whitespace()).collect::<Vec<_>>();
    let done = app.ns.try_run("kubectl", &arguments, "").await?;
    Ok((done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned()))
}

/// Reads what is printed as far as a line that begins like this.
async fn shows(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>, wanted: &str) -> Result {
    let read = async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with(wanted) {
                return Result::Ok(());
            }
        }
        anyhow::bail!("it ended before it showed {wanted}")
    };
    timeout(PATIENCE, read).await.with_context(|| format!("it never showed {wanted}"))?
}

pub async fn an_aborted_canary_that_is_retried_begins_again_at_its_first_step(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", in_steps).await?;
    app.start("v2").await?;
    app.ns.kubectl("weir set-weight app 40%").await?;
    let open = app.refused("weir retry app").await?;
    ensure!(open.contains("it is not aborted"), "{open}");
    app.ns.kubectl("weir abort app").await?;
    app.wait("Aborted").await?;
    ensure!(row(&app).await?[..3] == ["app", "Aborted", "0%"], "an aborted canary has no share");
    app.ns.kubectl("weir retry app").await?;
    app.wait("Progressing").await?;
    eventually("it is at its first step", async || Ok(row(&app).await?[..4] == ["app", "Progressing", "10%", "1/3"]))
        .await?;
    let before = app.visitors.seen("v2");
    eventually("it has visitors again", async || Ok(app.visitors.seen("v2") > before + 5)).await?;
    app.ns.kubectl("weir promote app").await?;
    app.is("v2").await?;
    let over = app.refused("weir retry app").await?;
    ensure!(over.contains("promoted"), "{over}");
    app.ns
        .tells(&[
            "Normal Started",
            "Normal SetWeightCommand",
            "Warning AbortCommand",
            "Normal RetryCommand",
            "Normal PromoteCommand",
        ])
        .await?;
    app.visitors.were_all_answered()
}

/// What `kubectl get` shows of the release, column by column.
async fn row(app: &App) -> Result<Vec<String>> {
    let table = app.ns.kubectl("get canaryreleases").await?;
    let mut lines = table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().context("it has a header")?;
    ensure!(header == ["NAME", "STATE", "WEIGHT", "STEP", "ETA", "AGE"], "{table}");
    let row = lines.next().context("it has a row")?;
    ensure!(row.len() >= 4, "{table}");
    Ok(row)
}

/// A release of three steps that does not leave the first one by itself while a trial lasts.
fn in_steps(text: &str) -> String {
    steady(&text.replace("{ weight: 5% }", "{ weight: 10%, atLeast: 1h }"))
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
