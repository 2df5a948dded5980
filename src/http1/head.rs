//! Heads: the first line and the fields, up to the empty line.

use std::mem::MaybeUninit;
use std::sync::LazyLock;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use memchr::memmem::Finder;

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
    /// What they are about.
    pub marks: Marks,
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
    /// What they are about.
    pub marks: Marks,
}

/// Which of the fields there are that frame a message and steer its connection. Most heads have hardly any, and a look for
/// each of them costs more than to note it on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Connection.
    pub connection: bool,
    /// Content-Length.
    pub content_length: bool,
    /// Transfer-Encoding.
    pub transfer_encoding: bool,
    /// Keep-Alive.
    pub keep_alive: bool,
    /// Expect.
    pub expect: bool,
}

impl Marks {
    /// Those of fields that were not read here.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut marks = Self::default();
        headers.keys().for_each(|name| marks.note(name));
        marks
    }

    fn note(&mut self, name: &HeaderName) {
        match name.as_str() {
            "connection" => self.connection = true,
            "content-length" => self.content_length = true,
            "transfer-encoding" => self.transfer_encoding = true,
            "keep-alive" => self.keep_alive = true,
            "expect" => self.expect = true,
            _ => {}
        }
    }
}

/// The longest method: registered ones have at most 17 characters.
pub const MAX_METHOD: usize = 32;

/// Fields that a proxy adds to a request: room made later is made all anew.
const ADDED: usize = 4;

/// Most fields that a response may have, or a request whatever its limits say.
pub const MAX_FIELDS: usize = 256;

/// Takes a whole request head off the front of `buffer`; `None` when more bytes are needed. Empty lines before it are
/// skipped (RFC 9112, 2.2).
///
/// After an error `buffer` must not be read further.
pub fn take_request(buffer: &mut BytesMut, limits: Limits) -> Result<Option<RequestHead>, Http1Error> {
    skip_empty_lines(buffer);
    let Some(head) = take_whole(buffer, limits) else { return unfinished_request(buffer, limits).map(|()| None) };
    let mut lines = Lines(&head);
    let (method, target, version) = request_line(lines.next()?)?;
    let target = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| Http1Error::Target)?;
    let (headers, marks) = fields(&head, lines, limits, ADDED)?;
    Ok(Some(RequestHead { method, target, version, headers, marks }))
}

/// Takes a whole response head off the front of `buffer`; `None` when more bytes are needed. Empty lines before it are
/// skipped.
///
/// After an error `buffer` must not be read further.
pub fn take_response(buffer: &mut BytesMut, limits: Limits) -> Result<Option<ResponseHead>, Http1Error> {
    skip_empty_lines(buffer);
    let Some(head) = take_whole(buffer, limits) else { return unfinished_response(buffer, limits).map(|()| None) };
    let mut lines = Lines(&head);
    let (version, status) = status_line(lines.next()?)?;
    let (headers, marks) = fields(&head, lines, limits, 0)?;
    Ok(Some(ResponseHead { status, version, headers, marks }))
}

/// Takes a whole trailer section off the front of `buffer`: fields up to the empty line.
pub(super) fn take_trailers(buffer: &mut BytesMut, limits: Limits) -> Result<Option<HeaderMap>, Http1Error> {
    let Some(section) = take_whole(buffer, limits) else { return unfinished_trailers(buffer, limits).map(|()| None) };
    fields(&section, Lines(&section), limits, 0).map(|(trailers, _)| Some(trailers))
}

/// Takes what ends with an empty line, if that has come and is within the limits.
fn take_whole(buffer: &mut BytesMut, limits: Limits) -> Option<Bytes> {
    let window = &buffer[..buffer.len().min(limits.bytes)];
    let end = END.find(window)? + END.needle().len();
    Some(buffer.split_to(end).freeze())
}

/// The end of the last line, and the empty one.
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// The lines of a section that ends with an empty line; each must end with CR LF.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a [u8], Http1Error> {
        let end = memchr::memchr(b'\n', self.0).ok_or(Http1Error::LineEnd)?;
        let line = self.0[..end].strip_suffix(b"\r").ok_or(Http1Error::LineEnd)?;
        self.0 = &self.0[end + 1..];
        Ok(line)
    }
}

fn request_line(line: &[u8]) -> Result<(Method, &[u8], Version), Http1Error> {
    let (method, rest) = split_at_space(line).ok_or(Http1Error::StartLine)?;
    let (target, version) = split_at_space(rest).ok_or(Http1Error::StartLine)?;
    // A fragment is the client's own (RFC 9112, section 3.2), and may hold anything.
    let is_of_target = |byte: &u8| *byte > b' ' && !matches!(*byte, b'#' | DEL);
    if method.len() > MAX_METHOD || target.is_empty() || !target.iter().all(is_of_target) {
        return Err(Http1Error::StartLine);
    }
    Ok((Method::from_bytes(method).map_err(|_| Http1Error::StartLine)?, target, version_of(version)?))
}

