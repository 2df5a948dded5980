//! What people do with their workloads, and what becomes of it with a release beside them: the examples of `deploy/examples`,
//! in a weir that was installed as people install it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::harness::{Namespace, Reply, Result, SHARED, eventually, get_with, get_within};
use crate::situations::every_replica_gives_v2;
use crate::weir::all_agree_in;

pub async fn an_undo_after_a_promotion_gives_the_known_revision_everything_at_once(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", steady).await?;
    app.promote("v2").await?;
    let decided = app.decisions().await?;
    app.ns.kubectl("rollout undo deployment/app").await?;
    app.is("v1").await?;
    app.promote("v3").await?;
    let history = app.ns.kubectl("rollout history deployment/app").await?;
    for revision in ["2", "3", "4"] {
        ensure!(history.lines().any(|line| line.starts_with(revision)), "revision {revision} is known:\n{history}");
    }
    // Long ago, and yet known to be good.
    app.ns.kubectl("rollout undo deployment/app --to-revision=2").await?;
    app.is("v2").await?;
    ensure!(app.decisions().await? == decided + 2, "v3 was started and promoted, and nothing else was decided");
    ensure!(app.phase().await? == "Promoted");
    app.visitors.were_all_answered()
}

pub async fn an_undo_to_revision_1_in_mid_canary_is_an_abort(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", steady).await?;
    app.start("v2").await?;
    app.ns.kubectl("rollout undo deployment/app --to-revision=1").await?;
    app.wait("Aborted").await?;
    app.is("v1").await?;
    app.visitors.were_all_answered()
}

pub async fn a_restart_is_a_release_of_its_own(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", quick).await?;
    let before = app.ns.jsonpath("canaryrelease/app", "{.status.revisions.stable}").await?;
    app.ns.kubectl("rollout restart deployment/app").await?;
    app.wait("Promoted").await?;
    app.ns.kubectl("rollout status deployment/app --timeout=180s").await?;
    app.becomes("{.status.revisions.stable}", |stable| !stable.is_empty() && stable != before).await?;
    app.visitors.were_all_answered()
}

pub async fn with_recreate_requests_wait_for_the_new_pods(ns: Namespace) -> Result {
    let app = App::open(ns, "recreate.yaml", |text| text.replace("queue-for: 30s", "queue-for: 60s")).await?;
    for version in ["v2", "v3"] {
        app.set_image(version).await?;
        app.is(version).await?;
    }
    app.visitors.were_all_answered()?;
    // Without any pod for longer than they wait they are told when to come again.
    app.ns.kubectl("annotate service/app weir.dev/queue-for=200ms --overwrite").await?;
    app.ns.kubectl("scale deployment/app --replicas=0").await?;
    eventually("it is told when to ask again", async || {
        let reply = get_with(app.address, 80, "/", &[("host", "shop.test")]).await?;
        Ok(reply.status == 503 && reply.headers.contains_key("retry-after"))
    })
    .await?;
    app.ns.kubectl("annotate service/app weir.dev/queue-for=soon --overwrite").await?;
    app.ns
        .kubectl("wait --for=create event --field-selector involvedObject.kind=Service --timeout=180s")
        .await
        .map(drop)
}

pub async fn a_release_of_a_recreated_deployment_says_why_there_is_no_canary(ns: Namespace) -> Result {
    let app = App::open(ns, "recreate.yaml", |text| {
        let release = "apiVersion: weir.dev/v1alpha1\nkind: CanaryRelease\nmetadata: { name: app }\nspec: { targetRef: { kind: Deployment, name: app } }\n";
        format!("{text}\n---\n{release}")
    })
    .await?;
    let why = "{.status.conditions[?(@.type=='Ready')].message}";
    app.becomes(why, |why| why.contains("strategy Recreate") && why.contains("use RollingUpdate")).await?;
    app.set_image("v2").await?;
    app.is("v2").await?;
    ensure!(app.decisions().await? == 0, "there was nothing to decide");
    app.visitors.were_all_answered()
}

