//! A weir of a trial's own, just as `deploy/` has it and under its roles; but with a name of its own for what belongs to the
//! whole cluster, and with fewer seconds to wait.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::harness::{Namespace, Reply, Result, eventually, get_with};

/// Installs it with so many replicas; its GatewayClass is [`class`].
pub async fn install(ns: &Namespace, replicas: u32) -> Result {
    install_as(ns, replicas, &own_class(ns), &[]).await
}

/// The same, with another way to the API server.
pub async fn install_behind(ns: &Namespace, replicas: u32, (host, port): (&str, u16)) -> Result {
    install_as(ns, replicas, &own_class(ns), &api_server_at(host, port)).await
}

/// The variables that lead a pod to an API server.
pub fn api_server_at(host: &str, port: u16) -> Vec<Value> {
    let variable = |name: &str, value: String| json!({ "name": name, "value": value });
    vec![variable("KUBERNETES_SERVICE_HOST", host.to_owned()), variable("KUBERNETES_SERVICE_PORT", port.to_string())]
}

/// The class of the Gateways that [`install`]ed weirs serve.
pub fn class(ns: &Namespace) -> String {
    format!("weir-{}", ns.name)
}

fn own_class(ns: &Namespace) -> Class {
    Class { name: class(ns), controller: format!("weir.dev/{}", ns.name) }
}

/// A GatewayClass and its controller.
pub struct Class {
    pub name: String,
    pub controller: String,
}

/// The same with another class, and further variables in its environment.
pub async fn install_as(ns: &Namespace, replicas: u32, class: &Class, variables: &[Value]) -> Result {
    let mut items = objects(ns, class).await?;
    let deployment = items.iter_mut().find(|object| object["kind"] == "Deployment").context("there is a Deployment")?;
    deployment["spec"]["replicas"] = replicas.into();
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    container["env"].as_array_mut().context("it has variables")?.extend(variables.iter().cloned());
    // First, so that it holds from the beginning.
    items.insert(0, admin_token());
    ns.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await?;
    ns.kubectl("rollout status deployment/weir --timeout=180s").await.map(drop)
}

/// The Secret with the token by which trials ask a weir's control surface.
pub fn admin_token() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "weir-admin" }, "stringData": { "token": TOKEN },
    })
}

/// Takes away, in one command, all that [`install`] applied.
pub async fn uninstall(ns: &Namespace) -> Result {
    let items = objects(ns, &own_class(ns)).await?;
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    ns.run("kubectl", &["delete", "--timeout=180s", "-f", "-"], &list).await.map(drop)
}

/// The objects of `deploy/`, in the order in which they are applied.
async fn objects(ns: &Namespace, class: &Class) -> Result<Vec<Value>> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/base");
    let text = ns.run("kubectl", &["kustomize", &base.to_string_lossy()], "").await?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).context("it is YAML")?;
    Ok(documents.into_iter().filter_map(|object| adapted(object, ns, class)).collect())
}

/// An object of `deploy/` as the trial wants it; nothing of what it does not need.
fn adapted(mut object: Value, ns: &Namespace, class: &Class) -> Option<Value> {
    let own = format!("weir-{}", ns.name);
    match (object["kind"].as_str()?, object["metadata"]["name"].as_str()?) {
        ("GatewayClass", _) => {
            object["metadata"]["name"] = class.name.clone().into();
            object["spec"]["controllerName"] = class.controller.clone().into();
        }
        ("ClusterRole" | "ClusterRoleBinding", "weir") => object["metadata"]["name"] = own.clone().into(),
        ("ServiceAccount" | "Role" | "RoleBinding", "weir") => object["metadata"]["namespace"] = ns.name.clone().into(),
        ("Deployment", _) => {
            object["metadata"]["namespace"] = ns.name.clone().into();
            object["spec"]["minReadySeconds"] = 0.into();
            let container = &mut object["spec"]["template"]["spec"]["containers"][0];
            // Often, and with patience: the machine is busy with other trials.
            for (field, value) in [("periodSeconds", 1), ("timeoutSeconds", 10)] {
                container["readinessProbe"][field] = value.into();
            }
            container["args"].as_array_mut()?.push(format!("--controller-name={}", class.controller).into());
        }
        _ => return None,
    }
    if object["kind"] == "ClusterRoleBinding" {
        object["roleRef"]["name"] = own.into();
    }
    for subject in object["subjects"].as_array_mut().into_iter().flatten() {
        subject["namespace"] = ns.name.clone().into();
    }
    Some(object)
}

