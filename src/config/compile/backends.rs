//! Named targets and their endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use xxhash_rust::xxh3::xxh3_128;

use super::Compiler;
use super::listeners::collide;
use crate::balancer::Balancer;
use crate::config::defaults;
use crate::config::schema;
use crate::config::tree::At;
use crate::endpoint::Endpoint;
use crate::health::outlier::OutlierPolicy;
use crate::snapshot::{Backend, BackendTls, Probe, Protocol, Queue};
use crate::stats::PerWorker;
use crate::types::Name;
use crate::upstream::tls::{Alpn, Pem, SubjectName, TlsError, client_config};

/// The names among the endpoints: what has to be resolved.
pub fn hosts(file: &schema::File) -> BTreeSet<String> {
    let endpoints = file.backends.values().flat_map(|backend| &backend.endpoints);
    let names = endpoints.filter_map(|endpoint| match split(endpoint)? {
        (Host::Name(name), _) => Some(name),
        (Host::Address(_), _) => None,
    });
    names.collect()
}

impl Compiler<'_> {
    pub(super) fn backends(&mut self) -> BTreeMap<Name, Arc<Backend>> {
        let at = self.root().key("backends");
        let backends = self.file().backends.iter();
        backends
            .map(|(name, backend)| (name.clone(), Arc::new(self.backend(name, backend, &at.key(name.as_str())))))
            .collect()
    }

    fn backend(&mut self, name: &Name, backend: &schema::Backend, at: &At<'_>) -> Backend {
        let times = at.key("timeouts");
        let schema::BackendTimeouts { connect, response, idle, keep_alive } = backend.timeouts;
        let connections = defaults::MAX_CONNECTIONS.or(backend.max_connections);
        Backend {
            name: name.clone(),
            endpoints: self.endpoints(name, backend, &at.key("endpoints")),
            unresolved: backend.unresolved,
            protocol: match backend.protocol {
                schema::Protocol::Auto => Protocol::Auto,
                schema::Protocol::Http1 => Protocol::Http1,
                schema::Protocol::Http2 => Protocol::Http2,
            },
            tls: backend.tls.as_ref().and_then(|tls| self.backend_tls(tls, backend.protocol, &at.key("tls"))),
            balancer: match backend.balancer {
                schema::Balancer::LeastLatency => Balancer::LeastLatency,
                schema::Balancer::RoundRobin => Balancer::RoundRobin,
            },
            cursor: PerWorker::new(self.leaves.workers),
            outlier: self.outlier(&backend.outlier, &at.key("outlier")),
            probe: backend.health_check.as_ref().and_then(|check| self.probe(check, &at.key("healthCheck"))),
            connect_timeout: self.positive(&times.key("connect"), defaults::CONNECT_TIMEOUT.or(connect)),
            response_timeout: self.positive(&times.key("response"), defaults::RESPONSE_TIMEOUT.or(response)),
            idle_timeout: self.positive(&times.key("idle"), defaults::IDLE_TIMEOUT.or(idle)),
            keep_alive: self.positive(&times.key("keepAlive"), defaults::BACKEND_KEEP_ALIVE.or(keep_alive)),
            max_connections: self.within(&at.key("maxConnections"), connections, 1, u32::MAX) as usize,
            max_pending: defaults::MAX_PENDING.or(backend.max_pending) as usize,
            queue: Queue {
                requests: defaults::QUEUE_REQUESTS.or(backend.queue.requests) as usize,
                time: defaults::QUEUE_FOR.or(backend.queue.time).0,
                live: self.leaves.queue(name),
            },
            budget: self.leaves.budget(name),
        }
    }

    fn endpoints(&mut self, backend: &Name, described: &schema::Backend, at: &At<'_>) -> Vec<Arc<Endpoint>> {
        let written = &described.endpoints;
        if described.unresolved && !written.is_empty() {
            self.error(at, format!("the backend `{backend}` is `unresolved`, and has endpoints"))
                .help("keep one of them");
        }
        if written.is_empty() && !described.unresolved && !at.lost_any() {
            self.warn(at, format!("the backend `{backend}` has no endpoint: its requests wait, and get 503"))
                .help("add one: endpoints: [127.0.0.1:9001]");
        }
        let mut endpoints: Vec<Arc<Endpoint>> = Vec::with_capacity(written.len());
        for (index, text) in written.iter().enumerate() {
            let at = at.item(index);
            if written[..index].contains(text) {
                self.error(&at, format!("the endpoint `{text}` is in this list twice")).help("remove one");
                continue;
            }
            for address in self.addresses(text, &at) {
                // Two names may resolve to one address: that is one endpoint.
                if !endpoints.iter().any(|known| known.address == address) {
                    endpoints.push(self.leaves.endpoint(backend, address, text));
                }
            }
        }
        endpoints
    }

    fn addresses(&mut self, text: &str, at: &At<'_>) -> Vec<SocketAddr> {
        let Some((host, port)) = split(text) else {
            self.error(at, format!("`{text}` is not an endpoint")).help(endpoint_help(text));
            return Vec::new();
        };
        let addresses = match &host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolved.get(name).cloned().unwrap_or_default(),
        };
        // Only what the file itself says: an answer of DNS is no reason to refuse a configuration.
        let own = match host {
            Host::Address(address) => Some(address),
            Host::Name(name) => (name == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        };
        if let Some(address) = own {
            self.not_weir(text, SocketAddr::new(address, port), at);
        }
        addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
    }

    fn not_weir(&mut self, text: &str, address: SocketAddr, at: &At<'_>) {
        if let Some(listener) = self.file().listeners.iter().find(|listener| reaches(address, listener.address)) {
            self.error(at, format!("`{text}` is weir itself: the listener `{}`", listener.name))
                .help("every request would go round in circles: name the address of the application");
        }
    }

    fn outlier(&mut self, outlier: &schema::Outlier, at: &At<'_>) -> OutlierPolicy {
        let failures = defaults::OUTLIER_FAILURES.or(outlier.consecutive_failures);
        OutlierPolicy {
            enabled: defaults::OUTLIER_ENABLED.or(outlier.enabled),
            consecutive_failures: self.within(&at.key("consecutiveFailures"), failures, 1, u32::MAX),
            ejection: self.positive(&at.key("ejection"), defaults::OUTLIER_EJECTION.or(outlier.ejection)),
            max_ejected: defaults::OUTLIER_MAX.or(outlier.max_ejected),
        }
    }

    fn probe(&mut self, check: &schema::HealthCheck, at: &At<'_>) -> Option<Probe> {
        let path = self.path(&at.key("path"), &check.path);
        let host = check.host.as_deref().and_then(|host| self.authority(&at.key("host"), host));
        let (good, bad) =
            (defaults::HEALTHY_AFTER.or(check.healthy_after), defaults::UNHEALTHY_AFTER.or(check.unhealthy_after));
        let interval = self.positive(&at.key("interval"), defaults::HEALTH_INTERVAL.or(check.interval));
        let timeout = self.positive(&at.key("timeout"), defaults::HEALTH_TIMEOUT.or(check.timeout));
        let healthy_after = self.within(&at.key("healthyAfter"), good, 1, MAX_IN_A_ROW);
        let unhealthy_after = self.within(&at.key("unhealthyAfter"), bad, 1, MAX_IN_A_ROW);
        Some(Probe { path: path?, host, interval, timeout, healthy_after, unhealthy_after })
    }

    fn backend_tls(&mut self, tls: &schema::BackendTls, protocol: schema::Protocol, at: &At<'_>) -> Option<BackendTls> {
        let server_name = tls.server_name.as_deref().map(|name| self.server_name(&at.key("serverName"), name));
        let ca = tls.ca.as_deref().map(|path| self.chain(path, &at.key("ca")).is_some());
        let pair = tls.client_certificate.as_ref();
        let identity = pair.map(|pair| self.certified_key(pair, &at.key("clientCertificate")).is_some());
        if ca == Some(false) || identity == Some(false) {
            return None;
        }
        let alpn = match protocol {
            schema::Protocol::Auto => Alpn::Any,
            schema::Protocol::Http1 => Alpn::Http1,
            schema::Protocol::Http2 => Alpn::Http2,
        };
        let names = self.subject_names(tls, &at.key("subjectAltNames"));
        match self.tls_client(tls, &names, alpn) {
            Ok(config) => Some(BackendTls { config, server_name: server_name.flatten() }),
            Err(error) => {
                self.error(at, error.to_string());
                None
            }
        }
    }

    /// The client in use, as long as it is made of the same files: connections are pooled by it.
    fn tls_client(
        &self,
        tls: &schema::BackendTls,
        names: &[SubjectName],
        alpn: Alpn,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let pair = tls.client_certificate.as_ref();
        let paths =
            [tls.ca.as_deref(), pair.map(|pair| pair.certificate.as_path()), pair.map(|pair| pair.key.as_path())];
        // That they can be read has been seen before; should one be gone by now, it is empty, and that is an error.
        let files = paths.map(|path| path.map(|path| (path, self.loaded.read(path).unwrap_or_default())));
        let made_of = format!(
            "{alpn:?} {names:?} {:?}",
            files.each_ref().map(|file| file.as_ref().map(|(_, bytes)| xxh3_128(bytes)))
        );
        let [ca, chain, key] = files.each_ref().map(|file| file.as_ref().map(|(path, bytes)| Pem { path, bytes }));
        self.leaves.tls_client(&made_of, || client_config(ca, chain.zip(key), names, alpn))
    }

    fn subject_names(&mut self, tls: &schema::BackendTls, at: &At<'_>) -> Vec<SubjectName> {
        let written = tls.subject_alt_names.iter().enumerate();
        let names = written.filter_map(|(index, name)| match name {
            schema::SubjectAltName::Hostname(name) => {
                self.server_name(&at.item(index).key("hostname"), name).map(SubjectName::Host)
            }
            schema::SubjectAltName::Uri(uri) => Some(SubjectName::Uri(uri.clone())),
        });
        names.collect()
    }

    fn server_name(&mut self, at: &At<'_>, name: &str) -> Option<ServerName<'static>> {
        let parsed = ServerName::try_from(name.to_owned()).ok();
        if parsed.is_none() {
            self.error(at, format!("`{name}` is not a name that a certificate can carry"))
                .help("write it like shop.example.com, without a port");
        }
        parsed
    }
}