pub async fn surge_and_min_ready_seconds_are_honoured(ns: Namespace) -> Result {
    let app =
        App::open(ns, "surge.yaml", |text| steady(&text.replace("minReadySeconds: 10", "minReadySeconds: 3"))).await?;
    app.start("v2").await?;
    app.ns.kubectl("weir promote app").await?;
    let seen = Cell::new((u64::MAX, 0));
    eventually("the native rollout is over", async || {
        let deployment = app.ns.read("apps/v1", "deployments/app").await?;
        let count = |field: &str| deployment["status"][field].as_u64().unwrap_or(0);
        // As many as there are to be: what is too many may go a moment after others come.
        let sets = app.ns.read("apps/v1", "replicasets?labelSelector=app%3Dapp").await?;
        let sets = sets["items"].as_array().into_iter().flatten();
        let wanted = sets.filter_map(|set| set["spec"]["replicas"].as_u64()).sum();
        let (least, most) = seen.get();
        seen.set((least.min(count("availableReplicas")), most.max(wanted)));
        Ok(count("updatedReplicas") == 6 && count("replicas") == 6 && count("availableReplicas") == 6)
    })
    .await?;
    let (least, most) = seen.get();
    ensure!(least >= 6, "maxUnavailable is 0, and {least} of 6 were available");
    ensure!((8..=9).contains(&most), "three more at a time: {most} of 6");
    let path = "{.spec.minReadySeconds} {.spec.strategy.rollingUpdate.maxSurge}";
    ensure!(app.ns.jsonpath("deployment/app", path).await? == "3 3");
    app.visitors.were_all_answered()
}

pub async fn users_stay_with_their_version_and_an_outage_of_the_database_is_not_blamed_on_the_canary(
    ns: Namespace,
) -> Result {
    let mut app = App::open(ns, "web-application.yaml", quick_but_patient).await?;
    app.start("v2").await?;
    app.ns.kubectl("weir set-weight app 50%").await?;
    app.becomes("{.status.weight}", |weight| weight == "50%").await?;
    every_replica_gives_v2(18..=22, &app.ns).await?;
    // Whoever comes meanwhile is a new user, too.
    app.visitors.were_all_answered()?;
    app.visitors.go();
    let users = users(app.address, 20).await?;
    app.visitors = Visitors::of(HOST, app.address, &["/"]);
    let on_canary = users.iter().filter(|user| user.version == "v2").count();
    // One more or less in each worker, of which there are four at most.
    ensure!((6..=14).contains(&on_canary), "{on_canary} of 20 new users are on the canary");
    stay(app.address, &users).await?;
    app.visitors.were_all_answered()?;
    let held = app.decisions().await?;
    app.ns.kubectl("weir resume app").await?;
    eventually("it has resumed", async || Ok(app.decisions().await? > held)).await?;
    let decided = app.decisions().await?;
    app.ns.kubectl("scale deployment/database --replicas=0").await?;
    let before = app.visitors.book.failed.get();
    eventually("visitors notice", async || Ok(app.visitors.book.failed.get() > before + 20)).await?;
    let weight = app.ns.jsonpath("canaryrelease/app", "{.status.weight}").await?;
    ensure!((app.phase().await?.as_str(), weight.as_str()) == ("Progressing", "50%"), "it waits");
    app.ns.kubectl("scale deployment/database --replicas=1").await?;
    let seen = || (app.visitors.seen("v1"), app.visitors.seen("v2"));
    let then = seen();
    eventually("all is well again", async || Ok(seen().0 > then.0 + 20 && seen().1 > then.1 + 20)).await?;
    ensure!(app.decisions().await? == decided, "nobody was blamed");
    stay(app.address, &users).await?;
    app.ns.kubectl("weir promote app").await?;
    app.wait("Promoted").await
}

/// Somebody with a cookie.
struct User {
    cookie: String,
    version: String,
}

/// New users.
async fn users(address: Ipv4Addr, count: usize) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for _ in 0..count {
        let reply = get_with(address, 80, "/version", &[("host", HOST)]).await?;
        let cookie = reply.headers.get("set-cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        ensure!(!cookie.is_empty(), "a new user gets a cookie: {reply:?}");
        users.push(User { cookie, version: reply.text.trim().to_owned() });
    }
    Ok(users)
}

/// Each of them finds the same version again.
async fn stay(address: Ipv4Addr, users: &[User]) -> Result {
    for user in users.iter().chain(users) {
        let reply = get_with(address, 80, "/version", &[("host", HOST), ("cookie", &user.cookie)]).await?;
        ensure!(reply.text.trim() == user.version, "{} went from {} to {}", user.cookie, user.version, reply.text);
    }
    Ok(())
}

