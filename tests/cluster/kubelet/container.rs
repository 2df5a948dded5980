//! One container: started, probed, restarted with back-off, and ended.

use std::net::Ipv4Addr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod, PodSpec};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::super::images::{self, Image};
use super::super::network;
use super::pod::{Board, Ending, RETRY};
use super::probes::{self, Target};
use super::status::{Ended, Record, State};
use super::{Shared, environment, logs, volumes};

/// Where a pod's containers run.
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    pub(super) pod: Arc<Pod>,
    pub(super) address: Ipv4Addr,
    /// Logs and volumes.
    pub(super) folder: String,
}

/// A container's task.
struct Task {
    place: Arc<Place>,
    spec: Arc<PodSpec>,
    container: Container,
    index: usize,
    board: Arc<Board>,
    ending: Ending,
}

/// Runs the container at `index` of the board until it has ended for good or `ending` ends it.
pub(super) async fn run(place: Arc<Place>, spec: Arc<PodSpec>, index: usize, board: Arc<Board>, ending: Ending) {
    let container = spec.init_containers.iter().flatten().chain(&spec.containers).nth(index).cloned();
    let Some(container) = container else { return };
    let task = Task { place, spec, container, index, board, ending };
    let mut backoff = FIRST_BACKOFF;
    loop {
        let asked = task.ending.asked.clone();
        let Some((child, target)) = asked.run_until_cancelled(task.start()).await else { return };
        let Some(ended) = task.supervise(child, target).await else { return };
        if !task.starts_again(&ended) {
            return task.update(|record| record.over(ended));
        }
        let message = format!("back-off {}s restarting failed container", backoff.as_secs());
        task.update(|record| record.crashed(ended, message));
        if asked.run_until_cancelled(sleep(backoff)).await.is_none() {
            return;
        }
        task.update(|record| record.restarts += 1);
        backoff = (backoff * 2).min(LAST_BACKOFF);
    }
}

/// Lets all records wait for `message`; whether that is news.
pub(super) fn wait_all(records: &mut [Record], reason: &'static str, message: &str) -> bool {
    let waiting = State::Waiting { reason, message: message.to_owned() };
    let news = records.iter().any(|record| record.state != waiting);
    records.iter_mut().for_each(|record| record.state = waiting.clone());
    news
}

impl Record {
    /// Whether an init container lets the next one start.
    pub(super) fn is_done(&self) -> bool {
        matches!(&self.state, State::Over(ended) if ended.code == 0)
    }

    fn over(&mut self, ended: Ended) {
        self.state = State::Over(ended);
        self.ready = false;
        self.started = false;
    }

    fn crashed(&mut self, ended: Ended, message: String) {
        self.over(ended.clone());
        self.last = Some(ended);
        self.state = State::Waiting { reason: "CrashLoopBackOff", message };
    }
}

impl Task {
    fn update(&self, change: impl FnOnce(&mut Record)) {
        self.board.send_modify(|records| change(&mut records[self.index]));
    }

    fn wait(&self, reason: &'static str, message: String) {
        self.update(|record| record.state = State::Waiting { reason, message });
    }

    /// Tries until the process runs.
    async fn start(&self) -> (Child, Target) {
        let image = self.pull().await;
        loop {
            match self.spawn(&image).await {
                Ok(started) => return started,
                Err(error) => self.wait("CreateContainerConfigError", format!("{error:#}")),
            }
            sleep(RETRY).await;
        }
    }

