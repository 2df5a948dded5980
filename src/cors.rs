//! Cross-origin requests (CORS): which origins may ask, and what their browsers are told. Pure.
//!
//! A browser asks first (the preflight) whether a page of one origin may send a request to another, and shows the page an
//! answer only if the answer says that it may. Both are decided here, as the Gateway API's CORS filter has it; the origin
//! that is allowed is always told by its own name, never by `*`, so that credentials work.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What pages of other origins may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Who may.
    pub origins: Vec<OriginPattern>,
    /// The methods.
    pub methods: Allowed,
    /// The request's fields.
    pub headers: Allowed,
    /// The response's fields that pages may read; `None`: only those that every page may.
    pub exposed: Option<HeaderValue>,
    /// Whether cookies and other credentials may come along.
    pub credentials: bool,
    /// How long, in seconds, a browser may remember the answer to a preflight.
    pub max_age: HeaderValue,
}

/// What a preflight is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// What everybody is allowed anyway.
    Nothing,
    /// Whatever it asks for.
    Everything,
    /// These, as a list.
    These(HeaderValue),
}

impl Cors {
    /// Whether a request is a browser's question.
    pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        *method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The origin of a request, if it may.
    pub fn allowed_origin<'a>(&self, request: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = request.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|pattern| pattern.fits(text)).then_some(origin)
    }

    /// The fields of the answer to the preflight `request`. An origin that may not is told nothing.
    pub fn preflight(&self, request: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        let origin = self.allowed_origin(request);
        self.tell(origin, &mut answer);
        if origin.is_some() {
            let mut allow = |name: HeaderName, allowed: &Allowed, asked: HeaderName| {
                if let Some(value) = allowed.told(request.get(asked)) {
                    answer.insert(name, value);
                }
            };
            allow(ACCESS_CONTROL_ALLOW_METHODS, &self.methods, ACCESS_CONTROL_REQUEST_METHOD);
            allow(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers, ACCESS_CONTROL_REQUEST_HEADERS);
            answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        answer
    }

    /// Adds to a response what `origin`, the allowed one of the request, may do. What the backend says of it is void.
    pub fn tell(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
            response.remove(name);
        }
        // Caches must not give one origin what was said to another.
        response.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(exposed) = &self.exposed {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
}

impl Allowed {
    fn told(&self, asked: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Everything => asked.cloned(),
            Self::These(list) => Some(list.clone()),
        }
    }
}

/// Which origins: `*`, or `SCHEME://HOST[:PORT]` where HOST may have one `*` that stands for any characters but a port.
/// Without a port it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    All,
    /// With what stands before and after the `*` of the host; without one the first is all of it.
    Some {
        scheme: Box<str>,
        before: Box<str>,
        after: Option<Box<str>>,
        port: u16,
    },
}

/// A text that is no pattern of origins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin")]
pub struct OriginError(String);

impl OriginPattern {
    /// From its text.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text == "*" {
            return Ok(Self(Kind::All));
        }
        let lower = text.to_ascii_lowercase();
        let wrong = || OriginError(text.to_owned());
        let (scheme, host, port) = parts(&lower).ok_or_else(wrong)?;
        let (before, after) = host.split_once('*').map_or((host, None), |(before, after)| (before, Some(after)));
        let good = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
        if host.is_empty() || !good(before) || !after.is_none_or(good) {
            return Err(wrong());
        }
        Ok(Self(Kind::Some { scheme: scheme.into(), before: before.into(), after: after.map(Into::into), port }))
    }

    /// Whether `origin` is one of them.
    pub fn fits(&self, origin: &str) -> bool {
        let Kind::Some { scheme, before, after, port } = &self.0 else { return true };
        let lower = origin.to_ascii_lowercase();
        let Some((its_scheme, host, its_port)) = parts(&lower) else { return false };
        let host_fits = match after {
            None => *host == **before,
            Some(after) => {
                host.strip_prefix(&**before).is_some_and(|rest| rest.len() > after.len() && rest.ends_with(&**after))
            }
        };
        *its_scheme == **scheme && its_port == *port && host_fits
    }
}

/// Scheme, host and port of an origin.
fn parts(origin: &str) -> Option<(&str, &str, u16)> {
    let (scheme, authority) = origin.split_once("://")?;
    let well_known = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_address..].rfind(':') {
        None => Some((scheme, authority, well_known)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            let port = port[1..].parse().ok().filter(|port| *port > 0)?;
            Some((scheme, host, port))
        }
    }
}

#[cfg(test)]
mod tests;
