//! The README's way through Kubernetes, walked by its own words in a cluster of its own: the commands install weir as a whole,
//! and take it away again.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::cluster::Cluster;
use crate::harness::{Namespace, Result, get};

pub async fn its_commands_lead_to_a_promoted_and_to_an_aborted_canary_and_take_weir_away_without_a_trace(
    _ns: Namespace,
) -> Result {
    let mut walk = tokio::process::Command::new(std::env::current_exe()?);
    // It is outside again, so that it makes a cluster of its own.
    let walk = walk.env_remove("WEIR_CLUSTER_INSIDE").env(WALK, "yes").kill_on_drop(true).output().await?;
    let (told, errors) = (String::from_utf8_lossy(&walk.stdout), String::from_utf8_lossy(&walk.stderr));
    ensure!(walk.status.success(), "{told}\n{errors}");
    Ok(())
}

/// The commands, one after the other, with people who visit meanwhile.
pub fn walk(cluster: &Cluster) -> anyhow::Result<ExitCode> {
    let commands = commands("kubectl apply --server-side -k deploy/kustomize")?;
    ensure!(commands.len() == 5, "the README promises five commands: {commands:#?}");
    let removal = commands_and_checks()?;
    let kubeconfig = cluster.kubeconfig();
    std::thread::Builder::new().name("visitors".to_owned()).spawn({
        let mut ask = Command::new("kubectl");
        cluster.equip(ask.args(["get", "gateway", "app", "-o", "jsonpath={.status.addresses[0].value}"]));
        move || visit(ask)
    })?;
    for command in commands.into_iter().chain(removal) {
        println!("$ {command}");
        let mut shell = Command::new("sh");
        let status = cluster.equip(shell.args(["-c", &command]).current_dir(ROOT)).status()?;
        if !status.success() {
            let mut story = Command::new("sh");
            let story = story.args([
                "-c",
                "kubectl weir status; kubectl get all -A; kubectl -n weir-system logs -l app.kubernetes.io/name=weir",
            ]);
            cluster.equip(story).status()?;
            anyhow::bail!("`{command}` with {} ended with {status}", kubeconfig.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The README's removal in the middle of a canary, and what has to hold then.
fn commands_and_checks() -> anyhow::Result<Vec<String>> {
    let path = "{.spec.minReadySeconds} {.spec.progressDeadlineSeconds} {.spec.strategy.rollingUpdate.maxSurge}";
    let fields = |wanted: &str| format!(r#"kubectl get deployment app -o jsonpath='{path}' | grep -x "{wanted}""#);
    let mut all = vec![fields("2147483646 2147483647 [0-9]*")];
    all.extend(commands("kubectl delete canaryreleases")?);
    all.push(fields("5 600 1"));
    all.push("kubectl rollout status deployment/app --timeout=2m".to_owned());
    let left = "kubectl get crd,namespaces,clusterroles,clusterrolebindings,gatewayclasses,ingressclasses -o name";
    all.push(format!("! {left} | grep weir"));
    Ok(all)
}

/// The lines of the README's block that begins like this.
fn commands(beginning: &str) -> anyhow::Result<Vec<String>> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md"))?;
    let mut blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let (block, _) = blocks
        .find(|(block, _)| block.starts_with(beginning))
        .with_context(|| format!("there is no block that begins with {beginning}"))?;
    Ok(block.lines().map(str::to_owned).collect())
}

/// Visits the Gateway's address, which `ask` prints once there is one, for as long as the cluster lives.
fn visit(mut ask: Command) -> anyhow::Result<()> {
    let address: Ipv4Addr = loop {
        let printed = ask.output()?.stdout;
        match String::from_utf8_lossy(&printed).parse() {
            Ok(address) => break address,
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let visitor = move || async move {
        loop {
            // What they think of it is weir's to find out.
            let _ = get(address, 80, "/").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let local = tokio::task::LocalSet::new();
    for _ in 0..VISITORS {
        local.spawn_local(visitor());
    }
    runtime.block_on(local);
    Ok(())
}

/// Set in the process that walks.
pub const WALK: &str = "WEIR_README_WALK";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How many visit at a time.
const VISITORS: usize = 16;
