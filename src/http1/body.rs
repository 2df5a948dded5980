//! Bodies off the wire.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::Http1Error;
use super::framing::Framing;
use super::head::{Limits, take_trailers};

/// Takes one body off the wire, piece by piece.
#[derive(Clone, Debug)]
pub struct Decoder(State);

/// A piece of a body.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// Some of its bytes, never empty.
    Data(Bytes),
    /// Fields after the last chunk; the body is over.
    Trailers(HeaderMap),
    /// The body is over.
    End,
    /// More bytes are needed.
    More,
}

#[derive(Clone, Debug)]
enum State {
    Length(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Over,
}

/// Most bytes of one chunk's size line, extensions included: they mean nothing to a proxy, and have been a flood.
const MAX_SIZE_LINE: usize = 256;

/// Digits of a chunk's size: 2^60 - 1 bytes.
const MAX_SIZE_DIGITS: usize = 15;

/// The most that a trailer section may hold.
const TRAILER_LIMITS: Limits = Limits { bytes: 16 * 1024, fields: 64 };

impl Decoder {
    /// A decoder of a body that is delimited by `framing`.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(0) => State::Over,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Whether the whole body has been taken.
    pub fn is_over(&self) -> bool {
        matches!(self.0, State::Over)
    }

    /// Bytes that are still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.0 {
            State::Over => Some(0),
            State::Length(length) => Some(length),
            _ => None,
        }
    }

    /// The peer has closed: whether that ends the body well, rather than truncating it.
    pub fn may_end_here(&self) -> bool {
        matches!(self.0, State::Over | State::UntilClose)
    }

    /// Takes the next piece off the front of `buffer`.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, Http1Error> {
        loop {
            match self.0 {
                State::Over => return Ok(Piece::End),
                State::UntilClose => return Ok(all(buffer)),
                State::Length(left) => return Ok(self.data(buffer, left, State::Length, State::Over)),
                State::ChunkData(left) => return Ok(self.data(buffer, left, State::ChunkData, State::ChunkEnd)),
                State::ChunkEnd => match buffer.get(..2) {
                    None => return Ok(Piece::More),
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        self.0 = State::ChunkSize;
                    }
                    Some(_) => return Err(Http1Error::Chunk),
                },
                State::ChunkSize => match take_chunk_size(buffer)? {
                    None => return Ok(Piece::More),
                    Some(0) => self.0 = State::Trailers,
                    Some(size) => self.0 = State::ChunkData(size),
                },
                State::Trailers => return self.trailers(buffer),
            }
        }
    }

    /// Up to `left` bytes; then `done`, else `more` of what is left.
    fn data(&mut self, buffer: &mut BytesMut, left: u64, more: fn(u64) -> State, done: State) -> Piece {
        if buffer.is_empty() {
            return Piece::More;
        }
        let available = buffer.len() as u64;
        let taken = available.min(left);
        self.0 = if taken == left { done } else { more(left - taken) };
        // `taken` is at most the buffer's length, so it fits.
        Piece::Data(buffer.split_to(taken as usize).freeze())
    }

    fn trailers(&mut self, buffer: &mut BytesMut) -> Result<Piece, Http1Error> {
        if buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            self.0 = State::Over;
            return Ok(Piece::End);
        }
        let Some(trailers) = take_trailers(buffer, TRAILER_LIMITS)? else { return Ok(Piece::More) };
        self.0 = State::Over;
        Ok(Piece::Trailers(trailers))
    }
}

fn all(buffer: &mut BytesMut) -> Piece {
    if buffer.is_empty() { Piece::More } else { Piece::Data(buffer.split().freeze()) }
}

/// Takes a chunk's size line; extensions are dropped.
fn take_chunk_size(buffer: &mut BytesMut) -> Result<Option<u64>, Http1Error> {
    let window = &buffer[..buffer.len().min(MAX_SIZE_LINE)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == MAX_SIZE_LINE { Err(Http1Error::Chunk) } else { Ok(None) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(Http1Error::Chunk)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > MAX_SIZE_DIGITS || !is_extension(&line[digits..]) {
        return Err(Http1Error::Chunk);
    }
    let value = |digit: u8| u64::from(char::from(digit).to_digit(16).unwrap_or(0));
    let size = line[..digits].iter().fold(0, |size, digit| size * 16 + value(*digit));
    buffer.advance(end + 1);
    Ok(Some(size))
}

/// Nothing, or `;` and text without control characters.
fn is_extension(rest: &[u8]) -> bool {
    rest.is_empty() || rest[0] == b';' && rest.iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f)
}

#[cfg(test)]
mod tests;
