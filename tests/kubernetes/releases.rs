//! Native Deployments are released by what weir sees of their new revisions.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::harness::{Namespace, Reply, Result, demo_app, eventually, get};
use crate::manifests::{gateway, route, weighed};
use crate::situations::versions;
use crate::weir;

/// A workload `shop` of four pods behind a Gateway of a weir of its own, and people who visit it.
pub struct Shop {
    pub ns: Namespace,
    pub visitors: Visitors,
}

/// People who visit all the time.
pub struct Visitors {
    pub seen: Rc<Seen>,
    tasks: Vec<AbortHandle>,
}

#[derive(Default)]
pub struct Seen {
    pub v1: Cell<u32>,
    pub v2: Cell<u32>,
    pub failed: Cell<u32>,
    /// Of those that failed: there was an answer.
    pub turned_away: Cell<u32>,
    /// What went wrong first.
    pub trouble: RefCell<String>,
}

impl Seen {
    /// How many visits failed; an error when one of them got an answer: nothing but its connection may have been lost.
    pub fn only_by_lost_connections(&self) -> Result<u32> {
        let (failed, turned_away) = (self.failed.get(), self.turned_away.get());
        ensure!(turned_away == 0, "{turned_away} of {failed} were turned away, the first by {}", self.trouble.borrow());
        Ok(failed)
    }

    /// Notes one visit.
    fn visited(&self, reply: Result<Reply>) {
        let version = |reply: &Reply| reply.headers.get("x-version").map(|version| version.as_bytes().to_owned());
        let count = match &reply {
            Ok(reply) if reply.status == 200 && version(reply).is_some_and(|version| version == b"v1") => &self.v1,
            Ok(reply) if reply.status == 200 => &self.v2,
            trouble => {
                let first_of_its_kind = if trouble.is_ok() { &self.turned_away } else { &self.failed }.get() == 0;
                if first_of_its_kind {
                    *self.trouble.borrow_mut() = format!("{trouble:?}");
                }
                self.turned_away.set(self.turned_away.get() + u32::from(trouble.is_ok()));
                &self.failed
            }
        };
        count.set(count.get() + 1);
    }
}