/// The host of an endpoint.
enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

/// `host:port` apart.
fn split(text: &str) -> Option<(Host, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() > 0).then_some((Host::Address(address.ip()), address.port()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0 && !text.contains("/"))?;
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    // What ends in a number is an address that went wrong, and nothing that DNS knows.
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let good = name.len() <= 253 && !numeric && name.split('.').all(label);
    good.then(|| (Host::Name(host.to_ascii_lowercase()), port))
}

fn endpoint_help(text: &str) -> String {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest).split('/').next().unwrap_or_default();
    if text.starts_with("https://") {
        return format!("write `{}`, and `tls: {{}}` beside `endpoints`", with_port(bare, "443"));
    }
    match split(&with_port(bare, "80")) {
        Some(_) => format!("write it as host:port, such as {}", with_port(bare, "80")),
        None => "write it as host:port, such as 127.0.0.1:9001 or shop.example.com:80".to_owned(),
    }
}

fn with_port(host: &str, port: &str) -> String {
    if split(host).is_some() { host.to_owned() } else { format!("{host}:{port}") }
}

/// Whether a connection to `address` ends at `listener`, as far as the file tells.
fn reaches(address: SocketAddr, listener: SocketAddr) -> bool {
    let own = address.ip().is_loopback() || address.ip().is_unspecified();
    if listener.ip().is_unspecified() {
        own && collide(address, listener)
    } else {
        address == listener && listener.port() != 0
    }
}

/// More probes in a row than this are a typing error.
const MAX_IN_A_ROW: u32 = 100;
