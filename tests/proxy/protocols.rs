//! HTTP/2, gRPC, TLS and WebSocket through weir.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use weir::types::Side;

use super::backend::{Backend, ok};
use super::gateway::{Gateway, eventually};

type AnyBody = BoxBody<Bytes, Infallible>;

/// Runs `test` with a time limit: what hangs fails.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("it hangs") })
}

/// A backend that speaks HTTP/1.1 and h2c, and answers by `answer`. Call it inside of [`run`].
async fn library<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<AnyBody>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

fn full(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).boxed()
}

/// A body that a test feeds.
struct Fed(mpsc::UnboundedReceiver<Frame<Bytes>>);

fn fed() -> (mpsc::UnboundedSender<Frame<Bytes>>, AnyBody) {
    let (feed, frames) = mpsc::unbounded_channel();
    (feed, Fed(frames).boxed())
}

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// A gateway, a client of it, and an answer that is half there: its rest is what is fed. Whoever asks after that gets `ok`.
async fn under_way() -> (Gateway, http2::SendRequest<AnyBody>, Response<Incoming>, mpsc::UnboundedSender<Frame<Bytes>>)
{
    let (feed, body) = fed();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let backend = library(move |_| {
        let body = body.lock().unwrap().take().unwrap_or_else(|| full("ok"));
        async move { Response::new(body) }
    })
    .await;
    let gateway = Gateway::to(backend);
    let mut client = h2(gateway.address()).await;
    let mut response = client.send_request(get("http://a/")).await.unwrap();
    feed.send(data("one")).unwrap();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    (gateway, client, response, feed)
}

/// An HTTP/2 connection with prior knowledge.
async fn h2(address: SocketAddr) -> http2::SendRequest<AnyBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(uri: &str) -> Request<AnyBody> {
    Request::builder().uri(uri).body(full("")).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn http2_with_prior_knowledge_reaches_a_backend_of_http1() {
    run(async {
        let backend = Backend::answering(|seen| ok(seen.path()));
        let gateway = Gateway::to(backend.address);
        let mut client = h2(gateway.address()).await;
        let request = Request::builder()
            .method("POST")
            .uri("http://shop.test:81/x?y")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(full("body"))
            .unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!((response.version(), response.status()), (Version::HTTP_2, StatusCode::OK));
        assert_eq!(text(response).await, "/x?y");
        let seen = backend.only();
        assert_eq!(seen.line, "POST /x?y HTTP/1.1");
        assert_eq!(seen.field("host").unwrap(), "shop.test:81");
        assert_eq!(seen.field("cookie").unwrap(), "a=1; b=2");
        assert_eq!(seen.body, b"body");
    });
}

#[test]
fn http2_answers_many_requests_at_once() {
    run(async {
        let backend = Backend::answering(|seen| ok(seen.path()));
        let gateway = Gateway::to(backend.address);
        let client = h2(gateway.address()).await;
        let asked: Vec<_> = (0..50)
            .map(|number| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    text(client.send_request(get(&format!("http://a/{number}"))).await.unwrap()).await
                })
            })
            .collect();
        for (number, answer) in asked.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap(), format!("/{number}"));
        }
    });
}

#[test]
fn http2_with_two_opinions_about_the_host_is_400_and_with_too_many_fields_431() {
    run(async {
        let backend = Backend::saying("reached");
        let gateway = Gateway::to(backend.address);
        let mut client = h2(gateway.address()).await;
        let two = Request::builder().uri("http://a/").header("host", "b").body(full("")).unwrap();
        assert_eq!(client.send_request(two).await.unwrap().status(), 400);
        let mut many = get("http://a/");
        for number in 0..101 {
            many.headers_mut().append("x-many", HeaderValue::from(number));
        }
        assert_eq!(client.send_request(many).await.unwrap().status(), 431);
        assert!(backend.seen().is_empty());
    });
}

#[test]
fn http2_is_drained_by_goaway_and_what_is_under_way_is_finished() {
    run(async {
        let (gateway, mut client, mut response, feed) = under_way().await;
        let draining = std::thread::spawn(move || gateway.drain(Duration::from_secs(15)));
        // The client has heard of it when it takes no further requests.
        while client.ready().await.is_ok() && client.send_request(get("http://a/")).await.is_ok() {}
        feed.send(data("two")).unwrap();
        drop(feed);
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
        let rest = response.collect().await.expect("a good end").to_bytes();
        assert!(rest.is_empty(), "{rest:?}");
        tokio::task::spawn_blocking(move || draining.join().unwrap()).await.unwrap();
    });
}

#[test]
fn http2_is_told_by_goaway_that_weir_leaves_finishes_what_is_under_way_and_may_connect_anew() {
    run(async {
        let (gateway, mut client, response, feed) = under_way().await;
        gateway.workers.as_ref().unwrap().leave();
        // The client has heard of it when it takes no further requests.
        while client.ready().await.is_ok() && client.send_request(get("http://a/")).await.is_ok() {}
        let mut another = h2(gateway.address()).await;
        assert_eq!(text(another.send_request(get("http://a/")).await.unwrap()).await, "ok");
        // That one is told as well, once it has asked.
        while another.ready().await.is_ok() && another.send_request(get("http://a/")).await.is_ok() {}
        feed.send(data("two")).unwrap();
        drop(feed);
        assert_eq!(response.collect().await.expect("a good end").to_bytes(), "two");
    });
}

