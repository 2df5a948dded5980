//! What trials are written with: a namespace that goes when they end, `kubectl`, manifests, waiting and visiting.
//!
//! ```text
//! async fn a_canary_is_promoted(ns: Namespace) -> Result {
//!     ns.apply(&demo_app("shop", "v1", 3)).await?;                     // Deployment and LoadBalancer Service
//!     ns.kubectl("rollout status deployment/shop --timeout=180s").await?;
//!     let address = ns.balancer("shop").await?;                        // 10.245.x.y
//!     eventually("v1 answers", async || Ok(get(address, 80, "/version").await?.text == "v1\n")).await?;
//!     let ready = ns.read("apps/v1", "deployments/shop").await?["status"]["readyReplicas"].as_u64();
//!     ...
//! }
//! ```
//! A trial that wants to come between weir and the API server lets weir's pods have `KUBERNETES_SERVICE_HOST` 10.200.0.1 and
//! `KUBERNETES_SERVICE_PORT` a port that it listens on itself. Panics fail a trial as errors do. A failed trial shows the namespace's events and pods. Nothing outside of the namespace may be
//! changed; what belongs to the whole cluster (a GatewayClass, ClusterRoles) is given a name that has the namespace's in it.

#![allow(dead_code, reason = "what trials are written with, whether or not one needs it today")]

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::Cluster;
use super::weir::nothing_was_forbidden;

/// How a trial ends.
pub type Result<T = ()> = anyhow::Result<T>;

/// A Kubernetes namespace of a trial's own.
#[derive(Clone)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// An administrator's client, whose default namespace this is.
    pub client: kube::Client,
    kubeconfig: PathBuf,
    path: String,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Namespace {
    /// Runs `kubectl` with these arguments, separated by spaces, in this namespace; what it prints.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn kubectl(&self, arguments: &str) -> Result<String> {
        self.run("kubectl", &arguments.split_whitespace().collect::<Vec<_>>(), "").await
    }

    /// Applies a manifest to this namespace.
    pub async fn apply(&self, manifest: &str) -> Result {
        self.run("kubectl", &["apply", "-f", "-"], manifest).await.map(drop)
    }

    /// A value of an object, by kubectl's JSONPath; empty when there is none.
    pub async fn jsonpath(&self, object: &str, path: &str) -> Result<String> {
        self.run("kubectl", &["get", object, "-o", &format!("jsonpath={path}")], "").await
    }

    /// Runs a program of the cluster (`kubectl`, `helm`, `weir`) in this namespace with `input`; what it prints.
    pub async fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let output = self.try_run(program, arguments, input).await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {errors}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same, however it ends.
    pub async fn try_run(&self, program: &str, arguments: &[&str], input: &str) -> Result<std::process::Output> {
        let mut command = self.command(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().with_context(|| program.to_owned())?;
        child.stdin.take().context("it was piped")?.write_all(input.as_bytes()).await?;
        Ok(timeout(PROGRAM, child.wait_with_output()).await.with_context(|| format!("{program} {arguments:?}"))??)
    }

    /// A program of the cluster that knows this namespace, to be started as the trial likes. It ends with its `Child`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path).env("KUBECONFIG", &self.kubeconfig);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// An object of this namespace: `read("apps/v1", "deployments/shop")`. Costs little: what conditions ask with.
    pub async fn read(&self, version: &str, object: &str) -> Result<Value> {
        let root = if version.contains('/') { "apis" } else { "api" };
        let path = format!("/{root}/{version}/namespaces/{}/{object}", self.name);
        Ok(self.client.request(http::Request::get(path).body(Vec::new())?).await?)
    }

    /// Waits until the events of CanaryReleases have all of these: `Normal Started`.
    pub async fn tells(&self, wanted: &[&str]) -> Result {
        let path = r#"jsonpath={range .items[*]}{.type} {.reason}{"\n"}{end}"#;
        let arguments = ["get", "events", "--field-selector", "involvedObject.kind=CanaryRelease", "-o", path];
        eventually("all events are there", async || {
            let told = self.run("kubectl", &arguments, "").await?;
            ensure!(wanted.iter().all(|event| told.lines().any(|line| line == *event)), "{wanted:?} of\n{told}");
            Ok(true)
        })
        .await
    }

    /// Another namespace, which the trial makes and deletes.
    pub fn sibling(&self, name: &str) -> Result<Self> {
        let kubeconfig = kubeconfig_in(&self.kubeconfig, name)?;
        Ok(Self { name: name.to_owned(), kubeconfig, ..self.clone() })
    }

    /// The same namespace, to somebody who may do only what ServiceAccount `account` of it may.
    pub async fn seen_by(&self, account: &str) -> Result<Self> {
        let token = self.kubectl(&format!("create token {account}")).await?.trim().to_owned();
        let mut kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        for user in &mut kubeconfig.auth_infos {
            let token = Some(token.clone().into());
            user.auth_info = Some(kube::config::AuthInfo { token, ..Default::default() });
        }
        let path = self.kubeconfig.with_file_name(format!("{}-{account}.kubeconfig", self.name));
        // A token is hidden where it is printed, and this is where it is used.
        let mut text = serde_json::to_value(&kubeconfig)?;
        for user in text["users"].as_array_mut().into_iter().flatten() {
            user["user"]["token"] = token.clone().into();
        }
        std::fs::write(&path, text.to_string())?;
        let client = kube::Client::try_from(config(&path).await?)?;
        Ok(Self { client, kubeconfig: path, ..self.clone() })
    }

    /// The address of a LoadBalancer Service, once it has one.
    pub async fn balancer(&self, service: &str) -> Result<Ipv4Addr> {
        self.address("v1", &format!("services/{service}"), "/status/loadBalancer/ingress/0/ip").await
    }

    /// The address that an object shows at this JSON pointer, once it does.
    pub async fn address(&self, version: &str, object: &str, pointer: &str) -> Result<Ipv4Addr> {
        let found = Cell::new(None);
        eventually(&format!("{object} has an address at {pointer}"), async || {
            let object = self.read(version, object).await?;
            found.set(object.pointer(pointer).and_then(Value::as_str).and_then(|text| text.parse().ok()));
            Ok(found.get().is_some())
        })
        .await?;
        found.get().context("it has one")
    }

    /// What happened in it, for the reader of a failure.
    async fn story(&self) -> String {
        let mut story = String::new();
        for question in [
            "get all -o wide",
            "get events --sort-by=.lastTimestamp",
            "logs -l app.kubernetes.io/name=weir --tail=30",
            "-n weir-system get pods -o wide",
            "-n weir-system logs -l app.kubernetes.io/name=weir --tail=30",
        ] {
            let answer = self.kubectl(question).await.unwrap_or_else(|error| format!("{error:#}"));
            story.push_str(&format!("\n--- kubectl {question}\n{answer}"));
        }
        story
    }
}

