//! What may happen to a cluster while canaries are out, and what must not come of it.

mod api_server;
mod witness;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use self::api_server::{Front, HOST};
use self::witness::{Shares, Visits, visit};
use crate::harness::{Namespace, Result, demo_app, eventually, get_with};
use crate::manifests::{gateway, route, weighed};
use crate::releases::Visitors;
use crate::weir::{self, Pod, all_agree, leader_and_others, pods};
use crate::workloads;

pub async fn without_the_api_server_for_minutes_nothing_fails_or_rises_and_no_decision_is_lost(
    ns: Namespace,
) -> Result {
    let address = open(&ns, &["shop", "bad", "worse"], weighed).await?;
    // Nobody visits yet: there is no evidence, and all stay at the first step.
    begin(&ns, "shop", "").await?;
    begin(&ns, "bad", FAILS).await?;
    begin(&ns, "worse", FAILS).await?;
    let all = pods(&ns).await?;
    cut(&ns, &all, API_SERVER).await?;
    let away = Instant::now();
    let (late, reached) = start_another(&ns).await?;

    // One is found out while the lease still holds, another one when nobody leads any more.
    let visitors = Visitors::come(address);
    convicted(&ns, "bad", &all, (address, 80)).await?;
    eventually("nobody leads", async || Ok(!all[0].leads().await? && !all[1].leads().await?)).await?;
    println!("nobody led {:?} after the API server was gone", away.elapsed());
    while away.elapsed() < AWAY / 2 {
        nothing_rises(&ns, &all, [("shop", "20%"), ("bad", "0%"), ("worse", "20%")]).await?;
    }
    convicted(&ns, "worse", &all, (address, 80)).await?;
    // A pod of stable goes, and weir cannot be told.
    let stable = format!("app=shop,pod-template-hash={}", status(&ns, "shop", "{.status.revisions.stable}").await?);
    let first = ["get", "pods", "-l", &stable, "-o", "jsonpath={.items[0].metadata.name}"];
    ns.kubectl(&format!("delete pod {}", ns.run("kubectl", &first, "").await?)).await?;
    while away.elapsed() < AWAY {
        let visited = visitors.seen.v1.get();
        nothing_rises(&ns, &all, [("shop", "20%"), ("bad", "0%"), ("worse", "0%")]).await?;
        ensure!(visitors.seen.v1.get() > visited, "people come all the time");
    }
    nobody_was_turned_away(&visitors)?;
    ensure!(all[0].canary_requests(&ns, "shop").await? > 100, "there is evidence to go on with");
    for name in ["bad", "worse"] {
        assert_eq!(status(&ns, name, "{.status.weight}").await?, "20%", "the status could not be written");
    }
    assert_eq!((health(late, "/livez").await?, health(late, "/readyz").await?), (200, 503));

    heal(&ns, &all).await?;
    let _ = reached.send(());
    let back = Instant::now();
    for name in ["bad", "worse"] {
        ns.kubectl(&format!("wait --for=condition=Aborted canaryrelease/{name} --timeout=180s")).await?;
        println!("{name} was aborted {:?} after the API server was back", back.elapsed());
    }
    ns.kubectl("wait --for=condition=Promoted canaryrelease/shop --timeout=180s").await?;
    eventually("the newcomer is ready", async || Ok(health(late, "/readyz").await? == 200)).await?;
    let everybody = pods(&ns).await?;
    assert_eq!(everybody.len(), 3, "{everybody:?}");
    for pod in &everybody {
        for name in ["bad", "worse"] {
            let kept = ns.read("weir.dev/v1alpha1", &format!("canaryreleases/{name}")).await?;
            let kept = kept.pointer("/status/decisions").and_then(Value::as_array).and_then(|all| all.last());
            let kept = kept.context("it was decided")?.clone();
            assert_eq!(kept["state"]["phase"], "aborted");
            let same = async || Ok(standing(&pod.release(&ns, name).await?["last"]) == standing(&kept));
            eventually("all go by what was decided", same).await?;
            assert_eq!(pod.weight(&ns, name).await?, "0%");
        }
        // Once the Deployment has only the new revision there is no canary any more.
        let over = async || Ok(pod.weight(&ns, "shop").await.ok().is_none_or(|weight| weight == "100%"));
        eventually("all know the other", over).await?;
    }
    nobody_was_turned_away(&visitors)
}