impl Visitors {
    pub fn come(address: Ipv4Addr) -> Self {
        let seen = Rc::<Seen>::default();
        let tasks = (0..VISITORS).map(|_| {
            let seen = seen.clone();
            let visit = async move {
                loop {
                    seen.visited(get(address, 80, "/").await);
                    sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::task::spawn_local(visit).abort_handle()
        });
        Self { seen: seen.clone(), tasks: tasks.collect() }
    }

    /// Sends them away, whatever they wait for.
    pub fn go(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.go();
    }
}

impl Shop {
    pub async fn open(ns: Namespace, more: &str) -> Result<Self> {
        Self::with(ns, &format!("{}  {more}\n", weighed("shop"))).await
    }

    /// A release that is in the middle for as long as a trial takes.
    pub async fn held(ns: Namespace) -> Result<Self> {
        Self::with(ns, &weighed("shop").replace("minimumTime: 3s", "minimumTime: 1h")).await
    }

    pub async fn with(ns: Namespace, release: &str) -> Result<Self> {
        let crds = ns.run("weir", &["crds"], "").await?;
        ns.run("kubectl", &["apply", "--server-side", "-f", "-"], &crds).await?;
        ns.apply(&demo_app("shop", "v1", 4).replace("replicas: 4", "replicas: 4\n  minReadySeconds: 3")).await?;
        ns.apply(&gateway(&ns)).await?;
        // Whatever the host.
        ns.apply(&route("shop").replace("  hostnames: [shop.test]\n", "")).await?;
        ns.apply(release).await?;
        weir::install(&ns, 2).await?;
        ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
        let address = ns.address("gateway.networking.k8s.io/v1", "gateways/shop", "/status/addresses/0/value").await?;
        eventually("v1 answers", async || Ok(get(address, 80, "/version").await?.text == "v1\n")).await?;
        let shop = Self { ns, visitors: Visitors::come(address) };
        shop.becomes("{.status.revisions.stable}", |stable| !stable.is_empty()).await?;
        Ok(shop)
    }

    /// Deploys `v2` with these variables, as somebody does who applies another template.
    pub async fn deploy(&self, variables: &str) -> Result {
        let image = r#"{"name":"app","image":"weir/demo-app:v2","env":[VARIABLES]}"#.replace("VARIABLES", variables);
        let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{image}]}}}}}}}}"#);
        self.ns.run("kubectl", &["patch", "deployment", "shop", "-p", &patch], "").await.map(drop)
    }

    pub async fn becomes(&self, path: &str, good: impl Fn(&str) -> bool) -> Result {
        let what = format!("{path} of the release is as wanted");
        eventually(&what, async || Ok(good(&self.ns.jsonpath("canaryrelease/shop", path).await?))).await
    }

    pub async fn wait(&self, condition: &str) -> Result {
        self.ns.kubectl(&format!("wait --for=condition={condition} canaryrelease/shop --timeout=180s")).await.map(drop)
    }

    /// What weir holds during a rollout.
    async fn fields(&self) -> Result<String> {
        let path = "{.spec.minReadySeconds} {.spec.progressDeadlineSeconds} {.spec.strategy.rollingUpdate.maxSurge}";
        self.ns.jsonpath("deployment/shop", path).await
    }

    pub async fn fields_become(&self, wanted: &str) -> Result {
        let held = async || Ok(self.fields().await? == wanted);
        eventually(&format!("the fields are {wanted}"), held).await
    }

    /// The same, with as many pods as the canary needs by now.
    pub async fn fields_are_held(&self) -> Result {
        let held = async || Ok(self.fields().await?.starts_with("2147483646 2147483647 "));
        eventually("the fields are held", held).await
    }

    /// Waits until weir is the manager of nothing in the Deployment: whoever applies it finds no conflict.
    async fn has_no_fields_of_weirs(&self) -> Result {
        eventually("weir has let go of the fields", async || {
            let managers = self.ns.jsonpath("deployment/shop", "{.metadata.managedFields[*].manager}").await?;
            ensure!(!managers.split(' ').any(|manager| manager == "weir"), "weir still has fields: {managers}");
            Ok(true)
        })
        .await
    }

    /// Pods with an image, that are ready.
    async fn ready(&self, version: &str) -> Result<usize> {
        let path = "{range .items[*]}{.spec.containers[0].image} {.status.containerStatuses[0].ready}\n{end}";
        let pods =
            self.ns.run("kubectl", &["get", "pods", "-l", "app=shop", "-o", &format!("jsonpath={path}")], "").await?;
        Ok(pods.lines().filter(|line| *line == format!("weir/demo-app:{version} true")).count())
    }

    /// Waits for so many ready pods of stable and of the canary.
    async fn has(&self, stable: usize, canary: usize) -> Result {
        let what = format!("there are {stable} pods of stable and {canary} of the canary");
        eventually(&what, async || Ok((self.ready("v1").await?, self.ready("v2").await?) == (stable, canary))).await
    }

    /// Waits for more visits than are under way: stable answers them.
    async fn people_come(&self) -> Result {
        let visited = self.visitors.seen.v1.get();
        eventually("people come", async || Ok(self.visitors.seen.v1.get() > visited + 100)).await
    }

    pub fn nobody_was_turned_away(&self) -> Result {
        let failed = self.visitors.seen.failed.get();
        ensure!(failed == 0, "{failed} requests failed, the first by {}", self.visitors.seen.trouble.borrow());
        Ok(())
    }
}

pub async fn a_good_image_is_promoted_and_the_native_rollout_ends_by_itself(ns: Namespace) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.fields_are_held().await?;
    shop.wait("Progressing").await?;
    let soon = r#"{"spec":{"analysis":{"minimumTime":"3s"}}}"#;
    shop.ns.run("kubectl", &["patch", "canaryrelease", "shop", "--type=merge", "-p", soon], "").await?;
    shop.wait("Promoted").await?;
    shop.ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    shop.fields_become(FOUND).await?;
    shop.has(0, 4).await?;
    shop.has_no_fields_of_weirs().await?;
    ensure!(shop.visitors.seen.v2.get() > 0);
    shop.ns.tells(&["Normal Started", "Normal StepPassed", "Normal Healthy"]).await?;
    shop.nobody_was_turned_away()
}

