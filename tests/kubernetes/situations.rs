//! The examples of `deploy/examples`, applied as they are to a weir that was installed as people install it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::harness::{Namespace, Result, SHARED, connect, demo_app, eventually, get, get_with};
use crate::weir::{admin_token, pods};

pub async fn one_pod_of_each_and_five_percent_of_10_000_requests(ns: Namespace) -> Result {
    let address = ns.example("weights.yaml").await?;
    // Whatever came before, there is one for v2 in this many.
    every_replica_gives_v2(1..=39, &ns).await?;
    let seen = versions(address, 10_000, 4).await?;
    near(&seen, 500)?;
    // However many pods either side has.
    ns.kubectl("scale deployment/app-v1 --replicas=3").await?;
    ns.kubectl("rollout status deployment/app-v1 --timeout=180s").await?;
    near(&versions(address, 2_000, 4).await?, 100)?;
    ns.kubectl("scale deployment/app-v2 --replicas=3").await?;
    ns.kubectl("rollout status deployment/app-v2 --timeout=180s").await?;
    near(&versions(address, 2_000, 4).await?, 100)
}

pub async fn without_pods_of_v1_v2_gets_everything(ns: Namespace) -> Result {
    let address = ns.example("weights.yaml").await?;
    ns.kubectl("scale deployment/app-v1 --replicas=0").await?;
    eventually("v1 is gone", async || Ok(ns.jsonpath("deployment/app-v1", "{.status.replicas}").await?.is_empty()))
        .await?;
    eventually("v2 has everything", async || Ok(versions(address, 100, 2).await?.get("v2") == Some(&100))).await
}

pub async fn an_ingress_with_nginx_canary_annotations_is_served_as_it_is(ns: Namespace) -> Result {
    install(&ns).await?;
    let host = format!("{}.test", ns.name);
    let manifest = example_text("ingress.yaml").replace("    - http:", &format!("    - host: {host}\n      http:"));
    ns.apply(&manifest).await?;
    let address = ns.address("networking.k8s.io/v1", "ingresses/app", "/status/loadBalancer/ingress/0/ip").await?;
    let version = async |fields: &[(&str, &str)]| {
        let host: &[(&str, &str)] = &[("host", &host)];
        Result::Ok(get_with(address, 80, "/version", &[host, fields].concat()).await?.text)
    };
    let chosen = async || {
        for _ in 0..20 {
            let chosen = (version(&[("x-canary", "always")]).await?, version(&[("x-canary", "never")]).await?);
            ensure!((chosen.0.as_str(), chosen.1.as_str()) == ("v2\n", "v1\n"), "{chosen:?}");
        }
        Ok(true)
    };
    // One replica may hear of it later than the other; but then it stays so.
    eventually("who asks for a version gets it", &chosen).await?;
    chosen().await?;
    let seen = versions_of((address, 80), &host, 2_000, 4).await?;
    near(&seen, 100)
}

pub async fn a_host_belongs_to_the_oldest_ingress_and_the_second_is_told(ns: Namespace) -> Result {
    install(&ns).await?;
    let host = format!("{}.test", ns.name);
    let manifest = example_text("ingress.yaml").replace("    - http:", &format!("    - host: {host}\n      http:"));
    ns.apply(&manifest).await?;
    let address = ns.address("networking.k8s.io/v1", "ingresses/app", "/status/loadBalancer/ingress/0/ip").await?;
    eventually("v1 answers", async || Ok(get_with(address, 80, "/version", &[("host", &host)]).await?.status == 200))
        .await?;
    let other = format!("{}-other", ns.name);
    ns.kubectl(&format!("create namespace {other}")).await?;
    let ingress =
        manifest.split("---\n").find(|part| part.contains("kind: Ingress") && !part.contains("annotations")).unwrap();
    let told = async {
        let second = demo_app("app-v1", "v3", 1);
        ns.run("kubectl", &["apply", "--namespace", &other, "-f", "-"], &second).await?;
        ns.kubectl(&format!("rollout status deployment/app-v1 --namespace {other} --timeout=180s")).await?;
        ns.run("kubectl", &["apply", "--namespace", &other, "-f", "-"], ingress).await?;
        eventually("the second is told", async || {
            let events = ns
                .run("kubectl", &["get", "events", "--namespace", &other, "-o", "jsonpath={.items[*].message}"], "")
                .await?;
            Ok(events.contains(&format!("host {host} belongs to Ingress {}/app", ns.name)))
        })
        .await?;
        let seen = async || versions_of((address, 80), &host, 100, 4).await;
        for _ in 0..3 {
            let seen = seen().await?;
            let own = |version| seen.get(version).copied().unwrap_or_default();
            ensure!(own("v1") > 0 && own("v1") + own("v2") == 100, "the second got some: {seen:?}");
        }
        // Nothing else had kept them from it.
        ns.kubectl("delete ingress app app-canary").await?;
        eventually("the second has the host", async || Ok(seen().await?.get("v3") == Some(&100))).await
    };
    let told = told.await;
    ns.kubectl(&format!("delete namespace {other} --wait=false")).await?;
    told
}