/// Waits until `condition` holds.
///
/// # Errors
/// When it does not within [`PATIENCE`], with its last error, if it had one.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> Result<bool>) -> Result {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held = condition().await;
        if matches!(held, Ok(true)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            held.with_context(|| format!("waited {PATIENCE:?} until {what}"))?;
            bail!("waited {PATIENCE:?} until {what}");
        }
        sleep(POLL).await;
    }
}

/// GETs `path` on a connection of its own.
pub async fn get(address: Ipv4Addr, port: u16, path: &str) -> Result<Reply> {
    get_with(address, port, path, &[("host", "shop.test")]).await
}

/// The same with these fields; `host` has to be one of them.
pub async fn get_with(address: Ipv4Addr, port: u16, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    get_within(Duration::from_secs(10), (address, port), path, fields).await
}

/// The same, waiting for so long.
pub async fn get_within(
    patience: Duration,
    (address, port): (Ipv4Addr, u16),
    path: &str,
    fields: &[(&str, &str)],
) -> Result<Reply> {
    let mut request = http::Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let reply = async {
        let stream = connect(address, port).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        connection.abort();
        anyhow::Ok(Reply { status: head.status.as_u16(), headers: head.headers, text })
    };
    timeout(patience, reply).await.with_context(|| format!("{address}:{port}{path} did not answer"))?
}

/// Connects, from another port where that takes a second.
///
/// A connection whose first packet comes just when kube-proxy replaces its rules passes them untranslated, and so do all later
/// packets of it: nobody gets any of them. What is sent on a connection that was made is never repeated.
pub async fn connect(address: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    loop {
        if let Ok(connected) = timeout(Duration::from_secs(1), TcpStream::connect((address, port))).await {
            return connected;
        }
    }
}

