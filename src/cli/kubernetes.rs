//! `weir kubernetes`: the daemon as the ingress of a cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::options::StateDir;
use crate::admin::Token;
use crate::app::{self, Source};
use crate::kubernetes::Settings;

/// What to serve.
#[derive(Debug, Args)]
pub(super) struct KubernetesArgs {
    /// The controller that GatewayClasses name
    #[arg(long, value_name = "NAME", default_value = "weir.dev/gateway-controller")]
    controller_name: String,
    /// The name of this pod. Default: $HOSTNAME, as pods have it
    #[arg(long, value_name = "NAME")]
    pod_name: Option<String>,
    /// The namespace of weir's own pods
    #[arg(long, value_name = "NAMESPACE", default_value = "weir-system")]
    pod_namespace: String,
    /// The labels of weir's own pods, which the Services of Gateways lead to
    #[arg(long, value_name = "KEY=VALUE,...", default_value = "app.kubernetes.io/name=weir", value_parser = labels)]
    pod_labels: Labels,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    listen_address: IpAddr,
    /// The ports of weir's own pods that listeners may have: a port for each port of each Gateway
    #[arg(long, value_name = "FIRST-LAST", default_value = "20000-29999", value_parser = ports)]
    listen_ports: RangeInclusive<u16>,
    /// The type of the Services that Gateways get
    #[arg(long, value_name = "TYPE", default_value = "LoadBalancer", value_parser = ["LoadBalancer", "NodePort", "ClusterIP"])]
    service_type: String,
    /// The address of the control surface, with health and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9180")]
    admin_address: SocketAddr,
    /// A file with the token that the control surface asks for; it may come and change later. While there is none, weir makes
    /// a token that nobody else knows
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Threads that serve requests. Default: one for each core
    #[arg(long, value_name = "NUMBER")]
    workers: Option<u32>,
    #[command(flatten)]
    state_dir: StateDir,
}

/// Labels, all of which a pod has.
type Labels = BTreeMap<String, String>;

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(args: &KubernetesArgs) -> anyhow::Result<ExitCode> {
    let state_dir = args.state_dir.path()?;
    let settings = Settings {
        controller: args.controller_name.clone(),
        pod: args.pod_name.clone().unwrap_or_else(hostname),
        namespace: args.pod_namespace.clone(),
        selector: args.pod_labels.clone(),
        address: args.listen_address,
        ports: args.listen_ports.clone(),
        service_type: args.service_type.clone(),
        admin: args.admin_address,
        admin_token_file: args.token_file(&state_dir)?,
        admin_token_source: args.admin_token_file.clone(),
        workers: args.workers,
    };
    app::run(app::Options { source: Source::Cluster(Box::new(settings)), state_dir })
}

impl KubernetesArgs {
    /// A file in the state directory, with the token of the file that is given as soon as there is one, and with a new one
    /// until then: health can be asked for from afar. None on loopback, where no file is given.
    fn token_file(&self, state_dir: &Path) -> anyhow::Result<Option<PathBuf>> {
        let given = self.admin_token_file.as_deref();
        if given.is_none() && self.admin_address.ip().is_loopback() {
            return Ok(None);
        }
        let own = state_dir.join("token");
        let token = match given.filter(|file| file.exists()) {
            Some(file) => Token::read(file)?,
            None => Token::generate()?,
        };
        token.write(&own).with_context(|| format!("{} cannot be written", own.display()))?;
        Ok(Some(own))
    }
}

/// The name of the pod, where nobody says it; a replica without a name must be no other's.
fn hostname() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| format!("weir-{:08x}", fastrand::u32(..)))
}

fn labels(text: &str) -> Result<Labels, String> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').ok_or("write KEY=VALUE, with commas between")?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    text.split(',').map(pair).collect()
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || "write it like 20000-29999".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong);
    let range = port(first)?..=port(last)?;
    if range.is_empty() { Err("the first port is above the last".to_owned()) } else { Ok(range) }
}