pub async fn a_rolling_update_under_load_fails_no_request(ns: Namespace) -> Result {
    let address = ns.example("rolling-update.yaml").await?;
    let (stop, failed) = (Rc::new(AtomicBool::new(false)), Rc::new(RefCell::new(Vec::new())));
    let visitors: Vec<_> =
        (0..4).map(|_| tokio::task::spawn_local(visit(address, stop.clone(), failed.clone()))).collect();
    for image in ["v2", "v3"] {
        ns.kubectl(&format!("set image deployment/app app=weir/demo-app:{image}")).await?;
        ns.kubectl("rollout status deployment/app --timeout=180s").await?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut visits = 0;
    for visitor in visitors {
        visits += visitor.await?;
    }
    ensure!(visits > 500, "only {visits} visits");
    let failed = failed.take();
    ensure!(failed.is_empty(), "{} of {visits} failed: {failed:#?}", failed.len());
    eventually("all is v3", async || Ok(versions(address, 40, 4).await?.get("v3") == Some(&40))).await
}

pub async fn the_chart_and_the_kustomization_are_the_same_objects(ns: Namespace) -> Result {
    let chart = deploy("helm/weir");
    let chart = ns.run("helm", &["template", "weir", &chart, "--namespace", "weir-system", "--no-hooks"], "").await?;
    let base = ns.run("kubectl", &["kustomize", &deploy("kustomize/base")], "").await?;
    let (chart, mut base) = (objects(&chart)?, objects(&base)?);
    // A chart is installed into a namespace that is there.
    base.remove("Namespace weir-system");
    assert_eq!(chart.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>());
    for (name, object) in &base {
        assert_eq!(serde_json::to_string_pretty(&chart[name])?, serde_json::to_string_pretty(object)?, "{name}");
    }
    Ok(())
}

pub async fn the_charts_are_good(ns: Namespace) -> Result {
    for chart in ["helm/weir", "helm/weir-crds"] {
        ns.run("helm", &["lint", "--strict", &deploy(chart)], "").await?;
    }
    let all = "autoscaling.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true";
    let everything = ns.run("helm", &["template", "weir", &deploy("helm/weir"), "--set", all], "").await?;
    let objects = objects(&everything)?;
    for name in
        ["HorizontalPodAutoscaler weir", "ServiceMonitor weir", "PrometheusRule weir", "ConfigMap weir-dashboard"]
    {
        assert!(objects.contains_key(name), "{name}");
    }
    assert!(objects["Deployment weir"]["spec"].get("replicas").is_none(), "the autoscaler says how many");
    let wrong = ns.try_run("helm", &["template", "weir", &deploy("helm/weir"), "--set", "replica=3"], "").await?;
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("replica"), "a typo is refused");
    Ok(())
}

pub async fn an_overlay_of_the_base_may_have_the_components(ns: Namespace) -> Result {
    let overlay = Path::new(env!("CARGO_TARGET_TMPDIR")).join("overlay");
    let _ = std::fs::remove_dir_all(&overlay);
    std::fs::create_dir_all(&overlay)?;
    let overlay_path = overlay.to_string_lossy();
    // kustomize wants what it builds from under one roof.
    ns.run("cp", &["-r", &deploy("kustomize"), &overlay_path], "").await?;
    let components = "components: [kustomize/components/autoscaling, kustomize/components/monitoring]";
    std::fs::write(overlay.join("kustomization.yaml"), format!("resources: [kustomize/base]\n{components}\n"))?;
    let objects = objects(&ns.run("kubectl", &["kustomize", &overlay_path], "").await?)?;
    for name in ["HorizontalPodAutoscaler weir", "ServiceMonitor weir"] {
        ensure!(objects.contains_key(name), "{name} of {:?}", objects.keys());
    }
    ensure!(objects["Deployment weir"]["spec"].get("replicas").is_none(), "the autoscaler says how many");
    Ok(())
}

impl Namespace {
    /// Applies an example, and waits until it answers; the address of its Gateway.
    async fn example(&self, file: &str) -> Result<Ipv4Addr> {
        self.example_with(file, str::to_owned).await
    }

    /// The same, edited before it is applied.
    pub async fn example_with(&self, file: &str, edit: impl Fn(&str) -> String) -> Result<Ipv4Addr> {
        install(self).await?;
        self.apply(&edit(&example_text(file))).await?;
        let address = self.address("gateway.networking.k8s.io/v1", "gateways/app", "/status/addresses/0/value").await?;
        eventually("it answers", async || Ok(get(address, 80, "/version").await?.status == 200)).await?;
        for deployment in self.kubectl("get deployments -o name").await?.lines() {
            self.kubectl(&format!("rollout status {deployment} --timeout=180s")).await?;
        }
        Ok(address)
    }
}

