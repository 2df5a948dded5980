//! `cargo run --example cluster`: a whole Kubernetes on one's own machine in seconds, without Docker and without root.
//!
//! Opens a shell in which `kubectl`, `helm` and `weir` are there and speak to it. `-- COMMAND ARGS` runs that instead and ends
//! with its exit code. Leaving the shell ends everything and leaves nothing behind. What it consists of: [`cluster`].

#[path = "mod.rs"]
mod cluster;

use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;

use self::cluster::{Cluster, Parts};

/// A whole Kubernetes in an own network namespace: API server, controllers, scheduler, kube-proxy and a node
#[derive(Parser)]
struct Args {
    /// What to run in it; without it a shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    cluster::main(Parts::Plane, within)
}

fn within(cluster: &Cluster) -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let (program, rest) = match args.command.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => {
            eprint!("{WELCOME}");
            (std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned()), Vec::new())
        }
    };
    let mut command = Command::new(&program);
    let status = cluster.equip(command.args(rest)).status().with_context(|| format!("cannot run {program}"))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

const WELCOME: &str = "\
A cluster of one node, as long as this shell lives. In it:
  kubectl create deployment shop --image=weir/demo-app:v1 --replicas=3
  kubectl expose deployment shop --port=80 --target-port=8080 --type=LoadBalancer
  kubectl get pods,services -o wide        then curl the EXTERNAL-IP
  kubectl set image deployment/shop demo-app=weir/demo-app:v2
Images: weir/demo-app:TAG answers on port 8080 and says TAG is its version (its faults are environment variables: see
`weir demo-app --help`), weir/weir:TAG is this weir. TAG does-not-exist cannot be pulled, TAG crash crashes.
";
