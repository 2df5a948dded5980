//! Which fields a request has, of those that are treated in some way.

use http::{HeaderMap, HeaderName};

use super::{forwarded, hop};

/// Most heads have hardly any of them: one look at each name costs less than a lookup of each field that might be there.
///
/// Of a head as it came. What is taken out of it afterwards is still seen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// One that concerns the client's connection alone: see [`hop::strip_request`].
    pub(super) hop_by_hop: bool,
    /// Upgrade.
    pub(super) upgrade: bool,
    /// Expect.
    pub(super) expect: bool,
    /// Cookie.
    pub(super) cookie: bool,
    /// Content-Type.
    pub(super) content_type: bool,
    /// Accept.
    pub(super) accept: bool,
    /// One by which proxies speak about clients: see [`forwarded::apply`].
    pub(super) from_proxy: bool,
}

impl Seen {
    /// Looks at `headers`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        headers.keys().for_each(|name| seen.note(name));
        seen
    }

    fn note(&mut self, name: &HeaderName) {
        match name.as_str() {
            "accept" => self.accept = true,
            "content-type" => self.content_type = true,
            "cookie" => self.cookie = true,
            "expect" => self.expect = true,
            "upgrade" => (self.upgrade, self.hop_by_hop) = (true, true),
            name if hop::is_hop_by_hop(name) => self.hop_by_hop = true,
            name if forwarded::is_from_proxy(name) => self.from_proxy = true,
            _ => {}
        }
    }
}