pub async fn a_release_that_makes_no_sense_is_told_so_and_the_others_go_on(ns: Namespace) -> Result {
    let app = App::open(ns, "deployment.yaml", steady).await?;
    app.start("v2").await?;
    let nonsense = r#"{"spec":{"analysis":{"errorRate":{"tolerable":"2x + 10%","bad":"1.5x + 1%"}}}}"#;
    app.ns.run("kubectl", &["patch", "canaryrelease", "app", "--type=merge", "-p", nonsense], "").await?;
    let ready = |field: &str| format!("{{.status.conditions[?(@.type=='Ready')].{field}}}");
    app.becomes(&ready("status"), |status| status == "False").await?;
    app.becomes(&ready("message"), |said| said.contains("not carried out") && said.contains("errorRate")).await?;
    eventually("there is an event", async || {
        let events = app.ns.kubectl("get events --field-selector involvedObject.kind=CanaryRelease").await?;
        Ok(events.contains("not carried out"))
    })
    .await?;
    let told = app.refused("weir promote app").await?;
    ensure!(told.contains("not carried out"), "{told}");
    // Unjudged, it gets nothing.
    eventually("the canary is left alone", async || {
        let before = app.visitors.seen("v2");
        sleep(Duration::from_secs(1)).await;
        Ok(app.visitors.seen("v2") == before)
    })
    .await?;
    let sense = r#"{"spec":{"analysis":{"errorRate":{"tolerable":"1.25x + 5%","bad":"1.5x + 30%"}}}}"#;
    app.ns.run("kubectl", &["patch", "canaryrelease", "app", "--type=merge", "-p", sense], "").await?;
    app.becomes(&ready("status"), |status| status == "True").await?;
    // It goes on where it was.
    app.ns.kubectl("weir promote app").await?;
    app.wait("Promoted").await?;
    app.is("v2").await?;
    app.visitors.were_all_answered()
}

