//! Startup, readiness and liveness probes, for real.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, ContainerPort, ExecAction, HTTPGetAction, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// A running container, as probes and hooks see it.
pub(super) struct Target {
    pub(super) address: Ipv4Addr,
    pub(super) ports: Vec<ContainerPort>,
    pub(super) pid: u32,
    pub(super) env: Vec<(String, String)>,
}

/// What a probe has said so far.
struct Trend {
    good: bool,
    streak: i32,
    successes: i32,
    failures: i32,
}

impl Trend {
    fn new(probe: &Probe, good: bool) -> Self {
        let threshold = |number: Option<i32>, default| number.unwrap_or(default).max(1);
        let failures = threshold(probe.failure_threshold, 3);
        Self { good, streak: 0, successes: threshold(probe.success_threshold, 1), failures }
    }

    /// Counts one answer; whether the container is good now.
    fn note(&mut self, good: bool) -> bool {
        self.streak = if good == self.good { 0 } else { self.streak + 1 };
        if self.streak >= if good { self.successes } else { self.failures } {
            self.good = good;
            self.streak = 0;
        }
        self.good
    }
}

/// Tells `told` whether the container has started and is ready whenever that is asked. Ends when it has to be killed.
pub(super) async fn watch(container: &Container, target: &Target, told: impl Fn(bool, bool)) {
    if let Some(probe) = &container.startup_probe {
        told(false, false);
        if !startup(probe, target).await {
            return;
        }
    }
    told(true, container.readiness_probe.is_none());
    let readiness = async {
        match &container.readiness_probe {
            Some(probe) => readiness(probe, target, |ready| told(true, ready)).await,
            None => std::future::pending().await,
        }
    };
    let liveness = async {
        match &container.liveness_probe {
            Some(probe) => liveness(probe, target).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = readiness => {}
        () = liveness => {}
    }
}

/// Does what a probe or a hook names: HTTP, a connection, or a command.
///
/// # Errors
/// Why it failed.
pub(super) async fn act(
    http: Option<&HTTPGetAction>,
    tcp: Option<&TCPSocketAction>,
    exec: Option<&ExecAction>,
    target: &Target,
) -> Result<(), String> {
    if let Some(http) = http {
        get(http, target).await
    } else if let Some(tcp) = tcp {
        let port = target.port(&tcp.port)?;
        TcpStream::connect((target.address, port)).await.map(drop).map_err(|error| error.to_string())
    } else if let Some(exec) = exec {
        run(exec, target).await
    } else {
        Err("only httpGet, tcpSocket and exec are supported".to_owned())
    }
}

/// Whether it started before it failed too often.
async fn startup(probe: &Probe, target: &Target) -> bool {
    sleep(seconds(probe.initial_delay_seconds, 0)).await;
    let mut failures = 0;
    loop {
        if once(probe, target).await {
            return true;
        }
        failures += 1;
        if failures >= probe.failure_threshold.unwrap_or(3) {
            return false;
        }
        sleep(seconds(probe.period_seconds, 10)).await;
    }
}

async fn readiness(probe: &Probe, target: &Target, told: impl Fn(bool)) {
    sleep(seconds(probe.initial_delay_seconds, 0)).await;
    let mut trend = Trend::new(probe, false);
    let mut pause = IMPATIENCE;
    loop {
        let ready = trend.note(once(probe, target).await);
        told(ready);
        if ready {
            pause = seconds(probe.period_seconds, 10);
        }
        sleep(pause).await;
    }
}

/// Ends when the container has failed too often.
async fn liveness(probe: &Probe, target: &Target) {
    sleep(seconds(probe.initial_delay_seconds, 0)).await;
    let mut trend = Trend::new(probe, true);
    loop {
        sleep(seconds(probe.period_seconds, 10)).await;
        if !trend.note(once(probe, target).await) {
            return;
        }
    }
}

async fn once(probe: &Probe, target: &Target) -> bool {
    let act = act(probe.http_get.as_ref(), probe.tcp_socket.as_ref(), probe.exec.as_ref(), target);
    matches!(timeout(seconds(probe.timeout_seconds, 1), act).await, Ok(Ok(())))
}

impl Target {
    fn port(&self, port: &IntOrString) -> Result<u16, String> {
        let number = match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let named = self.ports.iter().find(|port| port.name.as_ref() == Some(name));
                named.map(|port| port.container_port)
            }
        };
        number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| format!("there is no port {port:?}"))
    }
}

async fn get(action: &HTTPGetAction, target: &Target) -> Result<(), String> {
    if action.scheme.as_deref() == Some("HTTPS") {
        return Err("HTTPS probes are not supported".to_owned());
    }
    let port = target.port(&action.port)?;
    let host = action.host.clone().unwrap_or_else(|| target.address.to_string());
    let mut request =
        http::Request::get(action.path.as_deref().unwrap_or("/")).header("host", format!("{host}:{port}"));
    for field in action.http_headers.iter().flatten() {
        request = request.header(&field.name, &field.value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let status = async {
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The answer's head is all that counts.
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(request).await;
        drop(connection);
        anyhow::Ok(answer?.status())
    };
    match status.await {
        Ok(status) if (200..400).contains(&status.as_u16()) => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the command inside of the container.
async fn run(action: &ExecAction, target: &Target) -> Result<(), String> {
    let output = Command::new("/usr/bin/nsenter")
        .args(["--target", &target.pid.to_string(), "--mount", "--net", "--root", "--wd", "--"])
        .args(action.command.iter().flatten())
        .env_clear()
        .envs(target.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn seconds(number: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(default))
}

/// Between probes before the first success: tests wait for no whole period.
const IMPATIENCE: Duration = Duration::from_millis(100);
