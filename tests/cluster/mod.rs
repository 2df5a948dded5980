//! A test cluster: a real Kubernetes without Docker and without root, in a network namespace of its own.
//!
//! etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kube-proxy are the published ones, built once from the Go
//! module in `plane/` and kept in the user's cache ([`programs`]). A node that runs pods as processes ([`kubelet`]) and a
//! giver of load-balancer addresses ([`balancers`]) are ours. The program that wants a cluster calls [`main`]: it runs itself
//! again in fresh user, network, mount and process namespaces, so that the end of that process ends everything.
//!
//! | what | where |
//! |---|---|
//! | the node, and the API server at 6443 | 10.200.0.1 |
//! | pods, each in a network and mount namespace of its own | 10.244.0.0/16 |
//! | Services | 10.96.0.0/16 |
//! | load balancers | 10.245.0.0/16 |
//! | files: keys, kubeconfig, logs of the components, volumes | `/run/cluster`, seen only inside |

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test's support, not part of weir")]

mod balancers;
mod images;
mod kubelet;
mod network;
mod plane;
mod programs;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

pub use self::programs::{Parts, Programs};

/// A cluster that runs, seen from within its namespaces.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
}

impl Cluster {
    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        Path::new(HOME).join("kubeconfig")
    }

    /// The programs it was made of.
    #[allow(dead_code, reason = "not every program that includes this module needs it")]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Lets `command` find `kubectl`, `helm`, `weir`, and the cluster.
    pub fn equip<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{HOME}/bin:{path}")).env("KUBECONFIG", self.kubeconfig())
    }
}

/// Runs `within` in a new cluster, and ends as it ends; or says what is missing for one, and ends with [`MISSING`].
///
/// To be called first thing in `main`: the process runs itself again, with the same arguments. When it is called as `weir` it
/// is weir: what pods of weir's images run.
pub fn main(parts: Parts, within: impl FnOnce(&Cluster) -> anyhow::Result<ExitCode>) -> ExitCode {
    if called_as_weir() {
        return weir::cli::main();
    }
    let done = match std::env::var_os(INSIDE) {
        None => match missing(parts) {
            Some(what) => {
                eprintln!("skipped: {what}");
                return ExitCode::from(MISSING);
            }
            None => enter(parts).map(|never| match never {}),
        },
        Some(_) => Programs::locate().and_then(|programs| run(programs, within)),
    };
    done.unwrap_or_else(|error| {
        eprintln!("cluster: {error:#}");
        ExitCode::from(2)
    })
}

/// What this machine lacks for a cluster, if anything.
pub fn missing(parts: Parts) -> Option<String> {
    programs::missing(parts).or_else(network::missing)
}

/// Builds what is needed and becomes this very program in namespaces of its own.
fn enter(parts: Parts) -> anyhow::Result<std::convert::Infallible> {
    Programs::locate()?.build(parts)?;
    let own = std::env::current_exe()?;
    let error = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "yes")
        .exec();
    Err(error).context("cannot run unshare")
}

/// Starts the cluster on a thread of its own and calls `within` on this one. The end of the process is the end of it all.
fn run(programs: Programs, within: impl FnOnce(&Cluster) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    network::set_up()?;
    prepare(&programs)?;
    let (ready, is_ready) = oneshot::channel();
    let parts = programs.clone();
    std::thread::Builder::new().name("cluster".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, serve(parts, ready))
    })?;
    is_ready.blocking_recv().context("the cluster ended while it started")??;
    within(&Cluster { programs })
}

/// Starts everything, says when it is ready or why not, and keeps it going.
async fn serve(programs: Programs, ready: oneshot::Sender<anyhow::Result<()>>) -> anyhow::Result<()> {
    let started = async {
        let plane = plane::start().await?;
        let client = plane::client().await?;
        tokio::spawn(balancers::serve(client.clone()));
        kubelet::start(client, &programs).await?;
        plane.wait(&programs).await?;
        anyhow::Ok(plane)
    };
    match started.await {
        Ok(mut plane) => {
            let _ = ready.send(Ok(()));
            // Ctrl-C is for what runs inside, not for the cluster.
            let mut interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
            loop {
                tokio::select! {
                    name = plane.ended() => eprintln!("cluster: {name} has ended; its log is {HOME}/log/{name}"),
                    _ = interrupts.recv() => {}
                }
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
            Ok(())
        }
    }
}

/// Makes the folders, and the names under which the programs are called.
fn prepare(programs: &Programs) -> anyhow::Result<()> {
    for folder in ["bin", "log", "pods", "root", "etcd", "pki"] {
        std::fs::create_dir_all(Path::new(HOME).join(folder))?;
    }
    let bin = Path::new(HOME).join("bin");
    for name in plane::COMMANDS {
        std::os::unix::fs::symlink(programs.plane(), bin.join(name))?;
    }
    std::os::unix::fs::symlink(programs.conformance(), bin.join("conformance"))?;
    for name in ["weir", "kubectl-weir"] {
        std::os::unix::fs::symlink(images::weir(), bin.join(name))?;
    }
    Ok(())
}

fn called_as_weir() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    matches!(Path::new(&name).file_name().and_then(|name| name.to_str()), Some("weir" | "kubectl-weir"))
}

/// Exit code when something is missing on this machine: what test runners know as "skipped".
pub const MISSING: u8 = 77;

/// Set in the process that is inside.
const INSIDE: &str = "WEIR_CLUSTER_INSIDE";

/// Everything that the cluster writes; a file system in memory that ends with it.
const HOME: &str = "/run/cluster";
