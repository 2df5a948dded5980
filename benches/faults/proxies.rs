//! The proxies, each with the configuration that its own documentation suggests for this: passive health checks, and repeats
//! of what may be repeated.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::PATIENCE;
use crate::matrix::{Proxy, weir_config};
use crate::program;

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// weir, see [`program::weir`].
    Weir,
    /// The machine's nginx.
    Nginx,
    /// The machine's HAProxy.
    Haproxy,
}

impl Kind {
    /// All of them, weir first.
    pub const ALL: [Self; 3] = [Self::Weir, Self::Nginx, Self::Haproxy];

    fn program(self) -> &'static Path {
        match self {
            Self::Weir => program::weir(),
            Self::Nginx => Path::new("nginx"),
            Self::Haproxy => Path::new("haproxy"),
        }
    }

    fn config(self, address: SocketAddr, upstreams: [SocketAddr; 4], round: u32) -> String {
        match self {
            Self::Weir => weir_config(address, upstreams, round),
            Self::Nginx => nginx(address, upstreams, round),
            Self::Haproxy => haproxy(address, upstreams, round),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        })
    }
}

/// The first line of what it says about itself; `None` when it is not there.
pub fn version(kind: Kind) -> Option<String> {
    let argument = if kind == Kind::Weir { "--version" } else { "-v" };
    let output = Command::new(kind.program()).arg(argument).output().ok()?;
    // nginx writes it to standard error.
    let text = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned();
    Some(line.split(" - ").next().unwrap_or_default().replace("nginx version: ", ""))
}

/// A running proxy. Dropping it ends it.
pub struct Running {
    /// Where it accepts clients.
    pub address: SocketAddr,
    kind: Kind,
    file: PathBuf,
    upstreams: [SocketAddr; 4],
    state: PathBuf,
    child: Child,
}

impl Running {
    /// Starts a proxy in front of `upstreams` and waits until it accepts.
    pub fn start(kind: Kind, folder: &Path, upstreams: [SocketAddr; 4]) -> anyhow::Result<Self> {
        // nginx and HAProxy cannot say which port they were given: one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (file, state) = (folder.join("config"), folder.join("state"));
        fs::write(&file, kind.config(address, upstreams, 0))?;
        let mut command = Command::new(kind.program());
        match kind {
            Kind::Weir => command.args(["run", "--config"]).arg(&file).arg("--state-dir").arg(&state),
            Kind::Nginx => command.arg("-c").arg(&file).args(["-e", "stderr", "-p"]).arg(folder),
            Kind::Haproxy => command.args(["-W", "-db", "-f"]).arg(&file),
        };
        let log = fs::File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {kind}"))?;
        let mut running = Self { address, kind, file, upstreams, state, child };
        running.wait_until_open(folder)?;
        Ok(running)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives the canary so many per cent, also after it has been aborted. Only weir.
    pub fn set_weight(&self, percent: u32) {
        for arguments in [&["retry", "shop"][..], &["set-weight", "shop", &format!("{percent}%")]] {
            let mut command = Command::new(self.kind.program());
            command.args(arguments).env("WEIR_STATE_DIR", &self.state).stdin(Stdio::null());
            // Where nothing was aborted there is nothing to retry.
            let _ = command.output();
        }
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_until_open(&mut self, folder: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if !self.is_alive() || Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("{} does not accept connections:\n{log}", self.kind);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn signal(&self, name: &str) {
        let _ = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
    }
}

impl Proxy for Running {
    fn reload(&mut self, round: u32) {
        let new = self.file.with_extension("new");
        let written = fs::write(&new, self.kind.config(self.address, self.upstreams, round));
        written.and_then(|()| fs::rename(&new, &self.file)).expect("the folder is ours");
        match self.kind {
            // It watches its file.
            Kind::Weir => {}
            Kind::Nginx => self.signal("HUP"),
            Kind::Haproxy => self.signal("USR2"),
        }
    }

    fn terminate(&mut self) {
        self.signal("TERM");
    }
}

impl Drop for Running {
    /// Asks it to end, which takes its workers along, and makes sure after a while.
    fn drop(&mut self) {
        self.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline && self.is_alive() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Repeats of idempotent requests are its default; statuses that say that nobody has handled the request are added, and a
/// limit on the wait for an answer that the clients' patience leaves room for.
fn nginx(address: SocketAddr, [one, two, three, four]: [SocketAddr; 4], round: u32) -> String {
    format!(
        r"worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_shutdown_timeout 30s;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream split {{
    server {one} weight=35;
    server {two} weight=35;
    server {three} weight=15;
    server {four} weight=15;
    keepalive 64;
  }}
  server {{
    listen {address};
    add_header X-Round {round};
    location / {{
      proxy_pass http://split;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_connect_timeout 2s;
      proxy_read_timeout 3s;
      proxy_next_upstream error timeout http_502 http_503 http_504;
    }}
  }}
}}
"
    )
}

/// With repeats of what may be repeated, on another server: of idempotent requests only, as its manual advises.
fn haproxy(address: SocketAddr, [one, two, three, four]: [SocketAddr; 4], round: u32) -> String {
    format!(
        r"global
  nbthread 2
  maxconn 4096
  hard-stop-after 30s
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 3s
  option http-keep-alive
  option redispatch 1
  retries 3
  http-reuse safe
frontend web
  bind {address}
  http-response set-header X-Round {round}
  default_backend split
backend split
  balance roundrobin
  retry-on conn-failure empty-response response-timeout 502 503 504
  http-request disable-l7-retry if METH_POST
  default-server observe layer7 error-limit 5 on-error mark-down inter 1s check
  server s1 {one} weight 35
  server s2 {two} weight 35
  server c1 {three} weight 15
  server c2 {four} weight 15
"
    )
}
