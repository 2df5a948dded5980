//! Where clients connect.

use std::net::SocketAddr;

use super::Compiler;
use crate::config::schema;
use crate::config::tree::At;
use crate::snapshot::{Listener, TrafficKey};

impl Compiler<'_> {
    pub(super) fn listeners(&mut self) -> Vec<Listener> {
        let at = self.root().key("listeners");
        let listeners = &self.file().listeners;
        if listeners.is_empty() && !at.lost_any() && !self.root().lost("listeners") {
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
            tls: listener.tls.as_ref().and_then(|tls| self.listener_tls(tls, &at.key("tls"))),
            trusted_proxies: listener.trusted_proxies.as_slice().into(),
            unrouted: self.leaves.traffic(key),
        }
    }

    /// No two with one name, no two at one address.
    fn distinct_listeners(&mut self, listeners: &[schema::Listener], at: &At<'_>) {
        for (index, listener) in listeners.iter().enumerate() {
            let before = || listeners[..index].iter();
            if before().any(|other| other.name == listener.name) {
                let at = at.item(index).key("name");
                self.error(&at, format!("two listeners are named `{}`", listener.name))
                    .help("give each a name of its own");
            }
            if let Some(other) = before().find(|other| collide(other.address, listener.address)) {
                let at = at.item(index).key("address");
                let message = match other.address == listener.address {
                    true => format!("the listener `{}` has this address already", other.name),
                    false => format!("this is part of {}, the address of the listener `{}`", other.address, other.name),
                };
                self.error(&at, message).help("choose another port");
            }
        }
    }
}

/// Whether both cannot be bound at once. Port 0 is a new port each time; IPv4 and IPv6 are apart.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip()
        || (one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() != 0 && one.port() == other.port() && same_ip
}
