//! Ways through Kubernetes in a cluster of their own, where the whole of `deploy/` is installed as people install it: one shell
//! command after the other, each of which must go well.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};

use crate::cluster::{self, Cluster, Parts};
use crate::harness::Result;
use crate::{readme, removal};

/// Walks the way `name` in a process of its own, outside of the suite's cluster.
pub async fn begin(name: &str) -> Result {
    let mut walk = tokio::process::Command::new(std::env::current_exe()?);
    // It is outside again, so that it makes a cluster of its own.
    let walk = walk.env_remove("WEIR_CLUSTER_INSIDE").env(WALK, name).kill_on_drop(true).output().await?;
    let (told, errors) = (String::from_utf8_lossy(&walk.stdout), String::from_utf8_lossy(&walk.stderr));
    ensure!(walk.status.success(), "{told}\n{errors}");
    Ok(())
}

/// In the process that walks: how it ended. `None` in every other one.
pub fn main() -> Option<ExitCode> {
    let name = std::env::var(WALK).ok()?;
    Some(cluster::main(Parts::Plane, |cluster| {
        match name.as_str() {
            readme::WAY => readme::walk(cluster)?,
            removal::WAY => removal::walk(cluster)?,
            other => bail!("there is no way called {other}"),
        }
        Ok(ExitCode::SUCCESS)
    }))
}

/// Runs the commands, one after the other, from the root of the project; the first that fails ends it, with what the cluster
/// is like then.
pub fn follow(cluster: &Cluster, commands: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    for command in commands {
        println!("$ {command}");
        let mut shell = Command::new("sh");
        let status = cluster.equip(shell.args(["-c", &command]).current_dir(ROOT)).status()?;
        if !status.success() {
            let mut story = Command::new("sh");
            cluster.equip(story.args(["-c", STORY])).status()?;
            bail!("`{command}` with {} ended with {status}", cluster.kubeconfig().display());
        }
    }
    Ok(())
}

/// That the held fields of the Deployment `app` are these, soon: minReadySeconds, progressDeadlineSeconds, maxSurge.
pub fn fields_become(wanted: &str) -> String {
    let path = "{.spec.minReadySeconds} {.spec.progressDeadlineSeconds} {.spec.strategy.rollingUpdate.maxSurge}";
    let look = format!("kubectl get deployment app -o jsonpath=\"{path}\" | grep -qx \"{wanted}\"");
    format!("timeout 90 sh -c 'until {look}; do sleep 0.2; done' || {{ kubectl get deployment app -o yaml; false; }}")
}

/// The lines of the README's block that begins like this.
pub fn commands_of_the_readme(beginning: &str) -> anyhow::Result<Vec<String>> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md"))?;
    let mut blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let (block, _) = blocks
        .find(|(block, _)| block.starts_with(beginning))
        .with_context(|| format!("there is no block that begins with {beginning}"))?;
    Ok(block.lines().map(str::to_owned).collect())
}

/// Installs weir's own kinds.
pub const KINDS: &str = "kubectl apply --server-side -k deploy/crds";

/// While weir holds a Deployment.
pub const HELD: &str = "2147483646 2147483647 [0-9]*";

/// As the example's Deployment is found.
pub const FOUND: &str = "5 600 1";

/// Nothing of weir is left in the cluster.
pub const NOTHING_IS_LEFT: &str = "! kubectl get crd,namespaces,clusterroles,clusterrolebindings,gatewayclasses,ingressclasses,validatingadmissionpolicies -o name | grep weir";

/// For the reader of a failure.
const STORY: &str =
    "kubectl weir status; kubectl get all -A; kubectl -n weir-system logs -l app.kubernetes.io/name=weir";

/// Set in the process that walks.
const WALK: &str = "WEIR_WALK";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