/// Looks for a second: these are the canaries' shares with each of `pods`.
async fn nothing_rises<const N: usize>(ns: &Namespace, pods: &[Pod], shares: [(&str, &str); N]) -> Result {
    for pod in pods {
        for (name, share) in shares {
            assert_eq!(pod.weight(ns, name).await?, share, "of {name} with {}", pod.name);
        }
    }
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// Where a rollout stands by this decision: each replica may have come to it by itself, at another moment.
fn standing(decision: &Value) -> [&Value; 4] {
    ["rollout", "attempt", "phase", "weight"].map(|field| &decision["state"][field])
}

pub async fn a_partition_between_replicas_lets_each_cut_its_canary_and_none_raise_it_alone(ns: Namespace) -> Result {
    let address = open(&ns, &["shop", "bad", "calm"], weighed).await?;
    begin(&ns, "shop", "").await?;
    begin(&ns, "bad", FAILS).await?;
    let all = pods(&ns).await?;
    let (leader, others) = leader_and_others(&ns).await?;
    let follower = &others[0];
    // At both replicas, of what has no canary.
    let bystanders = workloads::Visitors::of("calm.test", address, &["/"]);
    cut(&ns, &all, PEERS).await?;

    // Only the one that does not lead has visitors of a canary.
    let port = weir::port(&ns).await?;
    let visits = Visits::default();
    eventually("the follower has all it takes to go on", async || {
        visits.pay(50, (follower.address, port), "shop").await;
        Ok(follower.release(&ns, "shop").await?["report"]["verdict"] == "pass")
    })
    .await?;
    assert_eq!(leader.canary_requests(&ns, "shop").await?, 0, "the leader hears nothing of it");
    convicted(&ns, "bad", others.as_slice(), (follower.address, port)).await?;
    assert_eq!(follower.weight(&ns, "shop").await?, "20%", "who does not lead raises nothing");
    assert_eq!(leader.canary_requests(&ns, "bad").await?, 0, "the leader hears nothing of that either");
    // The verdict finds its own way where whoever leads cannot hear it.
    ns.kubectl("wait --for=condition=Aborted canaryrelease/bad --timeout=180s").await?;
    eventually("the leader goes by it", async || Ok(leader.weight(&ns, "bad").await? == "0%")).await?;
    assert_eq!(leader.weight(&ns, "shop").await?, "20%");
    for pod in &all {
        visits.pay(50, (pod.address, port), "bad").await;
    }
    visits.were_all_answered()?;

    let seen = follower.canary_requests(&ns, "shop").await?;
    heal(&ns, &all).await?;
    let healed = Instant::now();
    eventually("the leader knows what the follower saw", async || {
        Ok(leader.canary_requests(&ns, "shop").await? >= seen || leader.weight(&ns, "shop").await? != "20%")
    })
    .await?;
    println!("counters reached the leader {:?} after the partition", healed.elapsed());
    let visitors = Visitors::come(address);
    let promoted = async || Ok(status(&ns, "shop", "{.status.phase}").await? == "Promoted");
    eventually("the leader goes on", promoted).await?;
    all_agree(&ns, "bad").await?;
    all_agree(&ns, "shop").await?;
    nobody_was_turned_away(&visitors)?;
    bystanders.were_all_answered()
}

pub async fn replicas_go_one_after_the_other_and_no_evidence_with_them(ns: Namespace) -> Result {
    let address = open(&ns, &["shop"], held).await?;
    begin(&ns, "shop", "").await?;
    let visitors = Visitors::come(address);
    let (leader, _) = leader_and_others(&ns).await?;
    eventually("there is evidence", async || Ok(leader.canary_requests(&ns, "shop").await? >= 300)).await?;
    let before = leader.canary_requests(&ns, "shop").await?;
    // The next generation has no visitors of its own: whatever it knows it has from the one before.
    drop(visitors);
    ns.kubectl("rollout restart deployment/weir").await?;
    ns.kubectl("rollout status deployment/weir --timeout=180s").await?;
    for pod in pods(&ns).await? {
        let knows = async || Ok(pod.canary_requests(&ns, "shop").await? + IN_FLIGHT >= before);
        eventually("the new ones know what the old ones saw", knows).await?;
        assert_eq!(pod.weight(&ns, "shop").await?, "20%");
    }
    Ok(())
}

pub async fn a_replica_that_is_killed_takes_nothing_with_it_but_what_was_on_its_connections(ns: Namespace) -> Result {
    let address = open(&ns, &["shop"], held).await?;
    begin(&ns, "shop", "").await?;
    let visitors = Visitors::come(address);
    let (leader, others) = leader_and_others(&ns).await?;
    let victim = &others[0];
    eventually("it has had visitors", async || Ok(victim.canary_requests(&ns, "shop").await? >= 100)).await?;
    let known = victim.canary_requests(&ns, "shop").await?;
    let turns = async || ns.jsonpath("lease/weir", "{.spec.leaseTransitions}").await;
    let before = turns().await?;
    ns.kubectl(&format!("delete pod {} --grace-period=0 --force", victim.name)).await?;
    eventually("there is another one", async || {
        let now = pods(&ns).await?;
        let is_there = now.len() == 2 && now.iter().all(|pod| pod.uid != victim.uid);
        Ok(is_there && now.iter().any(|pod| pod.uid == leader.uid))
    })
    .await?;
    ns.kubectl("rollout status deployment/weir --timeout=180s").await?;
    // Unless it has not heard of the API server for so long that the new one leads.
    ensure!(leader.leads().await? || turns().await? != before, "it leads as before");
    for pod in pods(&ns).await? {
        let knows = async || Ok(pod.canary_requests(&ns, "shop").await? + IN_FLIGHT >= known);
        eventually("what it saw is known", knows).await?;
        assert_eq!(pod.weight(&ns, "shop").await?, "20%");
    }
    let visited = visitors.seen.v1.get();
    let failed = visitors.seen.only_by_lost_connections()?;
    eventually("people come as before", async || Ok(visitors.seen.v1.get() > visited + 200)).await?;
    ensure!(visitors.seen.failed.get() == failed, "more fail: {}", visitors.seen.trouble.borrow());
    Ok(())
}

pub async fn watches_that_are_too_old_begin_anew_and_lose_nothing(ns: Namespace) -> Result {
    let front = Front::start(ns.client.clone()).await?;
    let release = |name: &str| if name == "shop" { held(name) } else { weighed(name) };
    let address = open_behind(&ns, &["shop", "bad", "other"], release, front.port()).await?;
    begin(&ns, "shop", "").await?;
    begin(&ns, "bad", FAILS).await?;
    let visitors = Visitors::come(address);
    for (pod, name) in pods(&ns).await?.iter().flat_map(|pod| [(pod, "shop"), (pod, "bad")]) {
        let knows = async || Ok(pod.endpoints(&ns, name).await?.len() == 4);
        eventually("each replica knows the canary's pod, too", knows).await?;
    }
    // All watches end; what happens now nobody is told.
    front.end_watches();
    ns.kubectl("delete httproute/other").await?;
    ns.apply(&route("shop").replace("name: shop}\nspec", "name: third}\nspec").replace("shop.test", "third.test"))
        .await?;
    ns.kubectl("scale deployment/shop --replicas=1").await?;
    let one_each = async || Ok(ns.jsonpath("deployment/shop", "{.status.replicas}").await? == "2");
    eventually("one of stable is left, and one of the canary", one_each).await?;
    let all = pods(&ns).await?;
    convicted(&ns, "bad", &all, (address, 80)).await?;
    let shares = Shares::look(&ns, &all, &["shop", "bad"]);
    eventually("it is as it was", async || Ok(shares.looks() > 5)).await?;
    let listed = front.lists();
    front.answer_too_old();
    eventually("everything is listed again", async || Ok(front.lists() >= listed + 2 * KINDS)).await?;
    let third = async || Ok(visit(address, 80, "third").await?.status == 200);
    eventually("a new route is served", third).await?;
    let other = async || Ok(visit(address, 80, "other").await?.status == 404);
    eventually("an old route is gone", other).await?;
    ns.kubectl("wait --for=condition=Aborted canaryrelease/bad --timeout=180s").await?;
    ns.kubectl("scale deployment/shop --replicas=3").await?;
    let all_ready = async || Ok(ns.jsonpath("deployment/shop", "{.status.readyReplicas}").await? == "4");
    eventually("stable has three again", all_ready).await?;
    let looked = shares.looks();
    eventually("it is still as it was", async || Ok(shares.looks() > looked + 5)).await?;
    shares.were([("shop", "20%"), ("bad", "0%")])?;
    drop(shares);
    all_agree(&ns, "bad").await?;
    all_agree(&ns, "shop").await?;

    ns.kubectl("rollout undo deployment/bad").await?;
    let found = async || Ok(ns.jsonpath("deployment/bad", "{.spec.minReadySeconds}").await? == "1");
    eventually("a change of a Deployment is followed again", found).await?;
    ns.kubectl("weir promote shop").await?;
    ns.kubectl("wait --for=condition=Promoted canaryrelease/shop --timeout=180s").await?;
    ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
    all_agree(&ns, "shop").await?;
    nobody_was_turned_away(&visitors)
}

pub async fn a_grant_that_is_revoked_ends_what_it_allowed(ns: Namespace) -> Result {
    let address = open(&ns, &["shop"], held).await?;
    let other = format!("{}-other", ns.name);
    ns.kubectl(&format!("create namespace {other}")).await?;
    let trial = async {
        ns.run("kubectl", &["apply", "--namespace", &other, "-f", "-"], &demo_app("far", "v1", 1)).await?;
        let grant = GRANT.replace("NAMESPACE", &ns.name);
        ns.run("kubectl", &["apply", "--namespace", &other, "-f", "-"], &grant).await?;
        ns.apply(
            &route("far").replace("{name: far, port: 80}", &format!("{{name: far, namespace: {other}, port: 80}}")),
        )
        .await?;
        let answers = async |status: u16| Ok(visit(address, 80, "far").await?.status == status);
        eventually("it is reached", async || answers(200).await).await?;
        ns.kubectl(&format!("delete referencegrant/grant --namespace {other}")).await?;
        let revoked = Instant::now();
        eventually("it is reached no more", async || {
            for _ in 0..10 {
                if !answers(500).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await?;
        println!("the revoked backend was refused everywhere after {:?}", revoked.elapsed());
        let reason = "{.status.parents[0].conditions[?(@.type=='ResolvedRefs')].reason}";
        let told = async || Ok(ns.jsonpath("httproute/far", reason).await? == "RefNotPermitted");
        eventually("the route is told", told).await?;
        ns.run("kubectl", &["apply", "--namespace", &other, "-f", "-"], &grant).await?;
        eventually("it is reached again", async || answers(200).await).await
    };
    let ended = trial.await;
    ns.kubectl(&format!("delete namespace {other} --wait=false")).await?;
    ended
}

/// A release of the Deployment `name` that stays at its first step.
fn held(name: &str) -> String {
    HELD.replace("NAME", name)
}

/// A Gateway with workloads behind it, each with a host and a release of its own, and a weir of two; its address.
async fn open(ns: &Namespace, names: &[&str], release: fn(&str) -> String) -> Result<Ipv4Addr> {
    open_behind(ns, names, release, 443).await
}

/// The same with a weir that reaches the API server at another port of the node than everybody.
async fn open_behind(ns: &Namespace, names: &[&str], release: fn(&str) -> String, port: u16) -> Result<Ipv4Addr> {
    ns.apply(&gateway(ns)).await?;
    for name in names {
        ns.apply(&demo_app(name, "v1", 3).replace("replicas: 3", "replicas: 3\n  minReadySeconds: 1")).await?;
        ns.apply(&route(name)).await?;
        ns.apply(&release(name)).await?;
    }
    if port == 443 {
        weir::install(ns, 2).await?;
    } else {
        weir::install_behind(ns, 2, (HOST, port)).await?;
    }
    let address = ns.address("gateway.networking.k8s.io/v1", "gateways/shop", "/status/addresses/0/value").await?;
    for name in names {
        eventually("it answers", async || Ok(visit(address, 80, name).await?.status == 200)).await?;
        eventually("its revision is known", async || {
            Ok(!status(ns, name, "{.status.revisions.stable}").await?.is_empty())
        })
        .await?;
    }
    Ok(address)
}

/// Deploys `v2` of a workload with this variable.
async fn deploy(ns: &Namespace, name: &str, variable: &str) -> Result {
    let image = r#"{"name":"app","image":"weir/demo-app:v2","env":[VARIABLE]}"#.replace("VARIABLE", variable);
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{image}]}}}}}}}}"#);
    ns.run("kubectl", &["patch", "deployment", name, "-p", &patch], "").await.map(drop)
}

