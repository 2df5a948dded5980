//! The demo application on a socket: HTTP/1.1, and HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::behaviour::{Answer, Behaviour};
use crate::demo::ledger::Ledger;

/// The field of an answer that names the version.
const VERSION_FIELD: HeaderName = HeaderName::from_static("x-version");

/// The field of a request that names the visit, for the [`Ledger`].
pub(crate) const VISIT_FIELD: HeaderName = HeaderName::from_static("x-visit");

/// One version of the demo application. Its time begins when it is made.
#[derive(Debug)]
pub(crate) struct App {
    behaviour: Behaviour,
    version: HeaderValue,
    started: Instant,
    requests: AtomicU64,
    ledger: Option<Arc<Ledger>>,
    database: Option<String>,
}

impl App {
    /// An application that behaves so, and writes the visits it fails into `ledger`.
    pub(crate) fn new(behaviour: Behaviour, ledger: Option<Arc<Ledger>>) -> Self {
        let version = HeaderValue::from_str(&behaviour.version).unwrap_or(HeaderValue::from_static("unspeakable"));
        Self { behaviour, version, started: Instant::now(), requests: AtomicU64::new(0), ledger, database: None }
    }

    /// The same, asking a database at this address for every greeting.
    pub(crate) fn with_database(self, database: Option<String>) -> Self {
        Self { database, ..self }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if Limited::new(body, BODY_LIMIT).collect().await.is_err() {
            return self.respond(StatusCode::PAYLOAD_TOO_LARGE, "that is too much\n".to_owned());
        }
        match head.uri.path() {
            "/healthz" => self.respond(StatusCode::OK, "ok\n".to_owned()),
            "/version" => self.respond(StatusCode::OK, format!("{}\n", self.behaviour.version)),
            _ => self.greet(&head.headers).await,
        }
    }

    async fn greet(&self, fields: &HeaderMap) -> Response<Full<Bytes>> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let (mut answer, after) = self.behaviour.plan(number, self.started.elapsed());
        if answer == Answer::Greeting && !self.database_is_there().await {
            answer = Answer::Outage;
        }
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        let version = &self.behaviour.version;
        let (status, text) = match answer {
            Answer::Greeting => return self.respond(StatusCode::OK, format!("{}\n", self.behaviour.greeting)),
            Answer::Broken => (StatusCode::INTERNAL_SERVER_ERROR, format!("{version} is broken\n")),
            Answer::Outage => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("{version} gets no answer from its database\n"))
            }
        };
        if let (Some(ledger), Some(visit)) = (&self.ledger, visit(fields)) {
            ledger.failed(visit);
        }
        self.respond(status, text)
    }

    /// Whether the database accepts connections; without one nothing is missing.
    async fn database_is_there(&self) -> bool {
        let Some(database) = &self.database else { return true };
        let connecting = tokio::time::timeout(DATABASE_PATIENCE, TcpStream::connect(database));
        connecting.await.is_ok_and(|connected| connected.is_ok())
    }

    fn respond(&self, status: StatusCode, text: String) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        fields.insert(VERSION_FIELD, self.version.clone());
        response
    }
}

/// Serves `app` on `listener` until cancelled; requests in flight then have a second to end.
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, cancel: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, app.clone(), cancel.clone()))),
            // No file descriptor left, say: asking again at once would only spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    connections.close();
    let _ = tokio::time::timeout(Duration::from_secs(1), connections.wait()).await;
}

async fn connection(stream: TcpStream, app: Arc<App>, cancel: CancellationToken) {
    // Without it an answer may wait for an acknowledgement; the answer is just as good, only later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.answer(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Clients come and go as they like.
    drop(ended);
}

fn visit(fields: &HeaderMap) -> Option<u64> {
    fields.get(VISIT_FIELD)?.to_str().ok()?.parse().ok()
}

/// The longest wait for a connection to the database.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a request body: more than any visitor sends, and little enough for any machine.
const BODY_LIMIT: usize = 1 << 20;