pub async fn a_bad_image_is_aborted_and_gets_nothing_any_more(ns: Namespace) -> Result {
    let shop = Shop::open(ns, "").await?;
    // What fails is asked again of stable; by what does not fail visitors see who answered.
    shop.deploy(r#"{"name":"WEIR_DEMO_APP_ERROR_RATE","value":"60%"}"#).await?;
    shop.wait("Aborted").await?;
    shop.becomes("{.status.weight}", |weight| weight == "0%").await?;
    ensure!(shop.ready("v1").await? == 4, "stable is untouched");
    shop.fields_become("2147483646 2147483647 1").await?;
    weir::all_agree(&shop.ns, "shop").await?;
    let served = || shop.visitors.seen.v2.get() + shop.visitors.seen.failed.get();
    shop.people_come().await?;
    let before = served();
    shop.people_come().await?;
    ensure!(shop.visitors.seen.v2.get() > 0 && served() == before, "the bad revision still serves");
    let why = shop.ns.jsonpath("canaryrelease/shop", "{.status.conditions[?(@.type=='Aborted')].reason}").await?;
    ensure!(["Errors", "RouteErrors"].contains(&why.as_str()), "aborted because of {why}");
    shop.ns.tells(&["Normal Started", &format!("Warning {why}")]).await?;
    shop.ns.kubectl("rollout undo deployment/shop").await?;
    shop.fields_become(FOUND).await?;
    eventually("the bad pods are gone", async || Ok(shop.ready("v2").await? == 0)).await
}

pub async fn with_on_abort_undo_an_aborted_deployment_has_its_stable_template_again_by_itself(ns: Namespace) -> Result {
    let shop = Shop::open(ns, "onAbort: undo").await?;
    let template = async || shop.ns.jsonpath("deployment/shop", "{.spec.template}").await;
    let stable = template().await?;
    shop.deploy(r#"{"name":"WEIR_DEMO_APP_ERROR_RATE","value":"60%"}"#).await?;
    shop.wait("Aborted").await?;
    eventually("the template is the stable one", async || Ok(template().await? == stable)).await?;
    shop.fields_become(FOUND).await?;
    shop.ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    eventually("the bad pods are gone", async || Ok((shop.ready("v1").await?, shop.ready("v2").await?) == (4, 0)))
        .await?;
    let history = shop.ns.kubectl("rollout history deployment/shop").await?;
    let revisions: Vec<_> = history.lines().filter_map(|line| line.split_whitespace().next()).skip(2).collect();
    ensure!(revisions == ["2", "3"], "the first revision is the third now, as after an undo:\n{history}");
    shop.becomes("{.status.phase}", |phase| phase == "Aborted").await?;
    let last = shop.ns.jsonpath("canaryrelease/shop", "{.status.decisions[-1:].reason.kind}").await?;
    ensure!(last == "convicted", "what weir does itself is not taken for somebody's undo: {last}");
    shop.has_no_fields_of_weirs().await?;
    eventually("nothing is held", async || {
        Ok(shop.ns.jsonpath("canaryrelease/shop", "{.metadata.finalizers}").await?.is_empty())
    })
    .await?;
    let served = shop.visitors.seen.v2.get() + shop.visitors.seen.failed.get();
    shop.people_come().await?;
    ensure!(shop.visitors.seen.v2.get() + shop.visitors.seen.failed.get() == served, "the bad revision still serves");
    Ok(())
}

pub async fn an_undo_in_mid_canary_is_an_abort(ns: Namespace) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.ns.kubectl("rollout undo deployment/shop").await?;
    shop.wait("Aborted").await?;
    shop.becomes("{.status.decisions[-1:].reason.kind}", |reason| reason == "undone").await?;
    shop.fields_become(FOUND).await?;
    eventually("the canary is gone", async || Ok(shop.ready("v2").await? == 0)).await?;
    shop.nobody_was_turned_away()
}

pub async fn an_image_that_does_not_exist_is_told_and_aborted_at_its_deadline(ns: Namespace) -> Result {
    let shop = Shop::open(ns, "startDeadline: 8s").await?;
    shop.ns.kubectl("set image deployment/shop app=weir/demo-app:does-not-exist").await?;
    let why = "{.status.conditions[?(@.type=='Ready')].message}";
    shop.becomes(why, |why| why.contains("ErrImagePull") || why.contains("ImagePullBackOff")).await?;
    shop.wait("Aborted").await?;
    shop.becomes("{.status.decisions[-1:].reason.kind}", |reason| reason == "cannotStart").await?;
    // Whoever tries again gives it as long again, once.
    shop.ns.kubectl("weir retry shop").await?;
    let told = "{.status.decisions[-1:].reason.kind} {.status.decisions[-1:].state.attempt}";
    shop.becomes(told, |told| told == "cannotStart 2").await?;
    let kinds = shop.ns.jsonpath("canaryrelease/shop", "{.status.decisions[*].reason.kind}").await?;
    ensure!(kinds.ends_with("cannotStart command cannotStart"), "{kinds}");
    ensure!((shop.visitors.seen.v2.get(), shop.ready("v1").await?) == (0, 4));
    shop.nobody_was_turned_away()
}

pub async fn scaling_in_mid_canary_is_the_native_one(ns: Namespace) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.ns.kubectl("weir set-weight shop 20%").await?;
    shop.ns.kubectl("scale deployment/shop --replicas=6").await?;
    shop.has(6, 2).await?;
    shop.nobody_was_turned_away()?;
    // For a night; then Kubernetes would give all six to the newest revision.
    shop.visitors.go();
    shop.ns.kubectl("scale deployment/shop --replicas=0").await?;
    shop.has(0, 0).await?;
    shop.ns.kubectl("scale deployment/shop --replicas=6").await?;
    shop.has(6, 2).await?;
    shop.ns.kubectl("weir promote shop").await?;
    shop.wait("Promoted").await?;
    shop.has(0, 6).await
}

