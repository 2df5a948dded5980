//! Where clients connect.

use std::net::SocketAddr;

use super::Compiler;
use crate::config::schema;
use crate::config::tree::At;
use crate::route::HostPattern;
use crate::snapshot::{Listener, TrafficKey};

impl Compiler<'_> {
    pub(super) fn listeners(&mut self) -> Vec<Listener> {
        let at = self.root().key("listeners");
        let listeners = &self.file().listeners;
        if listeners.is_empty() && self.root().is_written() && !at.lost_any() && !self.root().lost("listeners") {
            self.error(&at, "there is no listener")
                .help("weir needs an address for its clients: listeners: [{ name: web, address: \"127.0.0.1:8080\" }]");
        }
        self.distinct_listeners(listeners, &at);
        listeners.iter().enumerate().map(|(index, listener)| self.listener(listener, &at.item(index))).collect()
    }

    fn listener(&mut self, listener: &schema::Listener, at: &At<'_>) -> Listener {
        let key = TrafficKey { listener: listener.name.to_string(), ..TrafficKey::default() };
        Listener {
            name: listener.name.clone(),
            address: listener.address,
            host: self.listener_host(listener, at),
            public_port: listener.public_port,
            tls: listener.tls.as_ref().and_then(|tls| self.listener_tls(tls, &at.key("tls"))),
            trusted_proxies: listener.trusted_proxies.as_slice().into(),
            unrouted: self.leaves.traffic(key),
        }
    }

    /// What is wrong in it fits every host, after it has been reported.
    fn listener_host(&mut self, listener: &schema::Listener, at: &At<'_>) -> HostPattern {
        if listener.public_port == Some(0) {
            self.error(&at.key("publicPort"), "0 is not a port that clients can connect to");
        }
        let host = listener.host.as_deref().map(HostPattern::parse);
        self.pattern(host, &at.key("host")).unwrap_or_default()
    }

    /// No two with one name, and at one address only such as can be told apart.
    fn distinct_listeners(&mut self, listeners: &[schema::Listener], at: &At<'_>) {
        for (index, listener) in listeners.iter().enumerate() {
            let before = || listeners[..index].iter();
            if before().any(|other| other.name == listener.name) {
                let at = at.item(index).key("name");
                self.error(&at, format!("two listeners are named `{}`", listener.name))
                    .help("give each a name of its own");
            }
            let at = at.item(index).key("address");
            for other in before().filter(|other| collide(other.address, listener.address)) {
                if let Some((message, help)) = conflict(other, listener) {
                    self.error(&at, message).help(help);
                    break;
                }
            }
        }
    }
}

/// Why two listeners whose addresses collide cannot both be served.
fn conflict(first: &schema::Listener, second: &schema::Listener) -> Option<(String, &'static str)> {
    let name = &first.name;
    if first.address != second.address {
        let message = format!("this is part of {}, the address of the listener `{name}`", first.address);
        return Some((message, "choose another port"));
    }
    let host = |listener: &schema::Listener| listener.host.as_deref().and_then(|host| HostPattern::parse(host).ok());
    if host(first).unwrap_or_default() == host(second).unwrap_or_default() {
        let message = format!("the listener `{name}` has this address already");
        return Some((message, "choose another port, or give each a `host` of its own"));
    }
    let message = || format!("the listener `{name}` has this address already, and one of the two speaks TLS");
    (first.tls.is_some() != second.tls.is_some()).then(|| (message(), "choose another port, or let both have `tls`"))
}

/// Whether both cannot be bound at once. Port 0 is a new port each time; IPv4 and IPv6 are apart.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip()
        || (one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() != 0 && one.port() == other.port() && same_ip
}
