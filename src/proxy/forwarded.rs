//! What weir tells the backend about the client: X-Forwarded-*, x-request-id, and who the client is for weir itself.
//!
//! What a client says about itself is believed only when it is one of the listener's trusted proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::seen::Seen;

/// Who is on the other end, and whether it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// The client: the peer, or what trusted proxies say of it.
    pub(super) address: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(super) trust: Trust,
}

/// Whether what the peer says about the client is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is a trusted proxy.
    Proxy,
    /// It is anybody.
    Stranger,
}

/// What is known of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The other end's address: see [`address_value`].
    pub(super) peer: &'a HeaderValue,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The authority that the client asked for.
    pub(super) authority: &'a HeaderValue,
}

impl Client {
    /// Finds the client of a request that `peer` sent: the last address in X-Forwarded-For that is no trusted proxy.
    ///
    /// From right to left, because everything left of the first stranger may be that stranger's invention. Where the list
    /// holds something that is no address, the search ends at the last good one.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        if trusted.is_empty() || !is_trusted(&peer) {
            return Self { address: peer, trust: Trust::Stranger };
        }
        let mut address = peer;
        let values: Vec<&HeaderValue> = headers.get_all(X_FORWARDED_FOR).iter().collect();
        'search: for value in values.into_iter().rev() {
            for entry in value.to_str().unwrap_or_default().rsplit(',') {
                let Some(next) = parse_address(entry) else { break 'search };
                address = next;
                if !is_trusted(&next) {
                    break 'search;
                }
            }
        }
        Self { address, trust: Trust::Proxy }
    }
}

/// Whether a field of this name is one by which proxies speak about clients, beside those that are set anew.
pub(super) fn is_from_proxy(name: &str) -> bool {
    STRANGERS_MUST_NOT.contains(&name)
}

/// Sets X-Forwarded-For, -Proto and -Host, and removes what a stranger must not say, if any of that was `seen`.
pub(super) fn apply(headers: &mut HeaderMap, seen: Seen, trust: Trust, origin: &Origin<'_>) {
    match trust {
        Trust::Stranger => {
            if seen.from_proxy {
                for name in STRANGERS_MUST_NOT {
                    headers.remove(name);
                }
            }
            headers.insert(X_FORWARDED_FOR, origin.peer.clone());
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(origin.scheme));
            headers.insert(X_FORWARDED_HOST, origin.authority.clone());
        }
        Trust::Proxy => {
            let known = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
            let list = known.chain(origin.peer.to_str().ok()).collect::<Vec<_>>().join(", ");
            if let Ok(list) = HeaderValue::from_str(&list) {
                headers.insert(X_FORWARDED_FOR, list);
            }
            headers.entry(X_FORWARDED_PROTO).or_insert_with(|| HeaderValue::from_static(origin.scheme));
            headers.entry(X_FORWARDED_HOST).or_insert_with(|| origin.authority.clone());
        }
    }
}

/// The id of a request: a trusted proxy's own, else a new one. It is set on `headers`, and returned.
pub(super) fn request_id(headers: &mut HeaderMap, trust: Trust, rng: &mut fastrand::Rng) -> HeaderValue {
    if trust == Trust::Proxy
        && let Some(id) = headers.get(X_REQUEST_ID).filter(|id| id.len() <= LONGEST_ID && !id.is_empty())
    {
        return id.clone();
    }
    let id = new_id(rng);
    headers.insert(X_REQUEST_ID, id.clone());
    id
}

/// A random UUID (version 4). It names a request in logs; it is no secret.
pub(super) fn new_id(rng: &mut fastrand::Rng) -> HeaderValue {
    let bits = (rng.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = [b'-'; 36];
    let mut place = 0;
    for (number, byte) in bits.to_be_bytes().into_iter().enumerate() {
        // 8-4-4-4-12 digits.
        place += usize::from(matches!(number, 4 | 6 | 8 | 10));
        text[place] = HEX[usize::from(byte >> 4)];
        text[place + 1] = HEX[usize::from(byte & 0xf)];
        place += 2;
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// How backends are told of `peer`.
pub(super) fn address_value(peer: IpAddr) -> HeaderValue {
    // Digits, dots and colons.
    HeaderValue::from_str(&peer.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// An entry of X-Forwarded-For: an address, perhaps with a port or in brackets.
fn parse_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let plain = entry.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()));
    let address = plain.or_else(|_| entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
    address.ok().map(|address| address.to_canonical())
}

/// The field that names a request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields by which proxies speak about clients, beside those that are set anew.
const STRANGERS_MUST_NOT: [&str; 6] =
    ["forwarded", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server", "x-forwarded-scheme", "x-real-ip"];

/// A longer id does not fit a line of the log.
const LONGEST_ID: usize = 128;

#[cfg(test)]
mod tests;
