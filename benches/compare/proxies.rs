//! The proxies under comparison: one configuration each, the same job in other words.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process::{self, Usage};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// This very build of weir.
    Weir,
    /// The machine's nginx.
    Nginx,
    /// The machine's HAProxy.
    Haproxy,
}

impl Kind {
    /// All of them, weir first.
    pub const ALL: [Self; 3] = [Self::Weir, Self::Nginx, Self::Haproxy];

    const fn program(self) -> &'static str {
        match self {
            Self::Weir => env!("CARGO_BIN_EXE_weir"),
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        })
    }
}

/// A running proxy. Dropping it ends it.
pub struct Proxy {
    /// Which.
    pub kind: Kind,
    /// What it says it is.
    pub version: String,
    /// Where it accepts clients.
    pub address: SocketAddr,
    child: Child,
}

impl Proxy {
    /// Starts a proxy in front of the two backends and waits until it accepts; `None` when it is not installed.
    pub fn start(kind: Kind, folder: &Path, backends: [SocketAddr; 2]) -> anyhow::Result<Option<Self>> {
        let Some(version) = version(kind) else { return Ok(None) };
        let address = free_address()?;
        let folder = folder.join(kind.to_string());
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(kind.program());
        match kind {
            Kind::Weir => {
                let file = write(&folder, "weir.yaml", &weir(address, backends))?;
                command.args(["run", "--config", &file, "--state-dir"]).arg(folder.join("state"));
            }
            Kind::Nginx => {
                let file = write(&folder, "nginx.conf", &nginx(address, backends))?;
                command.args(["-c", &file, "-e", "stderr", "-p"]).arg(&folder);
            }
            Kind::Haproxy => {
                let file = write(&folder, "haproxy.cfg", &haproxy(address, backends))?;
                command.args(["-db", "-f", &file]);
            }
        }
        let log = fs::File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {kind}"))?;
        let mut proxy = Self { kind, version, address, child };
        proxy.wait_until_open(&folder)?;
        Ok(Some(proxy))
    }

    /// What it has used so far.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        process::usage(self.child.id())
    }

    fn wait_until_open(&mut self, folder: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("{} does not accept connections:\n{log}", self.kind);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Proxy {
    /// Asks it to end, which takes nginx's workers along, and makes sure after a while.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line of what it says about itself; `None` when it is not there.
fn version(kind: Kind) -> Option<String> {
    let argument = if kind == Kind::Weir { "--version" } else { "-v" };
    let output = Command::new(kind.program()).arg(argument).output().ok()?;
    // nginx writes it to standard error.
    let text = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned();
    Some(line.split(" - ").next().unwrap_or_default().replace("nginx version: ", ""))
}

/// An address that was free a moment ago: nginx and HAProxy cannot say which port they were given.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let file = folder.join(name);
    fs::write(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

/// weir with everything on that is on by default, and a rollout that stays at 10% while every response is judged.
fn weir(address: SocketAddr, [stable, canary]: [SocketAddr; 2]) -> String {
    format!(
        r#"listeners:
  - name: web
    address: {address}
admin:
  address: 127.0.0.1:0
proxy:
  workers: 2
routes:
  - release: compare
backends:
  stable: {{ endpoints: ["{stable}"] }}
  canary: {{ endpoints: ["{canary}"] }}
releases:
  compare:
    stable: stable
    canary: canary
    steps: [{{ weight: 10%, atLeast: 24h }}]
"#
    )
}

fn nginx(address: SocketAddr, [stable, canary]: [SocketAddr; 2]) -> String {
    format!(
        r"worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  upstream split {{
    server {stable} weight=9;
    server {canary} weight=1;
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address} reuseport;
    location / {{
      proxy_pass http://split;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"
    )
}

fn haproxy(address: SocketAddr, [stable, canary]: [SocketAddr; 2]) -> String {
    format!(
        r"global
  nbthread 2
  maxconn 4096
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 60s
  option http-keep-alive
  option forwardfor
  http-reuse always
  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
frontend web
  bind {address}
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  default_backend split
backend split
  balance roundrobin
  server stable {stable} weight 90
  server canary {canary} weight 10
"
    )
}
