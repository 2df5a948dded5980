use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;

use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::*;
use crate::proxy::deadline::Watch;

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;
type Piece = Result<Frame<Bytes>, std::io::Error>;

/// A body of these pieces.
struct Pieces(std::vec::IntoIter<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
        Poll::Ready(self.0.next())
    }
}

fn pieces(pieces: impl IntoIterator<Item = Piece>) -> TestBody {
    Pieces(pieces.into_iter().collect::<Vec<_>>().into_iter()).boxed_unsync()
}

fn full(bytes: impl Into<Bytes>) -> TestBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn data(text: &'static str) -> Piece {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

/// A value of 1 KiB.
const LONG_LINK: &str = match std::str::from_utf8(&[b'l'; 1024]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};

/// What a connection of a test holds.
const FULL: usize = 64 * 1024;

/// More than that, and than a stream holds.
const LARGE: usize = 1 << 20;

/// Answers with the body; `/hints` after three early hints, `/flood` after a hundred long ones, `/refused` without reading
/// the body, `/late` likewise, and with an early hint when the body moves on after that, `/trailers` with trailers of which
/// some are for the connection, `/short` with less than all, `/large` with much, `/never` never, until it is `dropped`.
#[derive(Clone, Default)]
struct Echo {
    dropped: Rc<RefCell<Option<oneshot::Sender<Infallible>>>>,
}

impl Service for Echo {
    type Body = TestBody;

    async fn call(self, request: Request<RequestBody>) -> Answer<TestBody> {
        let (head, mut body) = request.into_parts();
        let hint = |body: &RequestBody, link| body.inform(StatusCode::EARLY_HINTS, fields(&[("link", link)]));
        let body = match head.uri.path() {
            "/never" => {
                let _dropped = self.dropped.take();
                std::future::pending().await
            }
            "/refused" => full("no"),
            "/flood" => {
                for _ in 0..100 {
                    hint(&body, LONG_LINK);
                }
                full("dry")
            }
            "/late" => {
                tokio::task::spawn_local(async move {
                    body.frame().await;
                    hint(&body, "<late>");
                });
                full("soon")
            }
            "/short" => pieces([data("half"), Err(std::io::ErrorKind::BrokenPipe.into())]),
            "/large" => full(vec![0; LARGE]),
            "/trailers" => {
                let trailers = fields(&[("x-sum", "1"), ("connection", "x-hop"), ("x-hop", "1")]);
                pieces([data("a"), Ok(Frame::trailers(trailers))])
            }
            path => {
                for link in ["<a>", "<b>", "<c>"].into_iter().filter(|_| path == "/hints") {
                    hint(&body, link);
                }
                full(body.collect().await.map(|body| body.to_bytes()).unwrap_or_default())
            }
        };
        Answer { response: Response::new(body), tunnel: None }
    }
}

/// Serves the far end of a connection while `client` uses the near one.
async fn with<T>(service: Echo, client: impl AsyncFnOnce(DuplexStream, Rc<Watch>) -> T) -> T {
    let (near, far) = tokio::io::duplex(FULL);
    let watch = Rc::<Watch>::default();
    let settings = Settings { streams: 10, header_bytes: 16 * 1024 };
    let server = Server::new(far, (settings, service), TaskTracker::new(), (Rc::default(), watch.deadline()));
    let local = LocalSet::new();
    let (_, result) = local.run_until(async { tokio::join!(server, client(near, watch)) }).await;
    result
}

/// As [`with`], with a client that keeps to the rules.
async fn asking<T>(service: Echo, client: impl AsyncFnOnce(SendRequest<Bytes>) -> T) -> T {
    with(service, async |near, _| {
        let (sender, connection) = h2::client::handshake(near).await.unwrap();
        let connection = tokio::task::spawn_local(connection);
        let result = client(sender).await;
        connection.await.unwrap().unwrap();
        result
    })
    .await
}

/// Asks for `path` with a body that is still open.
async fn ask(sender: &SendRequest<Bytes>, path: &str, expect: bool) -> (ResponseFuture, SendStream<Bytes>) {
    let mut sender = sender.clone().ready().await.unwrap();
    let mut request = Request::builder().method(Method::POST).uri(format!("http://a{path}")).body(()).unwrap();
    if expect {
        request.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    }
    sender.send_request(request, false).unwrap()
}

/// The next informational response.
async fn informed(response: &mut ResponseFuture) -> Option<Response<()>> {
    poll_fn(|cx| response.poll_informational(cx)).await.map(Result::unwrap)
}

/// All of a body: its bytes and its trailers.
async fn whole(mut body: RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        bytes.extend(data?);
    }
    Ok((bytes, body.trailers().await?))
}