pub async fn a_master_and_its_workers_move_promote_and_abort_together(ns: Namespace) -> Result {
    let edit = |text: &str| steady(&text.replace("name: jobs", "name: app"));
    let address = ns.example_with("workloads.yaml", edit).await?;
    let visitors = Visitors::of(HOST, address, &["/", "/work"]);
    let jobs = ["master", "worker"];
    let both = async |path: &str, wanted: &str| {
        for one in jobs {
            eventually(&format!("{path} of {one} is {wanted}"), async || {
                Ok(ns.jsonpath(&format!("canaryrelease/{one}"), path).await? == wanted)
            })
            .await?;
        }
        Result::Ok(())
    };
    let start = async |version: &str| {
        for one in jobs {
            ns.kubectl(&format!("set image deployment/{one} app=weir/demo-app:{version}")).await?;
        }
        // With the one of both: with the first canary a rollout begins that has the other's old revision.
        eventually("the rollout of both canaries is under way", async || {
            let mut begun = String::new();
            for one in jobs {
                let status = ns.read("weir.dev/v1alpha1", &format!("canaryreleases/{one}")).await?["status"].take();
                let known = &status["revisions"];
                let since: jiff::Timestamp = known["since"].as_str().unwrap_or_default().parse()?;
                begun = format!("{begun}+{}", since.as_millisecond());
                ensure!(known["canary"].is_string() && status["phase"] == "Progressing", "{one}: {status:#}");
            }
            let path = "{.status.decisions[-1:].state.rollout}";
            let rollout = ns.jsonpath(&format!("canaryrelease/{}", jobs[0]), path).await?;
            ensure!(rollout.ends_with(&begun.replacen('+', "#", 1)), "{rollout} is not of {begun}");
            Ok(true)
        })
        .await
    };
    for one in jobs {
        eventually("what runs is stable", async || {
            Ok(!ns.jsonpath(&format!("canaryrelease/{one}"), "{.status.revisions.stable}").await?.is_empty())
        })
        .await?;
    }
    start("v2").await?;
    // By either name.
    ns.kubectl("weir set-weight worker 40%").await?;
    both("{.status.weight}", "40%").await?;
    for one in jobs {
        eventually(&format!("{one} shows its own revisions"), async || {
            let status = ns.read("weir.dev/v1alpha1", &format!("canaryreleases/{one}")).await?["status"].take();
            let (known, sides) = (&status["revisions"], [&status["stable"]["version"], &status["canary"]["version"]]);
            ensure!(
                known["canary"].is_string() && sides == [&known["stable"], &known["canary"]],
                "{sides:?} {known:#}"
            );
            Ok(true)
        })
        .await?;
        let history = ns.kubectl(&format!("weir history {one}")).await?;
        ensure!(history.contains("set from") && history.contains("to 40%"), "{one}: {history}");
    }
    ns.kubectl("weir promote master").await?;
    both("{.status.phase}", "Promoted").await?;
    for one in jobs {
        ns.kubectl(&format!("rollout status deployment/{one} --timeout=180s")).await?;
    }
    start("v3").await?;
    ns.kubectl("weir abort worker").await?;
    both("{.status.phase}", "Aborted").await?;
    let path = r#"jsonpath={range .items[*]}{.involvedObject.name} {.reason}{"\n"}{end}"#;
    let arguments = ["get", "events", "--field-selector", "involvedObject.kind=CanaryRelease", "-o", path];
    eventually("events tell it of both", async || {
        let told = ns.run("kubectl", &arguments, "").await?;
        let all = jobs
            .iter()
            .flat_map(|one| ["Started", "PromoteCommand", "AbortCommand"].map(|what| format!("{one} {what}")));
        let missing: Vec<_> = all.filter(|wanted| !told.lines().any(|line| line == wanted)).collect();
        ensure!(missing.is_empty(), "{missing:?} of\n{told}");
        Ok(true)
    })
    .await?;
    // The other replica hears of it a moment later.
    all_agree_in(&ns.sibling(SHARED)?, &ns, "master").await?;
    let before = visitors.seen("v3");
    let then = visitors.seen("v2");
    eventually("only v2 answers", async || Ok(visitors.seen("v2") > then + 50)).await?;
    // What was on its way when it was cut.
    ensure!(visitors.seen("v3") <= before + u32::try_from(VISITORS)?, "nobody comes to an aborted canary");
    visitors.were_all_answered()
}

pub async fn scaling_under_load_loses_nothing(ns: Namespace) -> Result {
    let app = App::open(ns, "rolling-update.yaml", graceful).await?;
    for replicas in [6, 1, 3] {
        app.ns.kubectl(&format!("scale deployment/app --replicas={replicas}")).await?;
        eventually("it is scaled", async || Ok(app.pods().await? == replicas)).await?;
        app.ns.kubectl("rollout status deployment/app --timeout=180s").await?;
    }
    app.visitors.were_all_answered()
}

pub async fn the_same_names_in_two_namespaces_are_independent(ns: Namespace) -> Result {
    crate::situations::install(&ns).await?;
    let (blue, green) = (format!("{}-blue", ns.name), format!("{}-green", ns.name));
    let text = crate::situations::example_text("namespaces.yaml");
    let text = text.replace(": blue", &format!(": {blue}")).replace(": green", &format!(": {green}"));
    ns.run("kubectl", &["apply", "-f", "-"], &steady(&text)).await?;
    let played = two_namespaces(ns.sibling(&blue)?, ns.sibling(&green)?).await;
    ns.kubectl(&format!("delete namespace {blue} {green} --wait=false")).await?;
    played
}

async fn two_namespaces(blue: Namespace, green: Namespace) -> Result {
    let (blue, green) = (App::found(blue).await?, App::found(green).await?);
    blue.start("v2").await?;
    ensure!(green.phase().await? == "Idle", "nothing happens in the other namespace");
    blue.ns.kubectl("weir promote app").await?;
    blue.is("v2").await?;
    green.start("v3").await?;
    green.ns.kubectl("weir abort app").await?;
    green.wait("Aborted").await?;
    ensure!(blue.phase().await? == "Promoted");
    ensure!(green.visitors.seen("v2") == 0 && blue.visitors.seen("v3") == 0, "no visitor crosses");
    ensure!(blue.visitors.seen("v2") > 0);
    blue.visitors.were_all_answered()?;
    green.visitors.were_all_answered()
}

