//! HTTP/1.1 on the wire: heads and bodies, from bytes and to bytes. Pure: no socket, no clock.
//!
//! A proxy is judged by what it forwards, so this reads strictly (RFC 9112) and refuses what two readers could understand
//! differently: a line that ends without CR, a field name followed by a space, two lengths, a length beside a transfer
//! coding, a coding that is not exactly `chunked`. What is refused is an error that ends the connection; nothing that was
//! read is ever guessed at.
//!
//! [`head`] turns bytes into a request or response head, [`framing`] says how its body is delimited, [`body`] takes bodies
//! off the wire, [`encode`] writes heads and [`outbox`] bodies.

pub mod body;
pub mod encode;
pub mod framing;
pub mod head;
pub mod outbox;

/// Why bytes are not HTTP/1.1, or not such that weir forwards them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Http1Error {
    /// The first line is not a request or status line.
    #[error("malformed start line")]
    StartLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    #[error("unsupported version of HTTP")]
    Version,
    /// A field line that breaks the grammar: a bad name or value, a space before the colon, a folded line.
    #[error("malformed header field")]
    Field,
    /// A line feed without its carriage return, or the reverse.
    #[error("a line that does not end with CR LF")]
    LineEnd,
    /// The request target cannot be a target.
    #[error("malformed request target")]
    Target,
    /// More bytes in a head or trailer than allowed.
    #[error("header too large")]
    TooLarge,
    /// More fields than allowed.
    #[error("too many header fields")]
    TooMany,
    /// Content-Length that is not one number.
    #[error("malformed content-length")]
    ContentLength,
    /// Transfer-Encoding that is not exactly `chunked`, that comes with HTTP/1.0, or beside Content-Length.
    #[error("unsupported transfer-encoding")]
    TransferEncoding,
    /// A chunk that breaks the grammar.
    #[error("malformed chunk")]
    Chunk,
}
