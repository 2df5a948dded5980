//! Messages on their way out: small pieces joined for one write, a large one by reference, bodies as they were announced.

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use http::HeaderMap;

use super::encode;

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    small: Vec<u8>,
    /// Bytes of it that have left.
    gone: usize,
    large: Bytes,
    /// What comes after the large piece.
    tail: &'static [u8],
    sent: u64,
}

/// Pieces up to this size are copied behind what waits already: cheaper than a further buffer for the kernel.
const COPIED: usize = 4096;

/// Bytes that may wait before they should be written.
const BATCH: usize = 16 * 1024;

impl Outbox {
    /// The place for heads, and for what else is small.
    pub fn small(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.large.is_empty() && self.tail.is_empty(), "nothing may overtake a large piece");
        &mut self.small
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting().is_empty() && self.large.is_empty() && self.tail.is_empty()
    }

    /// Whether more may join before the next write.
    pub fn has_room(&self) -> bool {
        self.large.is_empty() && self.tail.is_empty() && self.waiting().len() < BATCH
    }

    /// What to write next, in order: the first `.1` of the slices.
    pub fn slices(&self) -> ([IoSlice<'_>; 3], usize) {
        let mut slices = [IoSlice::new(&[]); 3];
        let mut count = 0;
        for part in [self.waiting(), &self.large[..], self.tail] {
            if !part.is_empty() {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
        }
        (slices, count)
    }

    /// Bytes that have left so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// `written` bytes have left.
    pub fn advance(&mut self, written: usize) {
        self.sent += written as u64;
        let of_small = written.min(self.waiting().len());
        self.gone += of_small;
        // All of it, or so much that the rest is moved to the front: one that never gets empty must not grow.
        if self.gone == self.small.len() || self.gone >= BATCH {
            self.small.drain(..self.gone);
            self.gone = 0;
        }
        let of_large = (written - of_small).min(self.large.len());
        self.large.advance(of_large);
        self.tail = &self.tail[(written - of_small - of_large).min(self.tail.len())..];
    }

    /// Lets go of memory that is not in use.
    pub fn slim(&mut self) {
        if self.is_empty() {
            *self = Self { sent: self.sent, ..Self::default() };
        }
    }

    fn waiting(&self) -> &[u8] {
        &self.small[self.gone..]
    }

    fn piece(&mut self, data: Bytes, tail: &'static [u8]) {
        if data.len() > COPIED {
            (self.large, self.tail) = (data, tail);
        } else {
            self.small.extend_from_slice(&data);
            self.small.extend_from_slice(tail);
        }
    }
}

/// How the body of a message on its way out is delimited, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimited {
    /// There is none.
    Absent,
    /// By Content-Length; so many bytes are still owed.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A body that is not as it was announced: the connection must be broken off, or its end would be taken for another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not as long as it was announced")]
pub struct Misannounced;

impl Delimited {
    /// Puts a part of the body into `outbox`, which must have room.
    pub fn data(&mut self, outbox: &mut Outbox, data: Bytes) -> Result<(), Misannounced> {
        if data.is_empty() {
            return Ok(());
        }
        match self {
            Self::Absent => {}
            Self::Length(owed) => {
                *owed = owed.checked_sub(data.len() as u64).ok_or(Misannounced)?;
                outbox.piece(data, b"");
            }
            Self::Chunked => {
                encode::chunk_head(outbox.small(), data.len());
                outbox.piece(data, encode::CHUNK_END);
            }
            Self::Close => outbox.piece(data, b""),
        }
        Ok(())
    }

    /// Ends the body with these trailers; only chunks can carry them, elsewhere they are dropped.
    pub fn trailers(self, outbox: &mut Outbox, trailers: &HeaderMap) -> Result<(), Misannounced> {
        if self != Self::Chunked {
            return self.end(outbox);
        }
        encode::last_chunk(outbox.small(), trailers);
        Ok(())
    }

    /// Ends the body.
    pub fn end(self, outbox: &mut Outbox) -> Result<(), Misannounced> {
        match self {
            Self::Length(owed) if owed > 0 => Err(Misannounced),
            Self::Chunked => {
                outbox.small().extend_from_slice(encode::LAST_CHUNK);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