#[tokio::test]
async fn informational_responses_come_in_order_while_the_upload_is_open() {
    asking(Echo::default(), async |sender| {
        let (mut response, mut upload) = ask(&sender, "/hints", false).await;
        for link in ["<a>", "<b>", "<c>"] {
            let hint = informed(&mut response).await.unwrap();
            assert_eq!((hint.status(), hint.headers()["link"].to_str().unwrap()), (StatusCode::EARLY_HINTS, link));
        }
        upload.send_data(Bytes::from_static(b"all"), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!((response.status(), response.headers()), (StatusCode::OK, &fields(&[("content-length", "3")])));
        assert_eq!(whole(response.into_body()).await.unwrap().0, b"all");
    })
    .await;
}

#[tokio::test]
async fn no_more_is_said_ahead_of_an_answer_than_is_kept_of_the_answer() {
    asking(Echo::default(), async |sender| {
        let (mut response, _upload) = ask(&sender, "/flood", false).await;
        let mut hints = 0;
        while informed(&mut response).await.is_some() {
            hints += 1;
        }
        assert_eq!(hints, SEND_BUFFER / ("link".len() + LONG_LINK.len()));
        assert_eq!(whole(response.await.unwrap().into_body()).await.unwrap().0, b"dry");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_when_its_body_is_wanted_and_only_then() {
    asking(Echo::default(), async |sender| {
        let (mut response, mut upload) = ask(&sender, "/a", true).await;
        assert_eq!(informed(&mut response).await.unwrap().status(), StatusCode::CONTINUE);
        upload.send_data(Bytes::from_static(b"body"), true).unwrap();
        assert_eq!(whole(response.await.unwrap().into_body()).await.unwrap().0, b"body");

        let (mut response, _upload) = ask(&sender, "/refused", true).await;
        assert!(informed(&mut response).await.is_none(), "nobody wanted it");
        assert_eq!(whole(response.await.unwrap().into_body()).await.unwrap().0, b"no");
    })
    .await;
}

#[tokio::test]
async fn an_answer_before_the_upload_has_ended_is_whole_and_tells_the_client_to_stop() {
    asking(Echo::default(), async |sender| {
        let (response, mut upload) = ask(&sender, "/refused", false).await;
        upload.send_data(Bytes::from_static(b"some"), false).unwrap();
        assert_eq!(whole(response.await.unwrap().into_body()).await.unwrap().0, b"no");
        assert_eq!(poll_fn(|cx| upload.poll_reset(cx)).await.unwrap(), Reason::NO_ERROR);
    })
    .await;
}

#[tokio::test]
async fn trailers_come_through_without_those_of_the_connection() {
    asking(Echo::default(), async |sender| {
        let (response, mut upload) = ask(&sender, "/trailers", false).await;
        upload.send_data(Bytes::new(), true).unwrap();
        let (body, trailers) = whole(response.await.unwrap().into_body()).await.unwrap();
        assert_eq!((body.as_slice(), trailers.unwrap()), (&b"a"[..], fields(&[("x-sum", "1")])));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    asking(Echo::default(), async |sender| {
        let (response, mut upload) = ask(&sender, "/short", false).await;
        upload.send_data(Bytes::new(), true).unwrap();
        let error = match response.await {
            Ok(response) => whole(response.into_body()).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_ends_the_work_for_it() {
    let (dropped, is_dropped) = oneshot::channel();
    let service = Echo { dropped: Rc::new(RefCell::new(Some(dropped))) };
    asking(service.clone(), async |sender| {
        let (_response, mut upload) = ask(&sender, "/never", false).await;
        while service.dropped.borrow().is_some() {
            tokio::task::yield_now().await;
        }
        upload.send_reset(Reason::CANCEL);
        is_dropped.await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn nothing_is_said_on_a_stream_after_its_answer() {
    asking(Echo::default(), async |sender| {
        let (response, mut upload) = ask(&sender, "/late", false).await;
        let response = response.await.unwrap();
        upload.send_data(Bytes::from_static(b"x"), false).unwrap();
        assert_eq!(poll_fn(|cx| upload.poll_reset(cx)).await.unwrap(), Reason::NO_ERROR);
        assert_eq!(whole(response.into_body()).await.unwrap().0, b"soon");
    })
    .await;
}

/// The next frame: its kind and its flags; `None` at the end of the connection.
async fn frame(client: &mut DuplexStream) -> Option<[u8; 2]> {
    let mut head = [0; 9];
    client.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    client.read_exact(&mut payload).await.ok()?;
    Some([head[3], head[4]])
}

/// A client that has said hello, and has read all that the server has to say to that.
async fn greeted(client: &mut DuplexStream) {
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    for expected in [[4, 0], [4, 1], [8, 0]] {
        assert_eq!(frame(client).await.unwrap(), expected, "SETTINGS, its ACK for the client's, WINDOW_UPDATE");
    }
}

/// Tells the time, and has the server look at it.
async fn at(seconds: u64, watch: &Watch) {
    watch.tick(Duration::from_secs(seconds));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// Whether the server says nothing now.
async fn is_quiet(client: &mut DuplexStream) -> bool {
    let mut byte = [0];
    let mut buffer = tokio::io::ReadBuf::new(&mut byte);
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *client).poll_read(cx, &mut buffer).is_pending())).await
}

const PING: [u8; 2] = [6, 0];
const GOAWAY: [u8; 2] = [7, 0];
const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0\x3b\x7c\xdb\x7a\x0b\x87\x16\xb4";

#[tokio::test]
async fn a_silent_client_is_asked_whether_it_is_there_and_then_given_up() {
    with(Echo::default(), async |mut client, watch| {
        greeted(&mut client).await;
        at(19, &watch).await;
        assert!(is_quiet(&mut client).await, "too early");
        at(21, &watch).await;
        assert_eq!(frame(&mut client).await, Some(PING));
        at(40, &watch).await;
        assert!(is_quiet(&mut client).await, "too early");
        at(42, &watch).await;
        assert_eq!((frame(&mut client).await, frame(&mut client).await), (Some(GOAWAY), None));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_answers_is_asked_again_after_as_long() {
    with(Echo::default(), async |mut client, watch| {
        greeted(&mut client).await;
        for round in 1..4 {
            at(round * 21, &watch).await;
            assert_eq!(frame(&mut client).await, Some(PING), "in round {round}");
            client.write_all(PONG).await.unwrap();
            at(round * 21, &watch).await;
            assert!(is_quiet(&mut client).await);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_even_read_is_given_up_in_the_same_time() {
    with(Echo::default(), async |mut client, watch| {
        greeted(&mut client).await;
        // More than the connection between them holds, to which its client does not listen.
        let window = b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff\0\0\x04\x08\0\0\0\0\0\x7f\0\0\0";
        let ask = b"\0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/large\x01\x01a";
        client.write_all(&[&window[..], &ask[..]].concat()).await.unwrap();
        at(0, &watch).await;
        at(21, &watch).await;
        at(42, &watch).await;
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!((FULL..LARGE).contains(&rest.len()), "{} bytes", rest.len());
    })
    .await;
}

#[test]
fn an_idle_connection_is_small() {
    type Idle = Server<DuplexStream, Echo>;
    // Nearly all of it is h2's.
    let own = size_of::<Idle>() - size_of::<State<Rationed<DuplexStream>>>();
    assert!(own <= 96, "{own} bytes");
}
