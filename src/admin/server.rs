//! Accepts callers of the control surface and bounds what each can cost.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::guard::Ends;
use super::stall::StallLimit;
use super::{AdminState, api};

/// Answers on `listener` until `cancel`; then lets what is under way end, for `LAST_WORDS` at most.
///
/// # Errors
/// When the listener's own address cannot be told. Failures to accept are logged, and accepting goes on.
pub async fn serve(listener: TcpListener, state: AdminState, cancel: CancellationToken) -> std::io::Result<()> {
    let bound = listener.local_addr()?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= MOST_CONNECTIONS => drop(stream),
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, bound, peer, state.clone(), cancel.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control surface cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ends = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, ends).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    bound: SocketAddr,
    peer: SocketAddr,
    state: AdminState,
    cancel: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let ends = Ends { bound, local: local.ip(), peer: peer.ip() };
    let service = service_fn(|request| {
        let answer = api::answer(state.clone(), ends, cancel.clone(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(StallLimit::new(stream, STALL));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_FIELDS)
        .serve_connection(io, service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = cancel.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %ends.peer, %error, "a connection to the control surface ended early");
    }
}

/// Operators, probes and scrapers together are a few; a flood is cut here.
const MOST_CONNECTIONS: usize = 128;

/// For a request head from the moment it is expected, so also for an idle connection: a slow client costs no more.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// The largest head. hyper wants at least 8 KiB.
const LARGEST_HEAD: usize = 16 * 1024;

/// The most fields.
const MOST_FIELDS: usize = 64;

/// For a reader that does not read.
const STALL: Duration = Duration::from_secs(10);

/// Out of file descriptors: trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For answers under way when weir ends.
const LAST_WORDS: Duration = Duration::from_secs(1);