pub async fn an_autoscaler_scales_in_mid_canary_as_it_does_without_one(ns: Namespace) -> Result {
    let mut shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.ns.kubectl("weir set-weight shop 30%").await?;
    shop.has(4, 2).await?;
    let address = shop.ns.address("gateway.networking.k8s.io/v1", "gateways/shop", "/status/addresses/0/value").await?;
    for (bounds, stable, canary) in
        [("minReplicas: 8, maxReplicas: 10", 8, 3), ("minReplicas: 2, maxReplicas: 6", 6, 2)]
    {
        shop.ns.apply(&AUTOSCALER.replace("BOUNDS", bounds)).await?;
        shop.has(stable, canary).await?;
        shop.fields_become(&format!("2147483646 2147483647 {canary}")).await?;
        shop.nobody_was_turned_away()?;
        shop.visitors.go();
        let share = async || {
            let canary = versions(address, 1_000, 4).await?.get("v2").copied().unwrap_or_default();
            // Each thread of each replica shares by itself, to less than one request.
            Ok(canary.abs_diff(300) <= 8)
        };
        eventually("the canary has its exact share", share).await?;
        shop.visitors = Visitors::come(address);
        ensure!(shop.ns.jsonpath("canaryrelease/shop", "{.status.weight}").await? == "30%");
    }
    shop.ns.kubectl("weir promote shop").await?;
    shop.wait("Promoted").await?;
    shop.has(0, 6).await?;
    shop.fields_become(FOUND).await?;
    let autoscaler = shop.ns.read("autoscaling/v2", "horizontalpodautoscalers/shop").await?;
    ensure!((&autoscaler["spec"]["minReplicas"], &autoscaler["spec"]["maxReplicas"]) == (&2.into(), &6.into()));
    let owners = autoscaler["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owners: Vec<_> = owners.filter_map(|owner| owner["manager"].as_str()).collect();
    ensure!(!owners.contains(&"weir") && !owners.is_empty(), "the autoscaler is owned by {owners:?}");
    ensure!(shop.ns.jsonpath("deployment/shop", "{.spec.replicas}").await? == "6", "as the autoscaler wants it");
    shop.nobody_was_turned_away()
}

pub async fn a_release_that_is_deleted_leaves_the_deployment_as_it_was_found(ns: Namespace) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.ns.kubectl("delete canaryrelease/shop --timeout=180s").await?;
    shop.fields_become(FOUND).await?;
    shop.ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    shop.nobody_was_turned_away()
}

