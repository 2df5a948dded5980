//! What weir has to be told about itself to serve a cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;

/// What weir has to be told about itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The controller that GatewayClasses name.
    pub controller: String,
    /// The name of this pod.
    pub pod: String,
    /// The namespace of weir's own pods.
    pub namespace: String,
    /// The labels of weir's own pods.
    pub selector: BTreeMap<String, String>,
    /// The address that listeners are bound to.
    pub address: IpAddr,
    /// The ports of weir's own pods that listeners may have.
    pub ports: RangeInclusive<u16>,
    /// The type of the Services of Gateways.
    pub service_type: String,
    /// The control surface.
    pub admin: SocketAddr,
    /// A file with the token that it asks for. Default: a new token, which is for loopback only.
    pub admin_token_file: Option<PathBuf>,
    /// Where a token comes from that may come and change later, such as an optional Secret: it is copied into
    /// `admin_token_file`.
    pub admin_token_source: Option<PathBuf>,
    /// Threads that serve requests. Default: one for each core.
    pub workers: Option<u32>,
}

impl Settings {
    /// Whether a pod of weir's namespace is one of weir's.
    pub fn is_weir(&self, pod: &Pod) -> bool {
        let labels = pod.metadata.labels.as_ref();
        self.selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    }
}
