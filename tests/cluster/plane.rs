//! The control plane: its processes with their flags, and what has to be true before anyone may use it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::future::select_all;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::network::{NODE, PODS, SERVICES, search_path};
use super::{HOME, Programs, kubelet};

/// The names under which the program of the control plane is called.
pub(super) const COMMANDS: &[&str] =
    &["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl", "helm"];

/// The processes of the control plane. Dropping it kills them.
pub(super) struct Plane {
    processes: Vec<(&'static str, Child)>,
}

/// Starts the control plane and waits until the API server answers.
pub(super) async fn start() -> anyhow::Result<Plane> {
    write_files()?;
    let mut plane = Plane { processes: Vec::new() };
    plane.spawn("etcd", &["/run/cluster/etcd.yaml"])?;
    plane.spawn("kube-apiserver", &api_server())?;
    plane
        .until("the API server is ready", async || {
            client().await?.request_text(get("/readyz")?).await.map_err(Into::into)
        })
        .await?;
    plane.spawn("kube-controller-manager", &controllers())?;
    plane.spawn("kube-scheduler", &scheduler())?;
    plane.spawn("kube-proxy", &proxy())?;
    Ok(plane)
}

/// An administrator's client.
pub(super) async fn client() -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(format!("{HOME}/kubeconfig"))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.read_timeout = None;
    Ok(Client::try_from(config)?)
}

impl Plane {
    /// Waits until pods can be made and the cluster's own and the project's resource definitions are served.
    pub(super) async fn wait(&self, programs: &Programs) -> anyhow::Result<()> {
        let client = client().await?;
        self.apply_definitions(programs).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        self.until("there is a ServiceAccount", async || Ok(accounts.get("default").await?)).await?;
        let nodes: Api<Node> = Api::all(client.clone());
        let untainted = async || {
            let node = nodes.get(kubelet::NAME).await?;
            ensure!(node.spec.and_then(|spec| spec.taints).is_none_or(|taints| taints.is_empty()), "it is tainted");
            Ok(())
        };
        self.until("pods may go to the node", untainted).await?;
        let document = async || Ok(client.request_text(get("/openapi/v2")?).await?);
        self.until("the API server describes itself", document).await?;
        Ok(())
    }

    /// Waits until one of the processes has ended, and names it.
    pub(super) async fn ended(&mut self) -> &'static str {
        if self.processes.is_empty() {
            return std::future::pending().await;
        }
        let waits = self.processes.iter_mut().map(|(_, child)| Box::pin(child.wait()));
        let (_, index, _) = select_all(waits).await;
        self.processes.remove(index).0
    }

    fn spawn(&mut self, name: &'static str, args: &[impl AsRef<std::ffi::OsStr>]) -> anyhow::Result<()> {
        let log = File::create(log(name))?;
        let child = Command::new(format!("{HOME}/bin/{name}"))
            .args(args)
            .env("PATH", search_path())
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        self.processes.push((name, child));
        Ok(())
    }

    /// Tries until it succeeds.
    ///
    /// # Errors
    /// When that takes too long, with the last lines of every log.
    async fn until<T>(&self, what: &str, attempt: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if Instant::now() > deadline => {
                    bail!("waited {PATIENCE:?} until {what}: {error:#}\n{}", self.logs());
                }
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = std::fs::read_to_string(log(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(8).collect();
            format!("{name}:\n  {}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n  "))
        };
        self.processes.iter().map(|(name, _)| tail(name)).collect()
    }

    /// Installs the Gateway API.
    async fn apply_definitions(&self, programs: &Programs) -> anyhow::Result<()> {
        apply("-f", &programs.gateway_crds()).await
    }
}