pub async fn a_canary_in_a_crash_loop_gets_nothing_and_is_aborted_at_its_deadline(ns: Namespace) -> Result {
    // It waits longer each time: then it says so most of the time.
    never_starts(ns, r#"{"name":"app","image":"weir/demo-app:crash"}"#, "CrashLoopBackOff", 4).await
}

pub async fn a_canary_that_is_never_ready_gets_nothing_and_is_aborted_at_its_deadline(ns: Namespace) -> Result {
    let probe = r#"{"httpGet":{"path":"/healthz","port":9},"periodSeconds":1}"#;
    let container = format!(r#"{{"name":"app","image":"weir/demo-app:v2","readinessProbe":{probe}}}"#);
    never_starts(ns, &container, "is not ready", 0).await
}

/// Deploys `container`, which the release says `why` about once it has been started again so often.
async fn never_starts(ns: Namespace, container: &str, why: &str, restarts: u64) -> Result {
    let with_deadline = |text: &str| quick(text).replace("  analysis:", "  startDeadline: 1h\n  analysis:");
    let app = App::open(ns, "deployment.yaml", with_deadline).await?;
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{container}]}}}}}}}}"#);
    app.ns.run("kubectl", &["patch", "deployment", "app", "-p", &patch], "").await?;
    let canary = async || {
        let pods = app.ns.read("v1", "pods?labelSelector=app%3Dapp").await?["items"].take();
        let has_restarted =
            |pod: &serde_json::Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(restarts);
        Ok(pods.as_array().into_iter().flatten().any(has_restarted))
    };
    eventually("it has been started often enough", canary).await?;
    app.becomes("{.status.conditions[?(@.type=='Ready')].message}", |said| said.contains(why)).await?;
    ensure!(app.phase().await? != "Aborted", "there is time until the deadline");
    let deadline = r#"{"spec":{"startDeadline":"1s"}}"#;
    app.ns.run("kubectl", &["patch", "canaryrelease", "app", "--type=merge", "-p", deadline], "").await?;
    app.wait("Aborted").await?;
    app.becomes("{.status.decisions[-1:].reason.kind}", |reason| reason == "cannotStart").await?;
    app.becomes("{.status.decisions[-1:].message}", |said| said.contains(why)).await?;
    ensure!(app.visitors.seen("v2") + app.visitors.seen("crash") == 0, "the canary got requests");
    let stable = app.ns.kubectl("get pods -o jsonpath={.items[*].spec.containers[0].image}").await?;
    ensure!(stable.split(' ').filter(|image| image.ends_with(":v1")).count() == 3, "stable is untouched: {stable}");
    app.visitors.were_all_answered()
}

pub async fn a_release_is_attached_to_the_services_of_an_ingress(ns: Namespace) -> Result {
    crate::situations::install(&ns).await?;
    let host = format!("{}.test", ns.name);
    let text = crate::situations::example_text("ingress-release.yaml");
    ns.apply(&steady(&text.replace("- host: app.example.com", &format!("- host: {host}")))).await?;
    let address = ns.address("networking.k8s.io/v1", "ingresses/app", "/status/loadBalancer/ingress/0/ip").await?;
    let app = App::at(ns, address, &host).await?;
    app.promote("v2").await?;
    app.start("v3").await?;
    eventually("v3 gets its share", async || Ok(app.visitors.seen("v3") > 0)).await?;
    app.ns.kubectl("weir abort app").await?;
    app.wait("Aborted").await?;
    app.visitors.were_all_answered()
}

/// The workload `app` of an example, and people who visit it.
pub struct App {
    pub ns: Namespace,
    address: Ipv4Addr,
    pub visitors: Visitors,
}

impl App {
    pub async fn open(ns: Namespace, file: &str, edit: impl Fn(&str) -> String) -> Result<Self> {
        let address = ns.example_with(file, edit).await?;
        Self::at(ns, address, HOST).await
    }

    /// The one that is in `ns` already.
    async fn found(ns: Namespace) -> Result<Self> {
        let address = ns.address("gateway.networking.k8s.io/v1", "gateways/app", "/status/addresses/0/value").await?;
        Self::at(ns, address, HOST).await
    }