fn status_line(line: &[u8]) -> Result<(Version, StatusCode), Http1Error> {
    let (version, rest) = split_at_space(line).ok_or(Http1Error::StartLine)?;
    let version = version_of(version)?;
    let (code, reason) = rest.split_at_checked(3).ok_or(Http1Error::StartLine)?;
    let is_text = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != DEL;
    if !matches!(reason.first(), None | Some(b' ')) || !reason.iter().all(is_text) {
        return Err(Http1Error::StartLine);
    }
    Ok((version, StatusCode::from_bytes(code).map_err(|_| Http1Error::StartLine)?))
}

const DEL: u8 = 0x7f;

fn split_at_space(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', line)?;
    Some((&line[..at], &line[at + 1..]))
}

fn version_of(text: &[u8]) -> Result<Version, Http1Error> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        _ => Err(Http1Error::Version),
    }
}

/// The fields, their values sharing the bytes of the head, and room for `more`. Names and values check their own grammar; a
/// space before the colon or at the beginning of a line (a folded one) is in no name.
fn fields(head: &Bytes, mut lines: Lines<'_>, limits: Limits, more: usize) -> Result<(HeaderMap, Marks), Http1Error> {
    // All but the empty line at the end.
    let count = memchr::memchr_iter(b'\n', lines.0).count().saturating_sub(1);
    if count > limits.fields.min(MAX_FIELDS) {
        return Err(Http1Error::TooMany);
    }
    let (mut headers, mut marks) = (HeaderMap::with_capacity(count + more), Marks::default());
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            return Ok((headers, marks));
        }
        let colon = memchr::memchr(b':', line).ok_or(Http1Error::Field)?;
        let name = name(&line[..colon]).ok_or(Http1Error::Field)?;
        let value = head.slice_ref(without_padding(&line[colon + 1..]));
        marks.note(&name);
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Http1Error::Field)?);
    }
}

/// A field's name. One that nearly every head has is told by its length and its ends, and then compared.
fn name(text: &[u8]) -> Option<HeaderName> {
    let (first, last) = (text.first()? | 0x20, text.last()? | 0x20);
    let known = match (text.len(), first, last) {
        (4, b'h', b't') => header::HOST,
        (4, b'd', b'e') => header::DATE,
        (6, b'a', b't') => header::ACCEPT,
        (6, b'c', b'e') => header::COOKIE,
        (6, b's', b'r') => header::SERVER,
        (7, b'r', b'r') => header::REFERER,
        (10, b'c', b'n') => header::CONNECTION,
        (10, b'u', b't') => header::USER_AGENT,
        (12, b'c', b'e') => header::CONTENT_TYPE,
        (13, b'a', b'n') => header::AUTHORIZATION,
        (13, b'c', b'l') => header::CACHE_CONTROL,
        (14, b'c', b'h') => header::CONTENT_LENGTH,
        (15, b'a', b'g') => header::ACCEPT_ENCODING,
        (15, b'a', b'e') => header::ACCEPT_LANGUAGE,
        (17, b't', b'g') => header::TRANSFER_ENCODING,
        _ => return HeaderName::from_bytes(text).ok(),
    };
    if known.as_str().as_bytes().eq_ignore_ascii_case(text) { Some(known) } else { HeaderName::from_bytes(text).ok() }
}

/// A value without the spaces and tabs around it.
fn without_padding(value: &[u8]) -> &[u8] {
    let is_padding = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = value.iter().position(|byte| !is_padding(byte)) else { return &[] };
    let end = value.iter().rposition(|byte| !is_padding(byte)).unwrap_or(start);
    &value[start..=end]
}

fn skip_empty_lines(buffer: &mut BytesMut) {
    while buffer.starts_with(b"\r\n") {
        buffer.advance(2);
    }
}

// What has not come whole: whatever is wrong with it already is said at once, whoever sends nonsense is not waited for.

fn unfinished_request(buffer: &[u8], limits: Limits) -> Result<(), Http1Error> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(buffer, &mut fields[..limits.fields.min(MAX_FIELDS)]);
    unfinished(parsed.map(|status| status.is_complete()), buffer, limits)
}

fn unfinished_response(buffer: &[u8], limits: Limits) -> Result<(), Http1Error> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let fields = &mut fields[..limits.fields.min(MAX_FIELDS)];
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, buffer, fields);
    unfinished(parsed.map(|status| status.is_complete()), buffer, limits)
}

fn unfinished_trailers(buffer: &[u8], limits: Limits) -> Result<(), Http1Error> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let parsed = httparse::parse_headers(buffer, &mut fields[..limits.fields.min(MAX_FIELDS)]);
    unfinished(parsed.map(|status| status.is_complete()), buffer, limits)
}

fn unfinished(complete: Result<bool, httparse::Error>, buffer: &[u8], limits: Limits) -> Result<(), Http1Error> {
    match complete.map_err(refusal)? {
        _ if buffer.len() >= limits.bytes => Err(Http1Error::TooLarge),
        // To a parser that takes a lone line feed for a line's end. Another reader might not.
        true => Err(Http1Error::LineEnd),
        false => Ok(()),
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

#[cfg(test)]
mod tests;
