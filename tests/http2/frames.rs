//! HTTP/2 by hand: what no library sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame, right or wrong.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block: a request for `path` with `method`, one of `GET` and `POST`.
pub fn block(method: &str, path: &str) -> Vec<u8> {
    // From HPACK's static table: the method, `:scheme: http`; then literals that are not indexed.
    let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86];
    for (index, value) in [(4, path), (1, "shop.test")] {
        block.extend([index, u8::try_from(value.len()).expect("a short value")]);
        block.extend(value.as_bytes());
    }
    block
}

/// A request of one frame without a body.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block("GET", path))
}

/// The number of the client's `round`th stream, from 0.
pub fn stream(round: u32) -> u32 {
    round * 2 + 1
}

/// How a flood ended.
#[derive(Debug)]
pub struct Flood {
    /// Whether weir said GOAWAY.
    pub goaway: bool,
    /// Bytes that could be sent.
    pub sent: u64,
    /// Frames of each kind that came back.
    pub frames: [u64; 16],
}

/// Sends `prelude` and then one `round` after the other, until weir ends the connection or `most` rounds are sent and
/// nothing comes back for a while.
pub async fn flood(address: SocketAddr, prelude: &[u8], most: u32, round: impl Fn(u32) -> Vec<u8>) -> Flood {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reader, mut writer) = stream.into_split();
    let over = Arc::<AtomicBool>::default();
    let sent = Arc::<AtomicU64>::default();
    let reading = tokio::spawn({
        let over = over.clone();
        async move {
            let (mut input, mut frames) = (Vec::new(), [0_u64; 16]);
            while let Ok(Ok(1..)) = tokio::time::timeout(QUIET, reader.read_buf(&mut input)).await {
                while let Some(length) = whole(&input) {
                    frames[usize::from(input[3] & 15)] += 1;
                    input.drain(..length);
                }
            }
            over.store(true, Ordering::Relaxed);
            frames
        }
    });
    let mut batch = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frame(SETTINGS, 0, 0, &[]), prelude].concat();
    for number in 0..most {
        batch.extend(round(number));
        if batch.len() < BATCH && number + 1 < most {
            continue;
        }
        let done = tokio::time::timeout(QUIET, writer.write_all(&batch)).await;
        if !matches!(done, Ok(Ok(()))) || over.load(Ordering::Relaxed) {
            break;
        }
        sent.fetch_add(batch.len() as u64, Ordering::Relaxed);
        batch.clear();
        tokio::task::yield_now().await;
    }
    let frames = reading.await.expect("no panic");
    Flood { goaway: frames[usize::from(GOAWAY)] > 0, sent: sent.load(Ordering::Relaxed), frames }
}

/// The length of the frame at the start of `input`, if all of it is there.
fn whole(input: &[u8]) -> Option<usize> {
    let [high, middle, low, ..] = *input else { return None };
    let length = 9 + u32::from_be_bytes([0, high, middle, low]) as usize;
    (input.len() >= length).then_some(length)
}

/// Bytes sent at once.
const BATCH: usize = 4096;

/// After which nothing more is expected.
const QUIET: Duration = Duration::from_secs(3);