/// A Deployment of the demo app and a Service of type LoadBalancer at port 80, both called `name`.
pub fn demo_app(name: &str, version: &str, replicas: u32) -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  strategy:
    rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: app
          image: weir/demo-app:{version}
          ports:
            - {{name: http, containerPort: 8080}}
          readinessProbe:
            httpGet: {{path: /healthz, port: http}}
            periodSeconds: 1
            timeoutSeconds: 10
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  type: LoadBalancer
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
"#
    )
}

/// Lists trials: `trials!(cluster, module, [function, ...])`.
macro_rules! trials {
    ($cluster:expr, $module:ident, [$($name:ident),* $(,)?]) => {
        vec![$($crate::harness::trial(
            $cluster,
            concat!(stringify!($module), "::", stringify!($name)),
            |namespace| Box::pin($module::$name(namespace)),
        )),*]
    };
}
pub(crate) use trials;

/// What a trial does, as [`trials`] boxes it.
pub type Body = fn(Namespace) -> std::pin::Pin<Box<dyn Future<Output = Result>>>;

/// One trial, for [`trials`].
pub fn trial(cluster: Option<&Cluster>, name: &str, body: Body) -> libtest_mimic::Trial {
    let place = cluster.map(|cluster| {
        let mut command = std::process::Command::new("kubectl");
        let variables = cluster.equip(&mut command).get_envs();
        let path = variables.filter(|(name, _)| *name == "PATH").find_map(|(_, value)| value);
        (cluster.kubeconfig(), path.unwrap_or_default().to_string_lossy().into_owned())
    });
    libtest_mimic::Trial::test(name.to_owned(), move || {
        let (kubeconfig, path) = place.ok_or("there is no cluster")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let play = async {
            let name = format!("trial-{}", COUNT.fetch_add(1, Ordering::Relaxed));
            let kubeconfig = kubeconfig_in(&kubeconfig, &name)?;
            let client = kube::Client::try_from(config(&kubeconfig).await?)?;
            play(Namespace { name, client, kubeconfig, path }, body).await
        };
        LocalSet::new().block_on(&runtime, play).map_err(|error| format!("{error:#}").into())
    })
}

/// A kubeconfig beside the administrator's whose namespace is `name`: every program finds it there.
fn kubeconfig_in(administrator: &Path, name: &str) -> Result<PathBuf> {
    let mut kubeconfig = Kubeconfig::read_from(administrator)?;
    for context in &mut kubeconfig.contexts {
        context.context.iter_mut().for_each(|context| context.namespace = Some(name.to_owned()));
    }
    let path = administrator.with_file_name(format!("{name}.kubeconfig"));
    std::fs::write(&path, serde_json::to_string(&kubeconfig)?)?;
    Ok(path)
}

async fn config(kubeconfig: &Path) -> Result<kube::Config> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// Makes the namespace, runs the trial in it, and takes it away again without waiting. No weir may have been refused anything:
/// neither the trial's own nor the one that trials share.
async fn play(namespace: Namespace, body: Body) -> Result {
    let keeper = namespace.clone();
    keeper.kubectl(&format!("create namespace {}", keeper.name)).await?;
    let account = async || Ok(keeper.read("v1", "serviceaccounts/default").await.is_ok());
    eventually("the namespace has its account", account).await?;
    let ended = tokio::task::spawn_local(timeout(LONGEST, body(namespace))).await;
    let ended = match ended {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) => Err(anyhow::anyhow!("it did not end within {LONGEST:?}")),
        Err(panic) => Err(anyhow::anyhow!("it panicked: {}", panic_text(panic))),
    };
    let ended = match ended {
        Ok(()) => nothing_was_forbidden(&keeper.client, [&keeper.name, SHARED]).await,
        Err(error) => Err(error),
    };
    let ended = match ended {
        Ok(()) => Ok(()),
        // Twice: of a long output people see the beginning or the end.
        Err(error) => Err(anyhow::anyhow!("{error:#}{}\n--- why it failed\n{error:#}", keeper.story().await)),
    };
    keeper.kubectl(&format!("delete namespace {} --wait=false", keeper.name)).await?;
    ended
}

fn panic_text(panic: tokio::task::JoinError) -> String {
    match panic.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

/// Where the weir is that trials share.
pub const SHARED: &str = "weir-system";

static COUNT: AtomicU32 = AtomicU32::new(1);

/// The longest that one thing may take.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The longest that a program may run, which has a shorter time of its own.
const PROGRAM: Duration = Duration::from_secs(200);

/// The longest that a trial may take.
const LONGEST: Duration = Duration::from_secs(600);

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(100);
