//! How a body is delimited: RFC 9112, section 6.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};

use super::Http1Error;
use super::head::Marks;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes; 0 is no body.
    Length(u64),
    /// Chunks, the last one empty.
    Chunked,
    /// All bytes until the connection is closed; responses only.
    UntilClose,
}

impl Framing {
    /// No body.
    pub const NONE: Self = Self::Length(0);
}

/// How the body of a request is delimited. Without either field there is none.
pub fn of_request(version: Version, headers: &HeaderMap, marks: Marks) -> Result<Framing, Http1Error> {
    if !marks.content_length && !marks.transfer_encoding {
        return Ok(Framing::NONE);
    }
    match (is_chunked(version, headers)?, content_length(headers)?) {
        (true, None) => Ok(Framing::Chunked),
        (true, Some(_)) => Err(Http1Error::TransferEncoding),
        (false, Some(length)) => Ok(Framing::Length(length)),
        (false, None) => Ok(Framing::NONE),
    }
}

/// How the body of the response to a `method` request is delimited.
///
/// With both fields the chunks hold and the length is void (RFC 9112, 6.3); whoever forwards the head removes it.
pub fn of_response(
    method: &Method,
    status: StatusCode,
    version: Version,
    (headers, marks): (&HeaderMap, Marks),
) -> Result<Framing, Http1Error> {
    if *method == Method::HEAD || status.is_informational() || matches!(status.as_u16(), 204 | 304) {
        return Ok(Framing::NONE);
    }
    if marks.transfer_encoding && is_chunked(version, headers)? {
        return Ok(Framing::Chunked);
    }
    Ok(content_length(headers)?.map_or(Framing::UntilClose, Framing::Length))
}

/// Whether the connection may serve another exchange after this message.
pub fn keeps_alive(version: Version, headers: &HeaderMap, marks: Marks) -> bool {
    let says = |token| marks.connection && has_token(headers, token);
    if version == Version::HTTP_10 { says("keep-alive") } else { !says("close") }
}

/// Whether a Connection field lists `token`.
pub fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Makes one of several Content-Length fields that are the same, byte for byte (RFC 9110, 8.6). For responses only: a backend
/// that says it twice is clumsy, a client is up to something.
pub fn unite_lengths(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = fields.next() else { return };
    let mut others = fields.peekable();
    if others.peek().is_some() && others.all(|other| other == first) {
        let length = first.clone();
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// The one length that all Content-Length fields agree on. A list of equal numbers is refused as well: a field that was
/// merged somewhere has lost its meaning.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Http1Error> {
    let mut fields = headers.get_all(CONTENT_LENGTH).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Http1Error::ContentLength);
    }
    let digits = field.as_bytes();
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Http1Error::ContentLength);
    }
    Ok(Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
}

/// Digits that cannot overflow 64 bits: up to 10^18 - 1, an exabyte.
const MAX_DIGITS: usize = 18;

/// Whether there is a Transfer-Encoding, which must then be exactly `chunked`.
fn is_chunked(version: Version, headers: &HeaderMap) -> Result<bool, Http1Error> {
    let mut fields = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(field) = fields.next() else { return Ok(false) };
    let chunked = field.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !chunked || fields.next().is_some() || version == Version::HTTP_10 {
        return Err(Http1Error::TransferEncoding);
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
