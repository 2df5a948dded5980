//! What a replica that comes late inherits: the trace of the evidence, from one that has all of it.
//!
//! One connection for one trace: the heir writes one line that says which attempt, and gets the file as it is, to its end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::wire::Attempt;
use super::{Exchange, SILENCE, connect};

/// Asks `peer` for its trace of an attempt, and gives it to the engine.
///
/// # Errors
/// When it could not be had as a whole; it is asked for again.
pub(super) async fn ask(
    peer: SocketAddr,
    heir: Arc<ClientConfig>,
    attempt: Attempt,
    exchange: Exchange,
) -> io::Result<()> {
    let mut stream = connect(peer, heir).await?;
    let mut line = serde_json::to_vec(&attempt)?;
    line.push(b'\n');
    timeout(SILENCE, stream.write_all(&line)).await??;
    stream.flush().await?;
    let path = exchange.control.traces().join(format!("inherited-{}", peer.ip()).replace(':', "-"));
    receive(&mut stream, &path).await?;
    let Attempt { release, rollout, attempt } = attempt;
    exchange.control.inherit(release, rollout, attempt, path).await;
    Ok(())
}

/// Sends the trace that the other side asks for; nothing when there is none.
pub(super) async fn hand_over(mut stream: impl AsyncRead + AsyncWrite + Unpin, exchange: &Exchange) {
    let handed = async {
        let mut line = Vec::new();
        let mut limited = BufReader::new((&mut stream).take(LONGEST_LINE));
        timeout(SILENCE, limited.read_until(b'\n', &mut line)).await??;
        let attempt: Attempt = serde_json::from_slice(&line)?;
        if let Some(path) = trace_of(&attempt, exchange) {
            send(&mut stream, &path).await?;
        }
        timeout(SILENCE, stream.shutdown()).await?
    };
    if let Err(error) = handed.await {
        tracing::debug!("no evidence is handed over: {error}");
    }
}

fn trace_of(attempt: &Attempt, exchange: &Exchange) -> Option<PathBuf> {
    let known = exchange.control.explain(attempt.release.as_str())?;
    let state = known.status.last?.state;
    known.trace.filter(|_| (&state.rollout, state.attempt) == (&attempt.rollout, attempt.attempt))
}

/// The file as long as it is now: rows that are written meanwhile are counted by who asks.
async fn send(stream: &mut (impl AsyncWrite + Unpin), path: &Path) -> io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut left = file.metadata()?.len();
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let most = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        let read = io::Read::read(&mut file, &mut chunk[..most])?;
        if read == 0 {
            break;
        }
        left -= read as u64;
        timeout(SILENCE, stream.write_all(&chunk[..read])).await??;
    }
    Ok(())
}

async fn receive(stream: &mut (impl AsyncRead + Unpin), path: &Path) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match timeout(SILENCE, stream.read(&mut chunk)).await?? {
            0 => return Ok(()),
            read => io::Write::write_all(&mut file, &chunk[..read])?,
        }
    }
}

/// What is read and written at a time. The disk may keep other releases waiting for one of them.
const CHUNK: usize = 64 * 1024;

/// The longest question.
const LONGEST_LINE: u64 = 64 * 1024;