    async fn pull(&self) -> Image {
        let reference = self.container.image.clone().unwrap_or_default();
        let mut backoff = FIRST_BACKOFF;
        loop {
            match images::pull(&reference, &self.place.shared.programs) {
                Ok(image) => return image,
                Err(error) => self.wait("ErrImagePull", error),
            }
            sleep(RETRY).await;
            self.wait("ImagePullBackOff", format!("Back-off pulling image {reference:?}"));
            sleep(backoff).await;
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    async fn spawn(&self, image: &Image) -> anyhow::Result<(Child, Target)> {
        let env = environment::resolve(&self.place, &self.spec, &self.container, image).await?;
        let command = environment::command(&self.container, image, &env);
        let mounts = volumes::mounts(&self.place, &self.container)?;
        let pod = &self.place.pod;
        let context = self.container.security_context.as_ref();
        let read_only = context.and_then(|context| context.read_only_root_filesystem).unwrap_or_default();
        let mut child = Command::new("nsenter")
            .arg(format!("--net={}", network::namespace(&pod.uid().unwrap_or_default())))
            .args(["unshare", "--mount", "sh", "-c", SCRIPT, "container.sh"])
            .arg(&image.program)
            .args([image.name, &self.place.address.to_string(), &pod.name_any()])
            .arg(if read_only { "ro" } else { "rw" })
            .args(mounts.iter().flat_map(|mount| mount.arguments()))
            .args(["--", "env", "-i", "-C", self.container.working_dir.as_deref().unwrap_or("/")])
            .args(env.iter().map(|(name, value)| format!("{name}={value}")))
            .args(command)
            .env_clear()
            .env("PATH", network::search_path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run nsenter")?;
        let restarts = self.board.borrow()[self.index].restarts;
        logs::keep(&mut child, &self.place.folder, &self.container.name, restarts)?;
        let target = Target {
            address: self.place.address,
            ports: self.container.ports.clone().unwrap_or_default(),
            pid: child.id().context("it has just been started")?,
            env,
        };
        Ok((child, target))
    }

    /// Probes the running container until it ends, by itself or not; `None` when the pod ends.
    async fn supervise(&self, mut child: Child, target: Target) -> Option<Ended> {
        let started = Timestamp::now();
        self.update(|record| record.state = State::Running { since: started });
        let probed = probes::watch(&self.container, &target, |started, ready| {
            self.board.send_if_modified(|records| {
                let record = &mut records[self.index];
                let news = (record.started, record.ready) != (started, ready);
                (record.started, record.ready) = (started, ready);
                news
            });
        });
        let hook = self.container.lifecycle.as_ref().and_then(|hooks| hooks.post_start.as_ref());
        let watched = async {
            if let Some(hook) = hook {
                let _ = run_hook(hook, &target).await;
            }
            probed.await;
        };
        let ended = |status: Option<ExitStatus>| ended(status, started);
        tokio::select! {
            status = child.wait() => Some(ended(status.ok())),
            () = watched => Some(ended(self.end(&mut child, &target, GRACE).await)),
            () = self.ending.asked.cancelled() => {
                let grace = self.ending.grace.get().copied().unwrap_or_default();
                let ended = ended(self.end(&mut child, &target, grace).await);
                self.update(|record| record.over(ended));
                None
            }
        }
    }

    /// The hook, SIGTERM, and SIGKILL when the time is over.
    async fn end(&self, child: &mut Child, target: &Target, grace: Duration) -> Option<ExitStatus> {
        let hook = self.container.lifecycle.as_ref().and_then(|hooks| hooks.pre_stop.as_ref());
        let gently = async {
            if let Some(hook) = hook {
                let _ = run_hook(hook, target).await;
            }
            signal(target.pid, Signal::TERM);
            child.wait().await
        };
        let ended = tokio::select! {
            ended = timeout(grace, gently) => ended.ok(),
            () = self.ending.forced.cancelled() => None,
        };
        if let Some(Ok(status)) = ended {
            return Some(status);
        }
        if let Some(group) = Pid::from_raw(target.pid.cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.wait().await.ok()
    }

    fn starts_again(&self, ended: &Ended) -> bool {
        let init = self.board.borrow()[self.index].init;
        match self.spec.restart_policy.as_deref() {
            Some("Never") => false,
            Some("OnFailure") => ended.code != 0,
            _ => !init || ended.code != 0,
        }
    }
}

fn ended(status: Option<ExitStatus>, started: Timestamp) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    // A signal's number is added to 128, as shells do.
    let code = status.map_or(137, |status| status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(255));
    Ended { code, reason: if code == 0 { "Completed" } else { "Error" }, started, at: Timestamp::now() }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

async fn run_hook(hook: &LifecycleHandler, target: &Target) -> Result<(), String> {
    if let Some(pause) = &hook.sleep {
        sleep(Duration::from_secs(u64::try_from(pause.seconds).unwrap_or_default())).await;
        return Ok(());
    }
    probes::act(hook.http_get.as_ref(), hook.tcp_socket.as_ref(), hook.exec.as_ref(), target).await
}

const SCRIPT: &str = include_str!("container.sh");

/// A real kubelet waits ten times as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(300);

/// Time that a container gets whose liveness probe fails.
const GRACE: Duration = Duration::from_secs(30);
