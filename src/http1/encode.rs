//! Heads and bodies onto the wire.
//!
//! Names and values were checked when they became [`http`] types: neither can hold a line end, so nothing written here can
//! become two messages.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};

/// What a head says of the length of its body, whatever its fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// What its Content-Length says, if there is one: of a body that does not come with it.
    AsItSays,
    /// Nothing.
    Unsaid,
    /// So many bytes.
    Bytes(u64),
    /// As many as the chunks have.
    Chunked,
}

/// Writes a request line and fields, up to and with the empty line. `target` is an origin-form or absolute-form target.
pub fn request_head(out: &mut Vec<u8>, method: &Method, target: &str, headers: &HeaderMap, length: Length) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    fields(out, headers, length);
    out.extend_from_slice(b"\r\n");
}

/// Writes a status line and fields, up to and with the empty line; `connection` is what else is said of the connection.
pub fn response_head(
    out: &mut Vec<u8>,
    version: Version,
    status: StatusCode,
    headers: &HeaderMap,
    length: Length,
    connection: Option<&'static str>,
) {
    let reason = status.canonical_reason().unwrap_or("");
    out.extend_from_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    fields(out, headers, length);
    if let Some(said) = connection {
        field(out, &CONNECTION, said.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes what comes before a chunk of `length` bytes, which must not be 0.
pub fn chunk_head(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length > 0, "an empty chunk would end the body");
    let mut digits = [0; 16];
    let mut rest = length;
    let mut first = digits.len();
    while rest > 0 {
        first -= 1;
        digits[first] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
    }
    out.extend_from_slice(&digits[first..]);
    out.extend_from_slice(b"\r\n");
}

/// What comes after each chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk of a body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes the last chunk and the trailers after it.
pub fn last_chunk(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    fields(out, trailers, Length::AsItSays);
    out.extend_from_slice(b"\r\n");
}

fn fields(out: &mut Vec<u8>, headers: &HeaderMap, length: Length) {
    for (name, value) in headers {
        let framing = *name == TRANSFER_ENCODING || *name == CONTENT_LENGTH && length != Length::AsItSays;
        if !framing {
            field(out, name, value.as_bytes());
        }
    }
    match length {
        Length::AsItSays | Length::Unsaid => {}
        Length::Bytes(bytes) => field(out, &CONTENT_LENGTH, decimal(bytes, &mut [0; 20])),
        Length::Chunked => field(out, &TRANSFER_ENCODING, b"chunked"),
    }
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.reserve(name.as_str().len() + value.len() + 4);
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `number` in decimal digits, at the end of `digits`.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            return &digits[first..];
        }
    }
}

#[cfg(test)]
mod tests;
