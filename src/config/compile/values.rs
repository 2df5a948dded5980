//! Values that more than one section has: checked once, here.

use std::fmt::Display;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::Compiler;
use crate::config::load::Names;
use crate::config::suggest::suggest;
use crate::config::tree::At;
use crate::types::{Name, Span};

impl Compiler<'_> {
    /// A time that must not be zero.
    pub(super) fn positive(&mut self, at: &At<'_>, span: Span) -> Duration {
        if span.0.is_zero() {
            self.error(at, "this time must be longer than 0").help("write a duration like 500ms or 30s");
        }
        span.0
    }

    /// A number from `least` to `most`.
    pub(super) fn within<N: PartialOrd + Display + Copy>(&mut self, at: &At<'_>, number: N, least: N, most: N) -> N {
        if number < least {
            self.error(at, format!("{number} is too small")).help(format!("the smallest is {least}"));
        } else if number > most {
            self.error(at, format!("{number} is too large")).help(format!("the largest is {most}"));
        }
        number
    }

    /// The name of a field.
    pub(super) fn header_name(&mut self, at: &At<'_>, name: &str) -> Option<HeaderName> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        if parsed.is_none() {
            self.error(at, format!("`{name}` is not the name of a header field"))
                .help("use letters, digits and `-`, without blanks or a colon");
        }
        parsed
    }

    /// The value of a field.
    pub(super) fn header_value(&mut self, at: &At<'_>, value: &str) -> Option<HeaderValue> {
        let parsed = HeaderValue::from_str(value).ok();
        if parsed.is_none() {
            self.error(at, "this cannot be the value of a header field")
                .help("line ends and control characters cannot be in it");
        }
        parsed
    }

    /// A host with or without a port, as it goes into the Host field.
    pub(super) fn authority(&mut self, at: &At<'_>, host: &str) -> Option<HeaderValue> {
        let good = host.parse::<http::uri::Authority>().is_ok_and(|authority| !authority.as_str().contains('@'));
        if !good {
            self.error(at, format!("`{host}` is not a host"))
                .help("write it like shop.example.com or shop.example.com:8080");
            return None;
        }
        self.header_value(at, host)
    }

    /// A path that begins with a slash, with nothing in it that a request line cannot have.
    pub(super) fn path(&mut self, at: &At<'_>, path: &str) -> Option<Uri> {
        let uri = path.parse::<Uri>().ok().filter(|uri| path.starts_with('/') && uri.authority().is_none());
        if uri.is_none() {
            self.error(at, format!("`{path}` is not a path"))
                .help("it must begin with `/`; blanks and other special characters are written like %20");
        }
        uri
    }

    /// The URL of something that weir calls.
    pub(super) fn url(&mut self, at: &At<'_>, url: &str) -> Option<Uri> {
        let uri = url.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if uri.is_none() {
            self.error(at, format!("`{url}` is not a URL")).help("write it like http://127.0.0.1:9090");
        }
        uri
    }

    /// Says so when `name` is the name of nothing. `noun` is what it should be.
    pub(super) fn must_exist(&mut self, at: &At<'_>, noun: &str, name: &Name, known: &Names) {
        if known.know(name.as_str()) {
            return;
        }
        let count = known.iter().count();
        let help = suggest(name.as_str(), known.iter(), if count == 1 { "there is only " } else { "there are " });
        let nothing = count == 0;
        let section = format!("add it under `{noun}s:`");
        self.error(at, format!("there is no {noun} `{name}`")).maybe_help(help.or(nothing.then_some(section)));
    }
}

/// A token of HTTP: what the name of a cookie or a method may be.
pub(super) fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}