/// A pod of weir.
#[derive(Clone, Debug)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub address: Ipv4Addr,
    /// Whether it has ever run, and so has a log.
    has_run: bool,
}

/// The pods of weir that are not on their way out, by name.
pub async fn pods(ns: &Namespace) -> Result<Vec<Pod>> {
    pods_in(&ns.client, &ns.name).await
}

async fn pods_in(client: &kube::Client, namespace: &str) -> Result<Vec<Pod>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app.kubernetes.io%2Fname%3Dweir");
    let pods: Value = client.request(http::Request::get(path).body(Vec::new())?).await?;
    let pod = |pod: &Value| {
        let address = pod["status"]["podIP"].as_str()?.parse().ok()?;
        let metadata = &pod["metadata"];
        let text = |name: &str| metadata[name].as_str().map(str::to_owned);
        let container = &pod["status"]["containerStatuses"][0];
        let has_run = ["/state/running", "/state/terminated", "/lastState/terminated"];
        let has_run = has_run.iter().any(|state| container.pointer(state).is_some());
        let stays = metadata.get("deletionTimestamp").is_none();
        stays.then_some(Pod { name: text("name")?, uid: text("uid")?, address, has_run })
    };
    Ok(pods["items"].as_array().into_iter().flatten().filter_map(pod).collect())
}

/// The pods of weir: the one that leads, and the others.
pub async fn leader_and_others(ns: &Namespace) -> Result<(Pod, Vec<Pod>)> {
    let holder = ns.jsonpath("lease/weir", "{.spec.holderIdentity}").await?;
    let (leader, others): (Vec<_>, Vec<_>) = pods(ns).await?.into_iter().partition(|pod| pod.name == holder);
    Ok((leader.into_iter().next().context("one leads")?, others))
}

/// The port of the Gateway inside of weir's pods.
pub async fn port(ns: &Namespace) -> Result<u16> {
    let service = ns.read("v1", "services/weir-shop").await?;
    let port = service.pointer("/spec/ports/0/targetPort").and_then(Value::as_u64).context("it has a port")?;
    Ok(u16::try_from(port)?)
}

/// Waits until the status and every replica of weir say the same of a release: where its rollout is, and at which share.
pub async fn all_agree(ns: &Namespace, release: &str) -> Result {
    all_agree_in(ns, ns, release).await
}

/// The same of the weir in the namespace `weir`.
pub async fn all_agree_in(weir: &Namespace, ns: &Namespace, release: &str) -> Result {
    eventually("the status and all replicas agree", async || {
        let status = ns.read("weir.dev/v1alpha1", &format!("canaryreleases/{release}")).await?["status"].take();
        let last = status["decisions"].as_array().and_then(|all| all.last()).context("it was decided")?;
        let (phase, weight) = (&last["state"]["phase"], &status["weight"]);
        ensure!(*weight == last["state"]["weight"], "{weight} is not what was decided: {last}");
        let pods = pods(weir).await?;
        ensure!(!pods.is_empty(), "there is no replica");
        for pod in pods {
            let told = pod.ask_with(&format!("/releases/{}/{release}", ns.name), TOKEN).await?;
            // Once the Deployment has nothing but the promoted revision there is no canary any more.
            if told.status == 404 && phase == "promoted" {
                continue;
            }
            ensure!(told.status == 200, "{}: {} {}", pod.name, told.status, told.text);
            let told: Value = serde_json::from_str(&told.text)?;
            let own = (&told["phase"], &told["weight"]);
            ensure!(own == (phase, weight), "{} has {own:?}, the status {phase} and {weight}", pod.name);
        }
        Ok(true)
    })
    .await
}

