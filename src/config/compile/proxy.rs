//! What holds for the proxy as a whole, and its control surface.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::Compiler;
use super::listeners::collide;
use crate::config::defaults;
use crate::config::load::reason;
use crate::config::schema::AccessLogFormat;
use crate::config::suggest::suggest;
use crate::config::tree::At;
use crate::log_template::{self, Template};
use crate::route::HostPattern;
use crate::snapshot::{AccessLog, ClientPolicy};

/// Where the control surface is unless configured otherwise; [`defaults::ADMIN_ADDRESS`] in types.
pub(super) const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// Most threads that serve requests.
pub(super) const MAX_WORKERS: usize = 256;

impl Compiler<'_> {
    pub(super) fn client_policy(&mut self) -> ClientPolicy {
        let proxy = &self.file().proxy;
        let at = self.root().key("proxy");
        let (limits, times) = (at.key("limits"), at.key("timeouts"));
        if let Some(workers) = proxy.workers {
            self.within(&at.key("workers"), workers, 1, MAX_WORKERS as u32);
        }
        let written = &proxy.limits;
        let header_bytes = defaults::HEADER_BYTES.or(written.header_bytes);
        let connections = defaults::CONNECTIONS.or(written.connections);
        let header_count = defaults::HEADER_COUNT.or(written.header_count);
        let streams = defaults::HTTP2_STREAMS.or(written.http2_streams);
        ClientPolicy {
            connections: self.within(&limits.key("connections"), connections, 1, u32::MAX) as usize,
            header_bytes: self.within(&limits.key("headerBytes"), header_bytes, MIN_HEADER_BYTES, MAX_HEADER_BYTES)
                as usize,
            header_count: self.within(&limits.key("headerCount"), header_count, 1, MAX_HEADER_COUNT) as usize,
            body_bytes: written.body_bytes,
            http2_streams: self.within(&limits.key("http2Streams"), streams, 1, u32::MAX >> 1),
            handshake: self.positive(&times.key("handshake"), defaults::HANDSHAKE_TIMEOUT.or(proxy.timeouts.handshake)),
            header: self.positive(&times.key("header"), defaults::HEADER_TIMEOUT.or(proxy.timeouts.header)),
            keep_alive: self
                .positive(&times.key("keepAlive"), defaults::CLIENT_KEEP_ALIVE.or(proxy.timeouts.keep_alive)),
            drain_timeout: defaults::DRAIN_TIMEOUT.or(proxy.drain_timeout).0,
            drain_delay: defaults::DRAIN_DELAY.or(proxy.drain_delay).0,
        }
    }

    pub(super) fn access_log(&mut self) -> Option<AccessLog> {
        let log = &self.file().proxy.access_log;
        let at = self.root().key("proxy").key("accessLog");
        if log.template.is_some() && log.format != AccessLogFormat::Text && !at.lost("format") {
            self.error(&at.key_itself("template"), "a template is for the format `text` alone")
                .help("add `format: text`, or remove it");
        }
        let template = log.template.as_deref().unwrap_or(defaults::ACCESS_LOG_TEMPLATE.value);
        let template = Template::parse(template).map_err(|unknown| {
            let known = log_template::names();
            let hint = suggest(&unknown.0, known, "operators are ");
            let problem = self.error(&at.key("template"), unknown.to_string());
            problem.help(hint.unwrap_or_else(|| "for a percent sign write `%%`".to_owned()));
        });
        match log.format {
            AccessLogFormat::Off => None,
            AccessLogFormat::Text => Some(AccessLog::Text(template.ok()?.into())),
            AccessLogFormat::Json => Some(AccessLog::Json),
        }
    }

    pub(super) fn admin(&mut self) {
        let admin = &self.file().admin;
        let at = self.root().key("admin");
        let address = admin.address.unwrap_or(DEFAULT_ADMIN);
        if !address.ip().is_loopback() && admin.token_file.is_none() && !at.lost("tokenFile") {
            self.error(&at.key("address"), format!("others can reach {address}, and no token protects it"))
                .help("add `tokenFile: FILE`, or use an address like 127.0.0.1:9180");
        }
        let listeners = &self.file().listeners;
        if let Some(index) = listeners.iter().position(|listener| collide(listener.address, address)) {
            let there = self.root().key("listeners").item(index).key("address");
            let at = if admin.address.is_some() { at.key("address") } else { there };
            let message = format!("the listener `{}` and the control surface share {address}", listeners[index].name);
            self.error(&at, message).help("choose another port for one of them");
        }
        for (index, host) in admin.hosts.iter().enumerate() {
            if !matches!(HostPattern::parse(host), Ok(HostPattern::Exact(_))) {
                self.error(&at.key("hosts").item(index), format!("`{host}` is not a host"))
                    .help("write it like weir.example.com, without a port");
            }
        }
        if let Some(path) = &admin.token_file {
            self.token(path, &at.key("tokenFile"));
        }
    }

    /// The file must be there, with enough in it.
    fn token(&mut self, path: &Path, at: &At<'_>) {
        match self.loaded.read_text(path) {
            Ok(token) if token.trim().len() >= MIN_TOKEN => {}
            Ok(_) => {
                self.error(at, format!("the token in `{}` is shorter than {MIN_TOKEN} characters", path.display()))
                    .help("make one with `openssl rand -hex 32`");
            }
            Err(error) => {
                self.error(at, format!("`{}` cannot be read: {}", path.display(), reason(&error)))
                    .help("make one with `openssl rand -hex 32`; a relative path begins at the directory of the configuration file");
            }
        }
    }
}

/// Below, hyper refuses to work; and cookies alone can be 4 KiB.
const MIN_HEADER_BYTES: u32 = 8192;

/// Heads are held in memory: this many bytes for each connection.
const MAX_HEADER_BYTES: u32 = 1 << 20;

const MAX_HEADER_COUNT: u32 = 10_000;

/// As many as an override's secret.
const MIN_TOKEN: usize = 16;
