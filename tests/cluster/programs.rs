//! The programs written in Go: built once for each version of their modules, and kept in the user's cache.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use xxhash_rust::xxh3::Xxh3;

/// How much is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each program that includes this module needs one of them")]
pub enum Parts {
    /// The control plane and the Gateway API's resource definitions.
    Plane,
    /// The Gateway API's conformance suite as well, and the program in its pods.
    Conformance,
}

/// Where the built programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    plane: PathBuf,
    gateway: PathBuf,
}

impl Programs {
    /// The places in the cache that belong to the modules as they are now.
    pub(super) fn locate() -> anyhow::Result<Self> {
        let cache = cache()?;
        Ok(Self { plane: cache.join(digest("plane", PLANE)), gateway: cache.join(digest("gateway", GATEWAY)) })
    }

    /// Builds what the cache does not have. Another process that builds is waited for.
    pub(super) fn build(&self, parts: Parts) -> anyhow::Result<()> {
        let (_plane, _gateway) = (lock(&self.plane)?, lock(&self.gateway)?);
        if !self.plane().exists() {
            eprintln!("building Kubernetes {KUBERNETES}, once; on two processors this takes five minutes");
            go_build("plane", &["build", "-ldflags", &ldflags()], ".", &self.plane())?;
        }
        if !self.gateway_crds().exists() {
            copy_gateway_crds(&self.gateway_crds())?;
        }
        if parts == Parts::Conformance && !self.conformance().exists() {
            eprintln!(
                "building the conformance suite of the Gateway API, once; on two processors this takes two minutes"
            );
            go_build("conformance", &["build"], ECHO, &self.echo())?;
            go_build("conformance", &["test", "-c"], ".", &self.conformance())?;
        }
        Ok(())
    }

    /// All components of the control plane, `kubectl` and `helm`.
    pub(super) fn plane(&self) -> PathBuf {
        self.plane.join("plane")
    }

    /// The Gateway API's resource definitions, standard channel.
    pub fn gateway_crds(&self) -> PathBuf {
        self.gateway.join("gateway-api.yaml")
    }

    /// What answers in the pods of the conformance suite.
    pub fn echo(&self) -> PathBuf {
        self.gateway.join("echo-basic")
    }

    /// The Gateway API's conformance suite.
    pub fn conformance(&self) -> PathBuf {
        self.gateway.join("conformance")
    }
}

/// Makes the folder and holds it for this process alone.
fn lock(folder: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(folder)?;
    let lock = File::create(folder.join("lock"))?;
    if lock.try_lock().is_err() {
        eprintln!("waiting for another process that builds {}", folder.display());
        lock.lock()?;
    }
    Ok(lock)
}

/// Runs `go WHAT -o PROGRAM PACKAGE` in one of the modules. The program appears whole or not at all.
fn go_build(module: &str, what: &[&str], package: &str, program: &Path) -> anyhow::Result<()> {
    let new = program.with_extension("new");
    let status = go(module).args(what).arg("-trimpath").arg("-o").arg(&new).arg(package).status()?;
    ensure!(status.success(), "go could not build {}", program.display());
    Ok(std::fs::rename(new, program)?)
}

fn copy_gateway_crds(to: &Path) -> anyhow::Result<()> {
    let status = go("conformance").args(["mod", "download", GATEWAY_API]).status()?;
    ensure!(status.success(), "go could not download {GATEWAY_API}");
    let listed = go("conformance").args(["list", "-m", "-f", "{{.Dir}}", GATEWAY_API]).output()?;
    let module = PathBuf::from(String::from_utf8(listed.stdout)?.trim());
    let folder = module.join("config/crd/standard");
    let mut files = std::fs::read_dir(&folder)
        .with_context(|| format!("no resource definitions in {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let texts = files.iter().map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(std::fs::write(to, texts.join("\n---\n"))?)
}

/// Why the programs cannot be built here, where they have not been built before.
pub(super) fn missing(parts: Parts) -> Option<String> {
    let Ok(output) = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output() else {
        return Some(format!("Go 1.{GO_MINOR} not found"));
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = version.strip_prefix("go1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    if minor < Some(GO_MINOR) {
        return Some(format!("Go 1.{GO_MINOR} not found, only {version}"));
    }
    let there = Programs::locate().ok()?;
    let wanted: [(bool, &str, &[&str]); 3] = [
        (!there.plane().exists(), "plane", &["list", "-deps", "."]),
        (!there.gateway_crds().exists(), "conformance", &["mod", "download", GATEWAY_API]),
        (
            parts == Parts::Conformance && !there.conformance().exists(),
            "conformance",
            &["list", "-deps", "-test", ".", ECHO],
        ),
    ];
    wanted.into_iter().filter(|(unbuilt, ..)| *unbuilt).find_map(|(_, module, what)| unavailable(module, what))
}

/// Runs `go WHAT`, which downloads what it needs of other modules. What cannot be downloaded, if that is why it fails.
fn unavailable(module: &str, what: &[&str]) -> Option<String> {
    let output = go(module).args(what).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Nothing but what is said about a download names an address.
    let trouble = said.lines().find(|line| line.contains("://")).filter(|_| !output.status.success())?;
    Some(format!("Go modules cannot be downloaded: {trouble}"))
}

/// `go`, to work in one of the modules.
fn go(module: &str) -> Command {
    let mut go = Command::new("go");
    go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster").join(module))
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off");
    go
}

fn cache() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(cache) = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache"))) else {
        bail!("set HOME or XDG_CACHE_HOME: built programs are kept there");
    };
    Ok(cache.join("weir/cluster"))
}

/// Names what is built from these sources.
fn digest(name: &str, sources: &[&[u8]]) -> String {
    let mut hash = Xxh3::new();
    for source in sources {
        hash.update(source);
    }
    format!("{name}-{:016x}", hash.digest())
}

/// Kubernetes says which version it is only when it is told.
fn ldflags() -> String {
    let version = "k8s.io/component-base/version";
    let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
    format!("-s -w -X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor=1 -X {version}.gitMinor={minor}")
}

/// As in `plane/go.mod`.
pub(super) const KUBERNETES: &str = "v1.36.1";

const GATEWAY_API: &str = "sigs.k8s.io/gateway-api";

const ECHO: &str = "sigs.k8s.io/gateway-api/conformance/echo-basic";

/// The oldest Go that builds the modules is 1.26.
const GO_MINOR: u32 = 26;

const PLANE: &[&[u8]] =
    &[include_bytes!("plane/go.mod"), include_bytes!("plane/go.sum"), include_bytes!("plane/main.go")];

const GATEWAY: &[&[u8]] = &[
    include_bytes!("conformance/go.mod"),
    include_bytes!("conformance/go.sum"),
    include_bytes!("conformance/conformance_test.go"),
];