/// The same, and waits until its canary is at the first step everywhere. Nobody may visit it: it would go on.
async fn begin(ns: &Namespace, name: &str, variable: &str) -> Result {
    deploy(ns, name, variable).await?;
    eventually("the canary has begun", async || {
        for pod in pods(ns).await? {
            if pod.weight(ns, name).await.ok().as_deref() != Some("20%") {
                return Ok(false);
            }
        }
        Ok(status(ns, name, "{.status.weight}").await? == "20%")
    })
    .await
}

/// Visits `name` at `address`, which leads to `pods`, until each of them has cut its canary, and says so. No visit fails but by
/// the canary itself, and none once it is cut.
async fn convicted(ns: &Namespace, name: &str, pods: &[Pod], address: (Ipv4Addr, u16)) -> Result {
    let visits = Visits::default();
    for pod in pods {
        eventually("the bad canary is cut", async || {
            visits.pay(20, address, name).await;
            Ok(pod.weight(ns, name).await? == "0%")
        })
        .await?;
        let release = pod.release(ns, name).await?;
        assert_eq!((&release["phase"], &release["last"]["reason"]["kind"]), (&"aborted".into(), &"convicted".into()));
    }
    visits.failed_only_by_the_canary()?;
    let later = Visits::default();
    later.pay(50, address, name).await;
    later.were_all_answered()
}