/// Installs weir once for all trials, with Helm, as people do.
pub async fn install(ns: &Namespace) -> Result {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let install = async || {
        ns.run("kubectl", &["apply", "-f", "-"], CLASS).await?;
        // Trials of releases bring the definitions too.
        let own = ["--namespace", "weir-system", "--create-namespace", "--take-ownership", "--wait", "--timeout=180s"];
        let crds = ["upgrade", "--install", "weir-crds", &deploy("helm/weir-crds")];
        ns.run("helm", &[&crds[..], &own].concat(), "").await?;
        ns.sibling(SHARED)?.apply(&admin_token().to_string()).await?;
        let set = ["--set", "gatewayClass.create=false,args={--controller-name=weir.dev/situations}"];
        let weir = ["upgrade", "--install", "weir", &deploy("helm/weir")];
        ns.run("helm", &[&weir[..], &own, &set].concat(), "").await?;
        anyhow::Ok(())
    };
    INSTALLED.get_or_try_init(install).await.map(drop)
}

/// Other weirs in this cluster have classes of their own.
const CLASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weir-situations}
spec: {controllerName: weir.dev/situations}
";

pub fn deploy(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path).to_string_lossy().into_owned()
}

pub fn example_text(file: &str) -> String {
    let text = std::fs::read_to_string(deploy("examples") + "/" + file).unwrap();
    text.replace("gatewayClassName: weir\n", "gatewayClassName: weir-situations\n")
}

/// The versions that answer `count` requests, sent on so many connections.
pub async fn versions(address: Ipv4Addr, count: u32, connections: u32) -> Result<BTreeMap<String, u32>> {
    versions_of((address, 80), "shop.test", count, connections).await
}

/// Waits until v2 gets so many of 40 new users at each replica: one that has yet to hear of its pod, or of its share, sends
/// them to v1.
pub async fn every_replica_gives_v2(share: RangeInclusive<u32>, ns: &Namespace) -> Result {
    let service = ns.read("v1", "services/weir-app").await?;
    let port = service.pointer("/spec/ports/0/targetPort").and_then(Value::as_u64).context("it has a port")?;
    for pod in pods(&ns.sibling(SHARED)?).await? {
        let at = (pod.address, u16::try_from(port)?);
        eventually("v2 has its share", async || {
            let seen = versions_of(at, "shop.test", 40, 1).await?;
            Ok(share.contains(&seen.get("v2").copied().unwrap_or_default()))
        })
        .await?;
    }
    Ok(())
}

async fn versions_of(
    (address, port): (Ipv4Addr, u16),
    host: &str,
    count: u32,
    connections: u32,
) -> Result<BTreeMap<String, u32>> {
    let mut seen = BTreeMap::new();
    for _ in 0..connections {
        let stream = connect(address, port).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        for _ in 0..count / connections {
            let request = http::Request::get("/version").header("host", host).body(Empty::<Bytes>::new())?;
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let text = answer.into_body().collect().await?.to_bytes();
            *seen.entry(String::from_utf8_lossy(&text).trim().to_owned()).or_default() += 1;
        }
        connection.abort();
    }
    Ok(seen)
}

/// v2 got its share but for one request in each worker that took part, and all others went to v1.
fn near(seen: &BTreeMap<String, u32>, share: u32) -> Result {
    let v2 = seen.get("v2").copied().unwrap_or_default();
    ensure!(v2.abs_diff(share) <= WORKERS, "v2 got {v2} instead of {share}: {seen:?}");
    ensure!(seen.keys().all(|version| version == "v1" || version == "v2"), "{seen:?}");
    Ok(())
}

/// Visits without a pause until told to stop; how often. What failed is told with the time.
async fn visit(address: Ipv4Addr, stop: Rc<AtomicBool>, failed: Rc<RefCell<Vec<String>>>) -> u32 {
    let mut visits = 0;
    while !stop.load(Ordering::Relaxed) {
        visits += 1;
        let failure = match get(address, 80, "/").await {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("{} {:?} {}", answer.status, answer.headers, answer.text)),
            Err(problem) => Some(format!("{problem:#}")),
        };
        if let Some(failure) = failure {
            failed.borrow_mut().push(format!("{} {failure}", jiff::Timestamp::now()));
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    visits
}

/// The objects of a stream of YAML, by kind and name, without what only one of the tools writes.
fn objects(text: &str) -> Result<BTreeMap<String, Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("it is YAML")?;
    let mut objects = BTreeMap::new();
    for mut object in documents.into_iter().filter(|object| !object.is_null()) {
        let name = format!(
            "{} {}",
            object["kind"].as_str().unwrap_or("?"),
            object["metadata"]["name"].as_str().unwrap_or("?")
        );
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            for label in ["app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"] {
                labels.remove(label);
            }
        }
        if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0").and_then(Value::as_object_mut) {
            // The default, which the chart writes down.
            container.remove("imagePullPolicy");
        }
        objects.insert(name, sorted(object));
    }
    Ok(objects)
}

/// The same with the keys of every mapping in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, sorted(value))).collect::<BTreeMap<_, _>>().into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Two pods of weir, each with as many workers as the machine has cores, of which four connections reach four at most.
const WORKERS: u32 = 4;
