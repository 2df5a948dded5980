//! What a client of HTTP/2 may ask for without getting anything done. Pure, but for the wrapper around its connection.
//!
//! Rapid resets and floods of PING, SETTINGS, PRIORITY, WINDOW_UPDATE or empty frames (CVE-2019-9511 to 9518,
//! CVE-2023-44487) have one thing in common: each frame costs work and none brings a request to its end. So frames cost,
//! requests and answers earn, and so does time. Who has spent everything is not read any more. Heads and header blocks have
//! bounds of their own, in h2, and so have streams that a client makes the server reset (CVE-2025-8671).

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::clock;

/// What a connection may still spend.
#[derive(Debug)]
pub(super) struct Ration {
    received: Frames,
    sent: Frames,
    left: i64,
    paid_at: Duration,
}

impl Ration {
    /// Of a connection that begins at `now`, with the client's preface still to come.
    pub(super) fn new(now: Duration) -> Self {
        let received = Frames { skip: PREFACE, ..Frames::default() };
        Self { received, sent: Frames::default(), left: MOST, paid_at: now }
    }

    /// Notes what the client has sent; whether it may go on.
    pub(super) fn received(&mut self, bytes: &[u8], now: Duration) -> bool {
        let earned = now.saturating_sub(self.paid_at).as_millis();
        self.paid_at = now;
        self.left = (self.left + i64::try_from(earned).unwrap_or(MOST)).min(MOST);
        let left = &mut self.left;
        self.received.each(bytes, |frame| *left = (*left + worth(frame)).min(MOST));
        self.left > 0
    }

    /// Notes what it was sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let left = &mut self.left;
        self.sent.each(bytes, |frame| *left = (*left + thanks(frame)).min(MOST));
    }
}

/// What a frame of the client earns; below zero, what it costs.
fn worth(frame: Frame) -> i64 {
    match frame.kind {
        DATA if frame.length == 0 && frame.flags & END_STREAM == 0 => -10,
        DATA => 2 * (i64::from(frame.length) >> 10),
        HEADERS => 40,
        RST_STREAM => -100,
        WINDOW_UPDATE => -2,
        _ => -10,
    }
}

/// What a frame earns that the client is sent: whoever gets an answer has to say that there is room for more of it.
fn thanks(frame: Frame) -> i64 {
    match frame.kind {
        HEADERS => 20,
        DATA => i64::from(frame.length).min(20) + 2 * (i64::from(frame.length) >> 10),
        _ => 0,
    }
}

/// The head of a frame (RFC 9113 section 4.1).
#[derive(Clone, Copy, Debug)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
}

/// The frames of one direction, as they go by.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes until the next head.
    skip: usize,
    head: [u8; HEAD],
    filled: usize,
}

impl Frames {
    fn each(&mut self, mut bytes: &[u8], mut see: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let count = bytes.len().min(HEAD - self.filled);
            self.head[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
            if self.filled == HEAD {
                let [high, middle, low, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, high, middle, low]);
                self.filled = 0;
                self.skip = length as usize;
                see(Frame { length, kind, flags });
            }
        }
    }
}

/// What is heard of a connection's client.
#[derive(Debug, Default)]
pub(super) struct Signs {
    spent: Notify,
    heard: Cell<bool>,
}

impl Signs {
    /// Waits until the ration is spent.
    pub(super) async fn spent(&self) {
        self.spent.notified().await;
    }

    /// Whether anything has come since this was asked before.
    pub(super) fn takes_heard(&self) -> bool {
        self.heard.take()
    }
}

/// A client's connection under its ration.
pub(super) struct Rationed<T> {
    io: T,
    ration: Ration,
    signs: Rc<Signs>,
    closed: bool,
}

impl<T> Rationed<T> {
    /// Reads from `io` until the ration is spent; nothing more is read then. `signs` are told.
    pub(super) fn new(io: T, signs: Rc<Signs>) -> Self {
        Self { io, ration: Ration::new(clock::uptime()), signs, closed: false }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rationed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closed {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buffer);
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() {
            this.signs.heard.set(true);
        }
        if polled.is_ready() && !this.ration.received(bytes, clock::uptime()) {
            this.closed = true;
            this.signs.spent.notify_one();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rationed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.ration.sent(&bytes[..count]);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(mut count)) = polled {
            for part in parts {
                let written = count.min(part.len());
                self.ration.sent(&part[..written]);
                count -= written;
            }
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A full ration: a hundred streams reset at once, a thousand pings. A millisecond earns one.
const MOST: i64 = 10_000;

/// Bytes that a client begins with.
const PREFACE: usize = 24;

/// Bytes of a frame's head.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, 1];
        bytes.resize(HEAD + length, b'.');
        bytes
    }

    fn fresh() -> Ration {
        let mut ration = Ration::new(Duration::ZERO);
        assert!(ration.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Duration::ZERO));
        ration
    }

    /// How often `round` can be received in no time, at most `most` times.
    fn times(ration: &mut Ration, round: &[u8], most: usize) -> usize {
        (0..most).take_while(|_| ration.received(round, Duration::ZERO)).count()
    }

    #[test]
    fn rapid_resets_end_after_a_few_hundred_and_pings_after_a_thousand() {
        let reset = [frame(HEADERS, 5, 20), frame(RST_STREAM, 0, 4)].concat();
        assert!((100..=200).contains(&times(&mut fresh(), &reset, 10_000)));
        assert_eq!(times(&mut fresh(), &frame(PING, 0, 8), 10_000), 999);
        assert_eq!(times(&mut fresh(), &frame(DATA, 0, 0), 10_000), 999);
    }

    #[test]
    fn requests_cost_nothing_and_neither_do_uploads_or_the_ends_of_streams() {
        let request = [frame(HEADERS, 4, 20), frame(DATA, 0, 100), frame(DATA, END_STREAM, 0)].concat();
        assert_eq!(times(&mut fresh(), &request, 100_000), 100_000);
    }

    #[test]
    fn whoever_is_sent_small_messages_may_make_room_and_ping_for_each() {
        let mut ration = fresh();
        let thanks = [frame(WINDOW_UPDATE, 0, 4), frame(WINDOW_UPDATE, 0, 4), frame(PING, 0, 8)].concat();
        for _ in 0..10_000 {
            ration.sent(&frame(DATA, 0, 30));
            assert!(ration.received(&thanks, Duration::ZERO));
        }
    }

    #[test]
    fn a_byte_at_a_time_ends_soon() {
        let mut ration = fresh();
        let rounds = (0..100_000).take_while(|_| {
            ration.sent(&frame(DATA, 0, 1));
            ration.received(&frame(WINDOW_UPDATE, 0, 4), Duration::ZERO)
        });
        assert_eq!(rounds.count(), 9_998);
    }

    #[test]
    fn time_brings_the_ration_back() {
        let mut ration = fresh();
        times(&mut ration, &frame(PING, 0, 8), 500);
        assert!(ration.received(&[], Duration::from_secs(60)));
        assert_eq!(ration.left, MOST);
    }

    #[test]
    fn it_does_not_matter_how_frames_are_cut() {
        let pings: Vec<u8> = std::iter::repeat_n(frame(PING, 0, 8), 500).flatten().collect();
        for size in [1, 7, 9, 17, 64] {
            let mut ration = fresh();
            for part in pings.chunks(size) {
                assert!(ration.received(part, Duration::ZERO));
            }
            assert_eq!(ration.left, MOST - 5_000, "in parts of {size}");
        }
    }
}
