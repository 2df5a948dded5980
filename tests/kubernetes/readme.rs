//! The README's way through Kubernetes, walked by its own words: the commands install weir as a whole, and take it away again.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;

use crate::cluster::Cluster;
use crate::harness::{Namespace, Result, get};
use crate::walk::{self, FOUND, HELD, NOTHING_IS_LEFT, commands_of_the_readme, fields_become};

pub async fn its_commands_lead_to_a_promoted_and_to_an_aborted_canary_and_take_weir_away_without_a_trace(
    _ns: Namespace,
) -> Result {
    walk::begin(WAY).await
}

/// The commands, one after the other, with people who visit meanwhile.
pub fn walk(cluster: &Cluster) -> anyhow::Result<()> {
    let mut commands = commands_of_the_readme("kubectl apply --server-side -k deploy/kustomize")?;
    ensure!(commands.len() == 5, "the README promises five commands: {commands:#?}");
    // In the middle of a canary.
    commands.push(fields_become(HELD));
    commands.extend(commands_of_the_readme("kubectl delete canaryreleases")?);
    commands.push(fields_become(FOUND));
    commands.push("kubectl rollout status deployment/app --timeout=2m".to_owned());
    commands.push(NOTHING_IS_LEFT.to_owned());
    std::thread::Builder::new().name("visitors".to_owned()).spawn({
        let mut ask = Command::new("kubectl");
        cluster.equip(ask.args(["get", "gateway", "app", "-o", "jsonpath={.status.addresses[0].value}"]));
        move || visit(ask)
    })?;
    walk::follow(cluster, commands)
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

/// Its name.
pub const WAY: &str = "readme";

/// How many visit at a time.
const VISITORS: usize = 16;