impl Pod {
    /// The addresses that this replica sends requests for a Service to.
    pub async fn endpoints(&self, ns: &Namespace, service: &str) -> Result<BTreeSet<String>> {
        let backends: Vec<Value> = serde_json::from_str(&self.ask("/backends").await?)?;
        let of_service = format!("{}/{service}/", ns.name);
        let backends =
            backends.iter().filter(|backend| backend["name"].as_str().unwrap_or("").starts_with(&of_service));
        let endpoints = backends.flat_map(|backend| backend["endpoints"].as_array().into_iter().flatten());
        Ok(endpoints.filter_map(|endpoint| endpoint["address"].as_str().map(str::to_owned)).collect())
    }

    /// What the release says at this replica's control surface.
    pub async fn release(&self, ns: &Namespace, name: &str) -> Result<Value> {
        let reply = self.ask(&format!("/releases/{}/{name}", ns.name)).await?;
        Ok(serde_json::from_str(&reply)?)
    }

    /// The canary's share in force at this replica.
    pub async fn weight(&self, ns: &Namespace, release: &str) -> Result<String> {
        Ok(self.release(ns, release).await?["weight"].as_str().context("it has a weight")?.to_owned())
    }

    /// Requests that this replica knows the canary had.
    pub async fn canary_requests(&self, ns: &Namespace, release: &str) -> Result<u64> {
        self.release(ns, release).await?.pointer("/canary/requests").and_then(Value::as_u64).context("it counts")
    }

    /// Whether this replica leads, by its own word.
    pub async fn leads(&self) -> Result<bool> {
        Ok(self.ask("/metrics").await?.lines().any(|line| line == "weir_leader 1"))
    }

    /// The status that this token gets at the control surface.
    pub async fn answers(&self, token: &str) -> Result<u16> {
        Ok(self.ask_with("/metrics", token).await?.status)
    }

    async fn ask_with(&self, path: &str, token: &str) -> Result<Reply> {
        let (host, bearer) = (format!("{}:9180", self.address), format!("Bearer {token}"));
        get_with(self.address, 9180, path, &[("host", &host), ("authorization", &bearer)]).await
    }

    async fn ask(&self, path: &str) -> Result<String> {
        let reply = self.ask_with(path, TOKEN).await?;
        ensure!(reply.status == 200, "{path} of {}: {} {}", self.name, reply.status, reply.text);
        Ok(reply.text)
    }
}

/// Fails when a weir of these namespaces was ever refused something: it may do what it does, and tries nothing else.
pub async fn nothing_was_forbidden(client: &kube::Client, namespaces: [&str; 2]) -> Result {
    // A namespace that is being deleted refuses everybody.
    let is_refusal = |line: &&str| {
        let line = line.to_lowercase();
        line.contains("forbidden") && !line.contains("because it is being terminated")
    };
    for namespace in namespaces {
        for pod in pods_in(client, namespace).await?.into_iter().filter(|pod| pod.has_run) {
            let path = format!("/api/v1/namespaces/{namespace}/pods/{}/log", pod.name);
            let log = client.request_text(http::Request::get(path).body(Vec::new())?).await;
            let log = log.with_context(|| format!("the log of {} in {namespace}", pod.name))?;
            let refused: Vec<_> = log.lines().filter(is_refusal).collect();
            ensure!(refused.is_empty(), "{} in {namespace} was refused something: {refused:#?}", pod.name);
        }
    }
    Ok(())
}

const TOKEN: &str = "the-token-of-the-trials-weirs";
