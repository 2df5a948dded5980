//! Heads: the first line and the fields, up to the empty line.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

use super::Http1Error;

/// The most that a head may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes from the first of the start line to the end of the empty line.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// A request's head.
#[derive(Debug)]
pub struct RequestHead {
    /// The method; at most [`MAX_METHOD`] bytes.
    pub method: Method,
    /// The target, in whichever form it was sent.
    pub target: Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
}

/// A response's head.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status, 100 to 999.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
}

/// The longest method: registered ones have at most 17 characters.
pub const MAX_METHOD: usize = 32;

/// Most fields that a response may have, or a request whatever its limits say.
pub const MAX_FIELDS: usize = 256;

/// Takes a whole request head off the front of `buffer`; `None` when more bytes are needed. Empty lines before it are
/// skipped (RFC 9112, 2.2).
///
/// On an error `buffer` is left as it was, and must not be read further.
pub fn take_request(buffer: &mut BytesMut, limits: Limits) -> Result<Option<RequestHead>, Http1Error> {
    skip_empty_lines(buffer);
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(buffer, &mut fields[..limits.fields.min(MAX_FIELDS)]);
    let Some(end) = whole(parsed, buffer, limits)? else { return Ok(None) };
    let version = version(request.version)?;
    let method = request.method.filter(|method| method.len() <= MAX_METHOD).ok_or(Http1Error::StartLine)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Http1Error::StartLine)?;
    let target = span(buffer, request.path.ok_or(Http1Error::StartLine)?.as_bytes());
    let spans = field_spans(buffer, request.headers)?;
    let bytes = buffer.split_to(end).freeze();
    let target = Uri::from_maybe_shared(bytes.slice(target)).map_err(|_| Http1Error::Target)?;
    Ok(Some(RequestHead { method, target, version, headers: headers(&bytes, &spans)? }))
}

/// Takes a whole response head off the front of `buffer`; `None` when more bytes are needed.
///
/// On an error `buffer` is left as it was, and must not be read further.
pub fn take_response(buffer: &mut BytesMut, limits: Limits) -> Result<Option<ResponseHead>, Http1Error> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let fields = &mut fields[..limits.fields.min(MAX_FIELDS)];
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, buffer, fields);
    let Some(end) = whole(parsed, buffer, limits)? else { return Ok(None) };
    let version = version(response.version)?;
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Http1Error::StartLine)?;
    let spans = field_spans(buffer, response.headers)?;
    let bytes = buffer.split_to(end).freeze();
    Ok(Some(ResponseHead { status, version, headers: headers(&bytes, &spans)? }))
}

/// Takes a whole trailer section off the front of `buffer`: fields up to the empty line.
pub(super) fn take_trailers(buffer: &mut BytesMut, limits: Limits) -> Result<Option<HeaderMap>, Http1Error> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let parsed = httparse::parse_headers(buffer, &mut fields[..limits.fields.min(MAX_FIELDS)]);
    let count = match &parsed {
        Ok(httparse::Status::Complete((_, fields))) => fields.len(),
        _ => 0,
    };
    let Some(end) = whole(parsed.map(|status| status.map_end()), buffer, limits)? else { return Ok(None) };
    let spans = field_spans(buffer, &fields[..count])?;
    let bytes = buffer.split_to(end).freeze();
    headers(&bytes, &spans).map(Some)
}

trait MapEnd {
    fn map_end(self) -> httparse::Status<usize>;
}

impl<T> MapEnd for httparse::Status<(usize, T)> {
    fn map_end(self) -> httparse::Status<usize> {
        match self {
            Self::Complete((end, _)) => httparse::Status::Complete(end),
            Self::Partial => httparse::Status::Partial,
        }
    }
}

/// Where the head ends, once it is whole and within its limits.
fn whole(parsed: httparse::Result<usize>, buffer: &[u8], limits: Limits) -> Result<Option<usize>, Http1Error> {
    match parsed.map_err(refusal)? {
        httparse::Status::Complete(end) if end > limits.bytes => Err(Http1Error::TooLarge),
        httparse::Status::Complete(end) => only_crlf(&buffer[..end]).map(|()| Some(end)),
        httparse::Status::Partial if buffer.len() >= limits.bytes => Err(Http1Error::TooLarge),
        httparse::Status::Partial => Ok(None),
    }
}

fn refusal(error: httparse::Error) -> Http1Error {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Http1Error::Field,
        httparse::Error::NewLine => Http1Error::LineEnd,
        httparse::Error::TooManyHeaders => Http1Error::TooMany,
        httparse::Error::Version => Http1Error::Version,
        httparse::Error::Status | httparse::Error::Token => Http1Error::StartLine,
    }
}

/// The parser takes a lone line feed for a line's end; another reader might not.
fn only_crlf(head: &[u8]) -> Result<(), Http1Error> {
    for end in memchr::memchr_iter(b'\n', head) {
        if end == 0 || head[end - 1] != b'\r' {
            return Err(Http1Error::LineEnd);
        }
    }
    Ok(())
}

fn version(minor: Option<u8>) -> Result<Version, Http1Error> {
    match minor {
        Some(0) => Ok(Version::HTTP_10),
        Some(1) => Ok(Version::HTTP_11),
        _ => Err(Http1Error::Version),
    }
}

fn skip_empty_lines(buffer: &mut BytesMut) {
    while buffer.starts_with(b"\r\n") {
        buffer.advance(2);
    }
}

/// A field's name and value, as places in the head.
type FieldSpan = (std::ops::Range<usize>, std::ops::Range<usize>);

fn field_spans(head: &[u8], fields: &[httparse::Header<'_>]) -> Result<Vec<FieldSpan>, Http1Error> {
    let mut spans = Vec::with_capacity(fields.len());
    for field in fields {
        if field.name.is_empty() {
            return Err(Http1Error::Field);
        }
        spans.push((span(head, field.name.as_bytes()), span(head, field.value)));
    }
    Ok(spans)
}

/// Where `part`, a slice of `whole`, lies in it.
fn span(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

/// The fields, their values sharing the bytes of the head.
fn headers(head: &Bytes, spans: &[FieldSpan]) -> Result<HeaderMap, Http1Error> {
    let mut headers = HeaderMap::with_capacity(spans.len());
    for (name, value) in spans {
        let name = HeaderName::from_bytes(&head[name.clone()]).map_err(|_| Http1Error::Field)?;
        let value = HeaderValue::from_maybe_shared(head.slice(value.clone())).map_err(|_| Http1Error::Field)?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