/// A gRPC service that echoes every message as it comes and ends as the request's path says: `/13` is internal.
async fn grpc_backend() -> SocketAddr {
    library(|request| async move {
        let code = request.uri().path()[1..].to_owned();
        assert_eq!(request.version(), Version::HTTP_2, "gRPC needs HTTP/2");
        let response = Response::builder().header("content-type", "application/grpc");
        if let Some(code) = code.strip_prefix("head/") {
            return response.header("grpc-status", code).body(full("")).unwrap();
        }
        let (feed, body) = fed();
        tokio::spawn(async move {
            let mut messages = request.into_body();
            while let Some(Ok(frame)) = messages.frame().await {
                let _ = feed.send(frame);
            }
            if code != "none" {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_str(&code).unwrap());
                let _ = feed.send(Frame::trailers(trailers));
            }
        });
        response.body(body).unwrap()
    })
    .await
}

fn call(path: &str, body: AnyBody) -> Request<AnyBody> {
    Request::builder()
        .method("POST")
        .uri(format!("http://shop.test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

#[test]
fn grpc_streams_both_ways_at_once_and_its_trailers_come_through() {
    run(async {
        let gateway = Gateway::to(grpc_backend().await);
        let mut client = h2(gateway.address()).await;
        let (feed, body) = fed();
        feed.send(data("one")).unwrap();
        let mut response = client.send_request(call("/0", body)).await.unwrap();
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        feed.send(data("two")).unwrap();
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
        drop(feed);
        let trailers = response.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    });
}

#[test]
fn a_grpc_call_counts_by_its_status_wherever_that_is() {
    run(async {
        let address = grpc_backend().await;
        let gateway = Gateway::start(&format!(
            "routes: [{{ release: shop }}]
backends: {{ v1: {{ endpoints: ['{address}'] }}, v2: {{ endpoints: ['{address}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2 }} }}"
        ));
        gateway.share("100%");
        let mut client = h2(gateway.address()).await;
        for (path, errors) in [("/0", 0), ("/5", 0), ("/13", 1), ("/head/14", 2), ("/head/0", 2), ("/none", 3)] {
            let before = gateway.evidence(Side::Canary).requests;
            let response = client.send_request(call(path, full("x"))).await.unwrap();
            let _ = response.into_body().collect().await.unwrap();
            let tally = gateway.evidence_of(Side::Canary, before + 1);
            assert_eq!(tally.errors, errors, "{path}");
        }
    });
}

/// A certificate for `names`, written to `directory`; its DER for trust.
pub fn certificate(directory: &Path, file: &str, names: &[&str]) -> rustls_pki_types::CertificateDer<'static> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(directory.join(format!("{file}.crt")), made.cert.pem()).unwrap();
    std::fs::write(directory.join(format!("{file}.key")), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

pub async fn tls(
    address: SocketAddr,
    name: &str,
    trusted: &[rustls_pki_types::CertificateDer<'static>],
    alpn: &[&[u8]],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[test]
fn tls_offers_both_versions_of_http_and_the_certificate_of_the_name_asked_for() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        let first = certificate(directory.path(), "first", &["one.test"]);
        let second = certificate(directory.path(), "second", &["*.two.test"]);
        let backend = Backend::answering(|seen| ok(&seen.field("x-forwarded-proto").unwrap()));
        let listeners = format!(
            "[{{ name: web, address: '127.0.0.1:0', tls: {{ certificates: [
  {{ certificate: '{path}/first.crt', key: '{path}/first.key' }},
  {{ certificate: '{path}/second.crt', key: '{path}/second.key' }} ] }} }}]"
        );
        let rest = format!(
            "routes: [{{ release: shop }}]
backends: {{ v1: {{ endpoints: ['{0}'] }}, v2: {{ endpoints: ['{0}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2, affinity: {{ cookie: {{}} }} }} }}",
            backend.address
        );
        let gateway = Gateway::with_listeners(&listeners, &rest);
        let trusted = [first, second];

        let stream = tls(gateway.address(), "one.test", &trusted, &[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = client.send_request(get("https://one.test/")).await.unwrap();
        let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.ends_with("; Secure"), "{cookie}");
        assert_eq!(text(response).await, "https");

        let stream = tls(gateway.address(), "a.two.test", &trusted, &[b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().uri("/").header("host", "a.two.test").body(full("")).unwrap();
        assert_eq!(text(client.send_request(request).await.unwrap()).await, "https");
    });
}

#[test]
fn a_handshake_that_does_not_come_in_time_ends_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    certificate(directory.path(), "first", &["one.test"]);
    let listeners = format!(
        "[{{ name: web, address: '127.0.0.1:0', tls: {{ certificates: [{{ certificate: '{path}/first.crt', key: '{path}/first.key' }}] }} }}]"
    );
    let rest = "routes: [{ redirect: { scheme: https } }]\nproxy: { workers: 1, timeouts: { handshake: 100ms } }";
    let gateway = Gateway::with_listeners(&listeners, rest);
    assert!(super::wire::Wire::connect(gateway.address()).is_closed());
}

#[test]
fn a_websocket_talks_through_weir() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() {
                    break;
                }
                socket.send(message).await.unwrap();
            }
        });
        let gateway = Gateway::to(address);
        let url = format!("ws://{}/chat", gateway.address());
        let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert_eq!(response.status(), 101);
        for text in ["hello", "there"] {
            socket.send(Message::text(text)).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
        }
        drop(socket);
        eventually(|| (gateway.classes("/b")[0] == 1).then_some(()));
    });
}
