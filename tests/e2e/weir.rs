//! The real binary under test: started from a file, asked through its admin API, stopped by signals.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::Client;

/// The longest that anything in these tests may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running weir with a folder of its own. Dropping it kills it.
pub struct Weir {
    /// Its folder: `weir.yaml`, `state/`, `log`.
    pub dir: TempDir,
    child: Running,
    admin: SocketAddr,
    token: String,
    listeners: HashMap<String, SocketAddr>,
}

impl Weir {
    /// Starts `weir run` on `config` and waits until it serves. Listeners should use port 0.
    pub async fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder for temporary files");
        std::fs::write(dir.path().join("weir.yaml"), config).expect("the folder is ours");
        Self::start_in(dir).await
    }

    async fn start_in(dir: TempDir) -> Self {
        let child = spawn(dir.path());
        let mut weir = Self {
            dir,
            child,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: String::new(),
            listeners: HashMap::new(),
        };
        weir.wait_until_ready().await;
        weir
    }

    /// Kills it without warning and starts it again in the same folder.
    pub async fn kill_and_restart(mut self) -> Self {
        self.child.0.kill().expect("it was running");
        self.ended().await;
        self.restart().await
    }

    /// Starts it again in the same folder, after it has ended.
    pub async fn restart(self) -> Self {
        let Self { dir, .. } = self;
        let _ = std::fs::remove_file(dir.path().join("state/admin.json"));
        Self::start_in(dir).await
    }

    /// Where listener `name` accepts clients.
    pub fn address(&self, name: &str) -> SocketAddr {
        *self.listeners.get(name).unwrap_or_else(|| panic!("no listener {name} in {:?}", self.listeners))
    }

    /// A keep-alive client of listener `web`.
    pub async fn client(&self) -> Client {
        Client::connect(self.address("web")).await
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.0.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "not ended in time:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Replaces the configuration file, as an editor does: a new file that is renamed over the old one.
    pub fn write_config(&self, config: &str) {
        let new = self.dir.path().join("weir.yaml.new");
        std::fs::write(&new, config).expect("the folder is ours");
        std::fs::rename(new, self.dir.path().join("weir.yaml")).expect("the folder is ours");
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// GETs a path of the admin API, with the token, as JSON.
    pub async fn admin(&self, path: &str) -> Value {
        let reply = self.admin_call("GET", path, None).await;
        serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{path}: {error}: {reply}"))
    }

    /// POSTs to a path of the admin API.
    pub async fn post(&self, path: &str, body: Option<Value>) -> String {
        self.admin_call("POST", path, body).await
    }

    /// GETs `/metrics`.
    pub async fn metrics(&self) -> String {
        self.admin_call("GET", "/metrics", None).await
    }

    /// The status of `/readyz`.
    pub async fn ready(&self) -> u16 {
        Client::connect(self.admin).await.get_with("/readyz", &[]).await.status.as_u16()
    }

    async fn admin_call(&self, method: &str, path: &str, body: Option<Value>) -> String {
        let mut client = Client::connect(self.admin).await;
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.admin.to_string())
            .header("authorization", format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(String::new, |body| body.to_string());
        client.send(request.body(body.into()).expect("a valid request")).await.text()
    }

    /// The status of release `name`.
    pub async fn release(&self, name: &str) -> Value {
        self.admin(&format!("/releases/{name}")).await
    }

    /// Waits until the release's status satisfies `condition`; panics with the last status and the log when it does not in time.
    pub async fn wait_for(&self, release: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.release(release).await;
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "not {what} in time: {status:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the metrics have `line`.
    pub async fn wait_for_metric(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.metrics().await.contains(line) {
            assert!(Instant::now() < deadline, "not {line} in time:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the release is in `phase`.
    pub async fn wait_for_phase(&self, release: &str, phase: &str) -> Value {
        self.wait_for(release, phase, |status| status["phase"] == phase).await
    }

    /// Runs another weir command against this one; gives exit code, standard output and standard error.
    pub async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = command(self.dir.path());
        command.args(arguments).env("WEIR_STATE_DIR", self.dir.path().join("state"));
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .expect("it ends in time")
            .expect("no panic")
            .expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let file = self.dir.path().join("state/admin.json");
        loop {
            if let Some(ended) = self.child.0.try_wait().expect("it is our child") {
                panic!("weir ended at its start with {ended}:\n{}", self.log());
            }
            if let Some((admin, token)) = read_admin(&file) {
                self.admin = admin;
                self.token = token;
                break;
            }
            assert!(Instant::now() < deadline, "not started in time:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let listeners = self.admin("/listeners").await;
        for listener in listeners.as_array().expect("a list of listeners") {
            let text = |key: &str| listener[key].as_str().unwrap_or_default().to_owned();
            self.listeners.insert(text("name"), text("address").parse().expect("an address"));
        }
    }
}

/// `weir` in `dir`, without variables that would change what it does.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(dir).env_remove("WEIR_CONFIG").env_remove("WEIR_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A child process that does not outlive its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(dir: &Path) -> Running {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("the folder is ours");
    let mut command = command(dir);
    command.args(["run", "--config", "weir.yaml", "--state-dir", "state"]).stdout(Stdio::null()).stderr(log);
    Running(command.spawn().expect("weir was built"))
}

fn read_admin(file: &PathBuf) -> Option<(SocketAddr, String)> {
    let text = std::fs::read_to_string(file).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    Some((value["address"].as_str()?.parse().ok()?, value["token"].as_str()?.to_owned()))
}
