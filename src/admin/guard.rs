//! Who may ask, decided from the head of a request alone. Pure.
//!
//! A browser on the operator's machine can be made to send requests here by any page it shows: they carry `Origin` or
//! `Sec-Fetch-Site`, or, after DNS rebinding, a `Host` of the attacker's. All three are refused, and there is no CORS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, StatusCode};

use super::access::Access;
use super::answer::Refusal;

/// The two ends of a connection to the control surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Where the control surface is bound.
    pub(super) bound: SocketAddr,
    /// The address of this machine that the caller connected to.
    pub(super) local: IpAddr,
    /// The caller.
    pub(super) peer: IpAddr,
}

/// What a caller must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: for probes.
    Nothing,
    /// The token, unless the control surface is on loopback.
    TokenFromAfar,
    /// The token.
    Token,
}

/// Refuses requests of other sites and for foreign hosts.
pub(super) fn check_origin(head: &Parts, ends: &Ends, access: &Access) -> Result<(), Refusal> {
    let host = host(head)?;
    if !is_own_host(&host, ends, &access.hosts) {
        let hint = "call it by its address or as localhost, or add the name to admin.hosts";
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, format!("`{host}` is not weir's own name"), hint));
    }
    let site = single(&head.headers, &SEC_FETCH_SITE)?;
    let foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = single(&head.headers, &ORIGIN)?;
    let foreign_origin =
        origin.is_some_and(|origin| origin.split_once("://").is_none_or(|(_, it)| it != host.as_str()));
    if foreign_site || foreign_origin {
        let hint = "pages of other sites may not call weir: use the command line, or curl";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "a request from another site", hint));
    }
    Ok(())
}

/// Refuses callers without the token, at uptime `now`.
///
/// From afar an address that guesses waits, whatever it shows next. On loopback an address is nobody in particular: whoever
/// shows the right token is let in, so that no other local user can lock the operator out; guesses still end in 429.
pub(super) fn check_token(
    head: &Parts,
    ends: &Ends,
    needs: Needs,
    access: &Access,
    now: Duration,
) -> Result<(), Refusal> {
    if needs == Needs::Nothing || (needs == Needs::TokenFromAfar && ends.bound.ip().is_loopback()) {
        return Ok(());
    }
    let mut throttle = access.throttle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let must_wait = throttle.must_wait(ends.peer, now);
    if must_wait && !ends.peer.is_loopback() {
        return Err(too_many());
    }
    let Some(shown) = bearer(&head.headers) else {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "a token is needed",
            "send `authorization: Bearer TOKEN`; the token is in admin.json in weir's state directory, or in admin.tokenFile",
        ));
    };
    if access.token().is(shown) {
        return Ok(());
    }
    if must_wait {
        return Err(too_many());
    }
    throttle.wrong(ends.peer, now);
    tracing::warn!(peer = %ends.peer, path = head.uri.path(), "wrong token at the control surface");
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "wrong token",
        "weir makes a new token at each start: read admin.json again",
    ))
}

/// Refuses bodies that a form on another site could send.
pub(super) fn check_body(headers: &HeaderMap) -> Result<(), Refusal> {
    let hint = "send `content-type: application/json`, or no body";
    let wrong = |error| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, hint);
    match single(headers, &CONTENT_TYPE)? {
        Some(kind) => {
            let essence = kind.split(';').next().unwrap_or_default().trim();
            if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(wrong("not JSON")) }
        }
        None if has_body(headers) => Err(wrong("a body without a content-type")),
        None => Ok(()),
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

fn too_many() -> Refusal {
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens", "wait, then read the token again")
}

/// The one Host of the request, in lower case.
fn host(head: &Parts) -> Result<Authority, Refusal> {
    let missing = || Refusal::new(StatusCode::BAD_REQUEST, "no valid Host", "send one Host field");
    let text = match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => single(&head.headers, &HOST)?.ok_or_else(missing)?,
    };
    if text.contains('@') {
        return Err(missing());
    }
    text.to_ascii_lowercase().parse().map_err(|_| missing())
}

/// The port does not matter: it differs behind a tunnel, and a rebound name is foreign at any port.
fn is_own_host(host: &Authority, ends: &Ends, configured: &[String]) -> bool {
    let name = host.host();
    let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    match address {
        Some(address) => address.to_canonical() == ends.local.to_canonical() || address == ends.bound.ip(),
        None => name == "localhost" || configured.iter().any(|own| own == name),
    }
}

/// The value of a field that may be there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str());
    let bad = || Refusal::new(StatusCode::BAD_REQUEST, format!("a wrong {name} field"), "send it once, as plain text");
    match (first, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(_), _) => Err(bad()),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