async fn apply(how: &str, what: &Path) -> anyhow::Result<()> {
    let mut kubectl = Command::new(format!("{HOME}/bin/kubectl"));
    kubectl.args(["apply", "--server-side", how]).arg(what).env("KUBECONFIG", "/run/cluster/kubeconfig");
    let output = kubectl.output().await?;
    ensure!(output.status.success(), "kubectl apply {}: {}", what.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn api_server() -> Vec<String> {
    flags(&[
        ("etcd-servers", "http://127.0.0.1:2379"),
        ("bind-address", &NODE.to_string()),
        ("advertise-address", &NODE.to_string()),
        ("cert-dir", "/run/cluster/pki"),
        ("token-auth-file", "/run/cluster/pki/tokens.csv"),
        ("service-account-issuer", "https://kubernetes.default.svc"),
        ("service-account-key-file", "/run/cluster/pki/accounts.pub"),
        ("service-account-signing-key-file", "/run/cluster/pki/accounts.key"),
        ("authorization-mode", "RBAC"),
        ("allow-privileged", "true"),
        // The node's name is known to nobody else.
        ("kubelet-preferred-address-types", "InternalIP"),
        ("service-cluster-ip-range", SERVICES),
        // What a test has ended does not keep the others waiting.
        ("shutdown-watch-termination-grace-period", "1s"),
    ])
}

fn controllers() -> Vec<String> {
    flags(&[
        ("kubeconfig", "/run/cluster/kubeconfig"),
        ("bind-address", "127.0.0.1"),
        ("leader-elect", "false"),
        ("root-ca-file", "/run/cluster/pki/apiserver.crt"),
        ("service-account-private-key-file", "/run/cluster/pki/accounts.key"),
        ("kube-api-qps", "1000"),
        ("kube-api-burst", "2000"),
        // A test does not wait a quarter of a minute for each step of an autoscaler.
        ("horizontal-pod-autoscaler-sync-period", "1s"),
    ])
}

fn scheduler() -> Vec<String> {
    flags(&[
        ("kubeconfig", "/run/cluster/kubeconfig"),
        ("bind-address", "127.0.0.1"),
        ("leader-elect", "false"),
        ("kube-api-qps", "1000"),
        ("kube-api-burst", "2000"),
    ])
}

fn proxy() -> Vec<String> {
    flags(&[
        ("kubeconfig", "/run/cluster/kubeconfig"),
        ("hostname-override", kubelet::NAME),
        ("proxy-mode", "nftables"),
        ("cluster-cidr", PODS),
        ("nodeport-addresses", "primary"),
        // The limits of the machine's connection table are not ours to set.
        ("conntrack-max-per-core", "0"),
        ("conntrack-min", "0"),
        ("conntrack-tcp-timeout-established", "0"),
        ("conntrack-tcp-timeout-close-wait", "0"),
    ])
}

fn flags(flags: &[(&str, &str)]) -> Vec<String> {
    flags.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

/// The files that the processes read.
fn write_files() -> anyhow::Result<()> {
    let key = rcgen::KeyPair::generate()?;
    let token = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    std::fs::write("/run/cluster/pki/accounts.key", key.serialize_pem())?;
    std::fs::write("/run/cluster/pki/accounts.pub", key.public_key_pem())?;
    std::fs::write("/run/cluster/pki/tokens.csv", format!("{token},admin,admin,system:masters\n"))?;
    std::fs::write("/run/cluster/etcd.yaml", ETCD)?;
    let kubeconfig = KUBECONFIG.replace("TOKEN", &token).replace("NODE", &NODE.to_string());
    std::fs::write("/run/cluster/kubeconfig", kubeconfig).context("cannot write the kubeconfig")
}

fn get(path: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

fn log(name: &str) -> String {
    format!("{HOME}/log/{name}")
}

/// The longest that a start may take: a machine that does much else is slow.
const PATIENCE: Duration = Duration::from_secs(120);

const ETCD: &str = "\
name: cluster
data-dir: /run/cluster/etcd
listen-client-urls: http://127.0.0.1:2379
advertise-client-urls: http://127.0.0.1:2379
listen-peer-urls: http://127.0.0.1:2380
initial-advertise-peer-urls: http://127.0.0.1:2380
initial-cluster: cluster=http://127.0.0.1:2380
unsafe-no-fsync: true
log-level: error
warning-unary-request-duration: 1000000000
";

/// The API server makes its certificate itself, and signs it itself: that is the authority, too.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
clusters:
- name: cluster
  cluster:
    server: https://NODE:6443
    certificate-authority: /run/cluster/pki/apiserver.crt
users:
- name: admin
  user:
    token: TOKEN
contexts:
- name: cluster
  context:
    cluster: cluster
    user: admin
current-context: cluster
";