pub async fn when_weir_itself_is_deleted_the_deployment_is_left_as_it_was_found_and_a_later_weir_begins_anew(
    ns: Namespace,
) -> Result {
    let shop = Shop::held(ns).await?;
    let finalizers = async || shop.ns.jsonpath("canaryrelease/shop", "{.metadata.finalizers}").await;
    ensure!(finalizers().await?.is_empty(), "at rest a release can be deleted without weir");
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.fields_are_held().await?;
    ensure!(finalizers().await?.contains("weir.dev"), "what is held must not be forgotten");
    shop.nobody_was_turned_away()?;
    shop.visitors.go();
    shop.ns.kubectl("delete deployment/weir --timeout=180s").await?;
    shop.fields_become(FOUND).await?;
    shop.ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    shop.has(0, 4).await?;
    let service = shop.ns.balancer("shop").await?;
    eventually("the Service routes by itself", async || Ok(get(service, 80, "/version").await?.text == "v2\n")).await?;

    weir::install(&shop.ns, 2).await?;
    shop.becomes("{.status.revisions.stable}", |stable| !stable.is_empty()).await?;
    shop.ns.kubectl("set image deployment/shop app=weir/demo-app:v1").await?;
    shop.becomes("{.status.phase}", |phase| phase == "Progressing").await?;
    shop.fields_are_held().await?;
    shop.ns.kubectl("rollout undo deployment/shop").await?;
    shop.fields_become(FOUND).await?;
    eventually("nothing is held", async || Ok(finalizers().await?.is_empty())).await?;
    weir::uninstall(&shop.ns).await?;
    shop.ns.kubectl("delete canaryrelease/shop --timeout=180s").await.map(drop)
}

pub async fn what_a_route_among_several_services_sends_to_the_release_is_copied_for_the_canary_and_then_shared(
    ns: Namespace,
) -> Result {
    let release = weighed("shop").replace("minimumTime: 3s", "minimumTime: 1h");
    let shop = Shop::with(ns, &format!("{release}  mirrorFirst: {{share: 20%, requests: 1000000}}\n")).await?;
    shop.ns.apply(&demo_app("other", "v3", 1)).await?;
    shop.ns.kubectl("rollout status deployment/other --timeout=180s").await?;
    let split = r#"{"spec":{"rules":[{"backendRefs":[{"name":"shop","port":80,"weight":70},{"name":"other","port":80,"weight":30}]}]}}"#;
    shop.ns.run("kubectl", &["patch", "httproute", "shop", "--type=merge", "-p", split], "").await?;
    let address = shop.ns.address("gateway.networking.k8s.io/v1", "gateways/shop", "/status/addresses/0/value").await?;
    let split = async || Ok(versions(address, 50, 1).await?.contains_key("v3"));
    eventually("the route is split", split).await?;
    shop.deploy("").await?;
    // Copies of what the release gets are all that the canary gets at first.
    shop.becomes("{.status.canary.copies}", |copies| copies.parse().unwrap_or(0) > 20).await?;
    ensure!(shop.ns.jsonpath("canaryrelease/shop", "{.status.phase}").await? == "Mirroring");
    let seen = versions(address, 200, 4).await?;
    ensure!(seen.contains_key("v1") && seen.contains_key("v3") && !seen.contains_key("v2"), "{seen:?}");
    shop.ns.kubectl("weir set-weight shop 20%").await?;
    shop.becomes("{.status.weight}", |weight| weight == "20%").await?;
    shop.nobody_was_turned_away()?;
    shop.visitors.go();
    eventually("each has its exact share", async || {
        let seen = versions(address, 1_000, 4).await?;
        let of = |version: &str| seen.get(version).copied().unwrap_or_default();
        // Each thread of each replica shares by itself, to less than one request.
        Ok(of("v3").abs_diff(300) <= 8 && of("v2").abs_diff(140) <= 8 && of("v1") + of("v2") + of("v3") == 1_000)
    })
    .await
}

