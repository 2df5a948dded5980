//! Heads and bodies onto the wire.
//!
//! Names and values were checked when they became [`http`] types: neither can hold a line end, so nothing written here can
//! become two messages.

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

/// Writes a request line and fields, up to and with the empty line. `target` is an origin-form or absolute-form target.
pub fn request_head(out: &mut BytesMut, method: &Method, target: &str, headers: &HeaderMap) {
    out.reserve(method.as_str().len() + target.len() + 16 + size_of(headers));
    out.put_slice(method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    fields(out, headers);
    out.put_slice(b"\r\n");
}

/// Writes a status line and fields, up to and with the empty line.
pub fn response_head(out: &mut BytesMut, version: Version, status: StatusCode, headers: &HeaderMap) {
    let reason = status.canonical_reason().unwrap_or("");
    out.reserve(32 + reason.len() + size_of(headers));
    out.put_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(reason.as_bytes());
    out.put_slice(b"\r\n");
    fields(out, headers);
    out.put_slice(b"\r\n");
}

/// Writes what comes before a chunk of `length` bytes, which must not be 0.
pub fn chunk_head(out: &mut BytesMut, length: usize) {
    debug_assert!(length > 0, "an empty chunk would end the body");
    let mut digits = [0; 16];
    let mut rest = length;
    let mut first = digits.len();
    while rest > 0 {
        first -= 1;
        digits[first] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
    }
    out.put_slice(&digits[first..]);
    out.put_slice(b"\r\n");
}

/// What comes after each chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk of a body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes the last chunk and the trailers after it.
pub fn last_chunk(out: &mut BytesMut, trailers: &HeaderMap) {
    out.put_slice(b"0\r\n");
    fields(out, trailers);
    out.put_slice(b"\r\n");
}

/// A Content-Length value.
pub fn length_value(length: u64) -> HeaderValue {
    HeaderValue::from(length)
}

fn fields(out: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
}

fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + 2
}

#[cfg(test)]
mod tests;