    async fn at(ns: Namespace, address: Ipv4Addr, host: &str) -> Result<Self> {
        let v1 = async || Ok(get_with(address, 80, "/version", &[("host", host)]).await?.text == "v1\n");
        eventually("v1 answers", v1).await?;
        ns.kubectl("rollout status deployment/app --timeout=180s").await?;
        let app = Self { ns, address, visitors: Visitors::of(host, address, &["/"]) };
        if app.ns.kubectl("get canaryreleases -o name").await?.contains("app") && !app.is_recreate().await? {
            app.becomes("{.status.revisions.stable}", |stable| !stable.is_empty()).await?;
        }
        Ok(app)
    }

    async fn is_recreate(&self) -> Result<bool> {
        Ok(self.ns.jsonpath("deployment/app", "{.spec.strategy.type}").await? == "Recreate")
    }

    async fn set_image(&self, version: &str) -> Result {
        self.ns.kubectl(&format!("set image deployment/app app=weir/demo-app:{version}")).await.map(drop)
    }

    /// A canary of `version`, that serves.
    pub async fn start(&self, version: &str) -> Result {
        self.set_image(version).await?;
        self.wait("Progressing").await
    }

    /// A canary of `version` that somebody promotes, until the native rollout is over.
    async fn promote(&self, version: &str) -> Result {
        self.start(version).await?;
        self.ns.kubectl("weir promote app").await?;
        self.wait("Promoted").await?;
        self.is(version).await
    }

    /// Nothing but `version` is there, and it answers.
    pub async fn is(&self, version: &str) -> Result {
        self.ns.kubectl("rollout status deployment/app --timeout=180s").await?;
        let wanted = format!("weir/demo-app:{version}");
        eventually(&format!("all pods are {version}"), async || {
            let pods = self.ns.kubectl("get pods -l app=app -o jsonpath={.items[*].spec.containers[0].image}").await?;
            Ok(pods.split(' ').all(|image| image == wanted))
        })
        .await?;
        let before = self.visitors.seen(version);
        eventually(&format!("{version} answers"), async || Ok(self.visitors.seen(version) > before)).await
    }

    /// What `kubectl` says when it refuses.
    pub async fn refused(&self, arguments: &str) -> Result<String> {
        let output = self.ns.try_run("kubectl", &arguments.split_whitespace().collect::<Vec<_>>(), "").await?;
        ensure!(!output.status.success(), "kubectl {arguments} was done");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub async fn becomes(&self, path: &str, good: impl Fn(&str) -> bool) -> Result {
        let what = format!("{path} of the release is as wanted");
        eventually(&what, async || Ok(good(&self.ns.jsonpath("canaryrelease/app", path).await?))).await
    }

    pub async fn wait(&self, condition: &str) -> Result {
        self.ns.kubectl(&format!("wait --for=condition={condition} canaryrelease/app --timeout=180s")).await.map(drop)
    }

    async fn phase(&self) -> Result<String> {
        self.ns.jsonpath("canaryrelease/app", "{.status.phase}").await
    }

    async fn decisions(&self) -> Result<usize> {
        let times = self.ns.jsonpath("canaryrelease/app", "{.status.decisions[*].time}").await?;
        Ok(times.split_whitespace().count())
    }

    /// Pods that are there and stay.
    async fn pods(&self) -> Result<usize> {
        let pods = self.ns.read("v1", "pods?labelSelector=app%3Dapp").await?;
        let all = pods["items"].as_array().into_iter().flatten();
        Ok(all.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).count())
    }
}

/// People who visit all the time, until they are dropped.
pub struct Visitors {
    book: Rc<Book>,
    tasks: Vec<AbortHandle>,
}

/// What they saw.
#[derive(Default)]
struct Book {
    versions: RefCell<BTreeMap<String, u32>>,
    failed: Cell<u32>,
    /// Who gave the bad answers.
    culprits: RefCell<BTreeMap<String, u32>>,
    /// What went wrong first.
    trouble: RefCell<String>,
}