pub async fn explain_tells_what_fails_on_which_route_whichever_replica_saw_it(ns: Namespace) -> Result {
    let shop = Shop::held(ns).await?;
    // The route that visitors take from now on; others are still served by the first one.
    shop.ns.apply(&route("shop").replace("metadata: {name: shop}", "metadata: {name: second}")).await?;
    let accepted = "{.status.parents[0].conditions[?(@.type=='Accepted')].status}";
    let is_accepted = async || Ok(shop.ns.jsonpath("httproute/second", accepted).await? == "True");
    eventually("the second route is served", is_accepted).await?;
    shop.deploy(r#"{"name":"WEIR_DEMO_APP_ERROR_RATE","value":"4%"}"#).await?;
    shop.wait("Progressing").await?;
    shop.ns.kubectl("weir set-weight shop 50%").await?;
    eventually("explain tells by what requests failed, where, and which", async || {
        let told = shop.ns.kubectl("weir explain shop").await?;
        let all = ["By route", "/second", "What failed", "status 500", "by the x-request-id"];
        ensure!(all.iter().all(|text| told.contains(text)), "{told}");
        Ok(true)
    })
    .await?;
    ensure!(shop.ns.jsonpath("canaryrelease/shop", "{.status.phase}").await? == "Paused", "it is open");
    shop.nobody_was_turned_away()?;
    shop.visitors.go();
    let status = async || {
        Ok::<_, anyhow::Error>(shop.ns.read("weir.dev/v1alpha1", "canaryreleases/shop").await?["status"].take())
    };
    eventually("nothing is under way", async || Ok(is_whole(&status().await?))).await?;
    shop.ns.kubectl("weir abort shop").await?;
    shop.wait("Aborted").await?;
    let told = shop.ns.kubectl("weir explain shop").await?;
    ensure!(told.contains("By route") && told.contains("status 500"), "{told}");
    ensure!(!told.contains("another replica"), "no row is lacking:\n{told}");
    let status = status().await?;
    let last = status["decisions"].as_array().and_then(|all| all.last()).context("it was decided")?;
    ensure!(is_whole(last), "{last}\n{told}");
    Ok(())
}

/// Whether the routes of a release's status, or of a decision, have all that the canary got, and what failed is all told.
fn is_whole(of: &Value) -> bool {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let rows = |rows: &Value, of: fn(&Value) -> &Value| {
        rows.as_array().into_iter().flatten().map(|row| number(of(row))).sum::<u64>()
    };
    let canary = &of["report"]["canary"];
    let failed = rows(&of["failures"]["counts"], |row| &row["requests"]);
    let by_route = [rows(&of["routes"], |row| &row["canary"][0]), rows(&of["routes"], |row| &row["canary"][1])];
    by_route == [number(&canary[0]), number(&canary[1])] && failed >= by_route[1] && failed > 0
}

pub async fn a_leader_that_is_killed_is_followed_by_another_which_knows_everything(ns: Namespace) -> Result {
    let shop = Shop::held(ns).await?;
    shop.deploy("").await?;
    shop.wait("Progressing").await?;
    shop.ns.kubectl("weir set-weight shop 20%").await?;
    shop.becomes("{.status.weight}", |weight| weight == "20%").await?;
    shop.nobody_was_turned_away()?;
    let leader = shop.ns.jsonpath("lease/weir", "{.spec.holderIdentity}").await?;
    shop.ns.kubectl(&format!("delete pod {leader} --grace-period=0 --force")).await?;
    eventually("another one leads", async || {
        let now = shop.ns.jsonpath("lease/weir", "{.spec.holderIdentity}").await?;
        Ok(!now.is_empty() && now != leader)
    })
    .await?;
    shop.ns.kubectl("rollout status deployment/weir --timeout=180s").await?;
    ensure!(weir::pods(&shop.ns).await?.len() == 2, "there are two again");
    weir::all_agree(&shop.ns, "shop").await?;
    let now = shop.ns.jsonpath("canaryrelease/shop", "{.status.weight} {.status.phase}").await?;
    ensure!(now == "20% Paused", "where it was left: {now}");
    let lost = shop.visitors.seen.only_by_lost_connections()?;
    shop.ns.kubectl("weir promote shop").await?;
    shop.wait("Promoted").await?;
    shop.ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    weir::all_agree(&shop.ns, "shop").await?;
    ensure!(shop.visitors.seen.failed.get() == lost, "more fail: {}", shop.visitors.seen.trouble.borrow());
    Ok(())
}

/// Without metrics it keeps to its bounds alone.
const AUTOSCALER: &str = r#"
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}, BOUNDS}
"#;

/// How many visit at a time.
const VISITORS: usize = 12;

/// The fields as [`Shop::open`] writes them.
pub const FOUND: &str = "3 600 1";
