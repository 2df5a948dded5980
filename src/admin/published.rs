//! `admin.json` in the state directory: how the command line on the same machine finds the running weir.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Token;

/// The content of `admin.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Where the control surface listens; loopback where it listens everywhere.
    pub address: SocketAddr,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The file that holds the token instead, where one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl Secret {
    /// The file in `state_dir`.
    pub fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("admin.json")
    }

    /// Reads it; an error of kind `NotFound` when weir does not run there.
    pub fn read(state_dir: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(Self::path(state_dir))?).map_err(Into::into)
    }
}

/// An `admin.json` that is there as long as this is.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    content: Vec<u8>,
}

impl Published {
    /// Writes `admin.json` into `state_dir`, which exists: readable by its owner alone, and never seen half written.
    ///
    /// A token from a file is not copied: the command line reads the file, with the rights of whoever calls it.
    pub fn write(state_dir: &Path, address: SocketAddr, token: &Token, token_file: Option<&Path>) -> io::Result<Self> {
        let secret = Secret {
            address: reachable(address),
            token: token_file.is_none().then(|| token.reveal().to_owned()),
            token_file: token_file.map(std::path::absolute).transpose()?,
        };
        let mut content = serde_json::to_vec(&secret)?;
        content.push(b'\n');
        let path = Secret::path(state_dir);
        let temporary = state_dir.join(format!(".admin.json.{}", std::process::id()));
        let written = write_private(&temporary, &content).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map(|()| Self { path, content })
    }
}

impl Drop for Published {
    /// Removes the file, unless another weir has written its own since.
    fn drop(&mut self) {
        if fs::read(&self.path).is_ok_and(|content| content == self.content) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file that was not there before, mode 0600. What a crash has left under this name goes first.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}

/// Where to call what is bound to `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