impl Book {
    fn note(&self, reply: Result<Reply>) {
        let version = |reply: &Reply| reply.headers.get("x-version")?.to_str().ok().map(str::to_owned);
        match &reply {
            Ok(good) if good.status == 200 => {
                *self.versions.borrow_mut().entry(version(good).unwrap_or_default()).or_default() += 1;
            }
            trouble => {
                if let Some(culprit) = trouble.as_ref().ok().and_then(version) {
                    *self.culprits.borrow_mut().entry(culprit).or_default() += 1;
                }
                if self.failed.replace(self.failed.get() + 1) == 0 {
                    *self.trouble.borrow_mut() = format!("{} {trouble:?}", jiff::Timestamp::now());
                }
            }
        }
    }
}

impl Visitors {
    pub fn of(host: &str, address: Ipv4Addr, paths: &'static [&'static str]) -> Self {
        let book = Rc::<Book>::default();
        let tasks = (0..VISITORS).map(|number| {
            let (book, host, path) = (book.clone(), host.to_owned(), paths[number % paths.len()]);
            let visit = async move {
                loop {
                    book.note(get_patiently(address, path, &host).await);
                    sleep(BETWEEN_VISITS).await;
                }
            };
            tokio::task::spawn_local(visit).abort_handle()
        });
        Self { tasks: tasks.collect(), book }
    }

    /// Fails when a visit failed by anybody but `culprit`; how many failed by it.
    pub fn failed_by_nobody_but(&self, culprit: &str) -> Result<u32> {
        let own = self.book.culprits.borrow().get(culprit).copied().unwrap_or_default();
        let all = self.book.failed.get();
        let (culprits, first) = (self.book.culprits.borrow(), self.book.trouble.borrow());
        ensure!(own == all, "{all} visits failed, of which answers of {culprits:?}, the first by {first}");
        Ok(own)
    }

    /// Sends them away, whatever they wait for.
    fn go(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }

    /// How often `version` answered.
    pub fn seen(&self, version: &str) -> u32 {
        self.book.versions.borrow().get(version).copied().unwrap_or_default()
    }

    pub fn were_all_answered(&self) -> Result {
        let failed = self.book.failed.get();
        ensure!(failed == 0, "{failed} visits failed, the first by {}", self.book.trouble.borrow());
        ensure!(!self.book.versions.borrow().is_empty(), "nobody came");
        Ok(())
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.go();
    }
}

async fn get_patiently(address: Ipv4Addr, path: &str, host: &str) -> Result<Reply> {
    get_within(Duration::from_secs(60), (address, 80), path, &[("host", host)]).await
}

/// The release of an example that decides soon.
pub fn quick(text: &str) -> String {
    edited(text, "2s")
}

/// The same, but that it goes no further than 50%.
fn quick_but_patient(text: &str) -> String {
    let steps = "  steps: [{ weight: 5%, atLeast: 1h }, { weight: 50%, atLeast: 1h }]\n";
    quick(text).replace("  affinity:", &format!("{steps}  affinity:"))
}

/// The release of an example that decides nothing by itself while a trial lasts.
pub fn steady(text: &str) -> String {
    edited(text, "1h")
}

fn edited(text: &str, minimum: &str) -> String {
    let policy = POLICY.replace("MINIMUM", minimum);
    let text = graceful(text).replace("    - { weight: 5% }\n    - { weight: 25% }\n", "");
    let lines = text.lines().map(|line| {
        let is_target = ["targetRef:", "canary: { service:"].iter().any(|field| line.trim_start().starts_with(field));
        if is_target { format!("{line}{policy}") } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Pods that are available soon, and bear a busy machine: a probe may take its time, and so may the news that a pod has left
/// its Service.
fn graceful(text: &str) -> String {
    let probe = "            periodSeconds: 1\n";
    let patient = "            timeoutSeconds: 10\n          lifecycle: { preStop: { sleep: { seconds: 3 } } }\n";
    text.replace("minReadySeconds: 5", "minReadySeconds: 1").replace(probe, &format!("{probe}{patient}"))
}

/// Lines wide enough for a machine that is busy with other trials.
const POLICY: &str = "
  analysis:
    minimumTime: MINIMUM
    warmUp: 1s
    errorRate: { tolerable: 1.25x + 5%, bad: 1.5x + 30% }
    routeErrorRate: { tolerable: 1.25x + 5%, bad: 1.5x + 40% }
    latency: { enabled: false }";

pub const HOST: &str = "shop.test";

/// How many visit at a time.
const VISITORS: usize = 6;

const BETWEEN_VISITS: Duration = Duration::from_millis(50);
