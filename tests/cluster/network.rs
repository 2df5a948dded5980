//! The cluster's network: what is local, where pods are, and a network namespace for each of them.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The node. Not a loopback address: Kubernetes refuses those in endpoints.
pub(super) const NODE: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);

/// What pods see as the other end of their link.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);

/// What this machine lacks for it, if anything.
pub(super) fn missing() -> Option<String> {
    for (program, package) in [("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")] {
        if !has(program) {
            return Some(format!("{program} not found (Debian: apt-get install {package})"));
        }
    }
    let namespaces = ["--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "nft", "list", "tables"];
    let tried = command("unshare").args(namespaces).stdin(Stdio::null()).output();
    match tried {
        Ok(tried) if tried.status.success() => None,
        Ok(tried) => Some(format!("no namespaces for users here ({})", String::from_utf8_lossy(&tried.stderr).trim())),
        Err(error) => Some(format!("unshare does not run ({error})")),
    }
}

/// Makes the addresses of the cluster local, and `/run` a file system in memory. To be called inside of the namespaces.
pub(super) fn set_up() -> anyhow::Result<()> {
    run(command("mount").args(["-t", "tmpfs", "tmpfs", "/run"]))?;
    let rules = format!(
        "link set lo up\naddress add {NODE}/32 dev lo\nroute add {SERVICES} dev lo\nroute add {BALANCERS} dev lo\n"
    );
    batch(command("ip").args(["-batch", "-"]), &rules)?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot forward between pods")
}

/// Makes the network namespace `name` at [`namespace`], reachable at `address` from everywhere in the cluster.
pub(super) async fn add_pod(name: String, address: Ipv4Addr) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        run(command("ip").args(["netns", "add", &name]))?;
        let link = link(address);
        let here = format!(
            "link add {link} type veth peer name eth0 netns {name}\naddress add {GATEWAY}/32 dev {link}\n\
             link set {link} up\nroute add {address}/32 dev {link} src {GATEWAY}\n"
        );
        batch(command("ip").args(["-batch", "-"]), &here)?;
        let there = format!(
            "link set lo up\naddress add {address}/32 dev eth0\nlink set eth0 up\nroute add {GATEWAY} dev eth0\n\
             route add default via {GATEWAY}\n"
        );
        batch(command("ip").args(["-n", &name, "-batch", "-"]), &there)
    })
    .await?
}

/// Takes the address away, and then the network namespace.
pub(super) async fn remove_pod(name: String, address: Ipv4Addr) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        run(command("ip").args(["link", "delete", &link(address)]))?;
        run(command("ip").args(["netns", "delete", &name]))
    })
    .await?
}

/// The node's end of a pod's link.
fn link(address: Ipv4Addr) -> String {
    let [_, _, third, fourth] = address.octets();
    format!("pod{third}-{fourth}")
}

/// The file that stands for a pod's network namespace.
pub(super) fn namespace(name: &str) -> String {
    format!("/run/netns/{name}")
}

/// A command that is found where only root looks, too.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path());
    command
}

/// Where programs are searched.
pub(super) fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn has(program: &str) -> bool {
    search_path().split(':').any(|folder| std::path::Path::new(folder).join(program).is_file())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Runs `command` with `lines` as its input.
fn batch(command: &mut Command, lines: &str) -> anyhow::Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("it was piped")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip: {}, in:\n{lines}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Where Services are; kube-proxy sends on what is sent there.
pub(super) const SERVICES: &str = "10.96.0.0/16";

/// Where load balancers are.
const BALANCERS: &str = "10.245.0.0/16";

/// Where pods are.
pub(super) const PODS: &str = "10.244.0.0/16";