async fn status(ns: &Namespace, name: &str, path: &str) -> Result<String> {
    ns.jsonpath(&format!("canaryrelease/{name}"), path).await
}

/// Starts one more pod of weir, which does not reach the API server until told that it does; its address.
async fn start_another(ns: &Namespace) -> Result<(Ipv4Addr, oneshot::Sender<()>)> {
    let silent = TcpListener::bind((HOST, 0)).await?;
    let mut pod = ns.read("apps/v1", "deployments/weir").await?["spec"]["template"].take();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "weir-late".into();
    let variables = pod["spec"]["containers"][0]["env"].as_array_mut().context("it has variables")?;
    variables.extend(weir::api_server_at(HOST, silent.local_addr()?.port()));
    ns.apply(&pod.to_string()).await?;
    let (reached, is_reached) = oneshot::channel();
    tokio::task::spawn_local(async move {
        if is_reached.await.is_ok() {
            while let Ok((mut near, _)) = silent.accept().await {
                tokio::task::spawn_local(async move {
                    let mut far = TcpStream::connect((HOST, 6443)).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        }
    });
    let address = ns.address("v1", "pods/weir-late", "/status/podIP").await?;
    eventually("it lives", async || Ok(health(address, "/livez").await? == 200)).await?;
    Ok((address, reached))
}

/// What the control surface of a pod of weir answers.
async fn health(address: Ipv4Addr, path: &str) -> Result<u16> {
    Ok(get_with(address, 9180, path, &[("host", "weir")]).await?.status)
}

/// Drops packets of these pods, in their own network namespaces.
async fn cut(ns: &Namespace, pods: &[Pod], what: &str) -> Result {
    let rules = format!(
        "table inet trial {{\n chain in {{\n type filter hook input priority 0\n {what}\n }}\n \
         chain out {{\n type filter hook output priority 0\n {what}\n }}\n}}\n"
    );
    nft(ns, pods, &rules).await
}

async fn heal(ns: &Namespace, pods: &[Pod]) -> Result {
    nft(ns, pods, "delete table inet trial").await
}

async fn nft(ns: &Namespace, pods: &[Pod], rules: &str) -> Result {
    for pod in pods {
        let namespace = format!("--net=/run/netns/{}", pod.uid);
        ns.run("nsenter", &[&namespace, "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin exec nft -f -"], rules).await?;
    }
    Ok(())
}

fn nobody_was_turned_away(visitors: &Visitors) -> Result {
    let failed = visitors.seen.failed.get();
    ensure!(failed == 0, "{failed} requests failed, the first by {}", visitors.seen.trouble.borrow());
    ensure!(visitors.seen.v1.get() > 0);
    Ok(())
}

/// How long the API server is away: whatever expires, gives up or waits longer and longer has done so.
const AWAY: Duration = Duration::from_secs(130);

/// What is between weir and the API server.
const API_SERVER: &str = "ip daddr 10.96.0.1 drop\n ip saddr 10.96.0.1 drop";

/// What is between replicas.
const PEERS: &str = "tcp dport 9182 drop\n tcp sport 9182 drop";

/// Requests that may have been counted by one alone for less than a second.
const IN_FLIGHT: u64 = 60;

/// Kinds that weir watches.
const KINDS: usize = 18;

const FAILS: &str = r#"{"name":"WEIR_DEMO_APP_ERROR_RATE","value":"100%"}"#;

const HELD: &str = r#"
apiVersion: weir.dev/v1alpha1
kind: CanaryRelease
metadata: {name: NAME}
spec:
  targetRef: {kind: Deployment, name: NAME}
  steps: [{weight: 20%, atLeast: 1h}, {weight: 50%}]
  analysis: {latency: {enabled: false}}
"#;

const GRANT: &str = r#"
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: NAMESPACE}]
  to: [{group: "", kind: Service}]
"#;
