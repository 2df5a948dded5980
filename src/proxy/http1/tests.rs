use http::StatusCode;
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::proxy::deadline::Watch;

const SETTINGS: Settings = Settings {
    limits: Limits { bytes: 4096, fields: 20 },
    header: Duration::from_secs(5),
    keep_alive: Duration::from_secs(5),
    write: Duration::from_secs(5),
};

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// Answers with the method, the target and the body; `/stream` in two chunks and a trailer, `/ignore` without reading the
/// body, `/never` never, `/short` with less than it announces.
struct Echo;

impl Service for Echo {
    type Body = TestBody;

    async fn call(&self, request: Request<RequestBody>) -> Answer<TestBody> {
        let (head, body) = request.into_parts();
        let response = match head.uri.path() {
            "/never" => std::future::pending().await,
            "/ignore" => Response::new(full("ignored")),
            "/stream" => Response::new(stream(["one", "two"])),
            "/short" => Response::new(short()),
            "/empty" => Response::builder().status(StatusCode::NO_CONTENT).body(full("")).unwrap(),
            "/large" => Response::new(full(&"x".repeat(300_000))),
            path => {
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                Response::new(full(&format!("{} {path} {}", head.method, String::from_utf8_lossy(&body))))
            }
        };
        Answer { response, tunnel: None }
    }

    fn refuse(&self, error: Http1Error) -> Response<TestBody> {
        Response::builder().status(StatusCode::BAD_REQUEST).body(full(&error.to_string())).unwrap()
    }
}

fn full(text: &str) -> TestBody {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

type Frame = Result<http_body::Frame<Bytes>, std::io::Error>;

/// A body of these frames.
struct Frames(std::vec::IntoIter<Frame>);

impl Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Option<Frame>> {
        Poll::Ready(self.0.next())
    }
}

fn frames(frames: Vec<Frame>) -> TestBody {
    Frames(frames.into_iter()).boxed_unsync()
}

fn stream(parts: [&'static str; 2]) -> TestBody {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("6"));
    let data = parts.map(|part| Ok(http_body::Frame::data(Bytes::from_static(part.as_bytes()))));
    frames(data.into_iter().chain([Ok(http_body::Frame::trailers(trailers))]).collect())
}

fn short() -> TestBody {
    frames(vec![Ok(http_body::Frame::data(Bytes::from_static(b"some"))), Err(std::io::ErrorKind::BrokenPipe.into())])
}

/// Serves the far end of a connection while `client` uses the near one.
async fn with<T>(client: impl AsyncFnOnce(DuplexStream, Rc<Watch>) -> T) -> T {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let watch = Rc::<Watch>::default();
    let serving = serve(far, Rc::new(SETTINGS), watch.deadline(), Echo);
    let (_, result) = tokio::join!(serving, client(near, watch.clone()));
    assert_eq!(watch.len(), 0, "the connection has not ended");
    result
}

/// Sends `wire` in one go, closes, and reads until the end.
async fn exchange(wire: &str) -> String {
    let wire = wire.to_owned();
    with(async move |mut client, _| {
        client.write_all(wire.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Half closed: whoever has sent all may still wait for answers. Only `Connection: close` ends these.
        client.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    })
    .await
}

#[tokio::test]
async fn requests_are_answered_one_after_the_other_on_one_connection() {
    let answer = exchange("GET /a HTTP/1.1\r\nhost: a\r\n\r\nPOST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nGET /a HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nPOST /b abcHTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nGET /c "
    );
}

#[tokio::test]
async fn a_chunked_request_is_read_to_its_end_and_no_further() {
    let answer = exchange("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("POST /a abc") && answer.contains("GET /b"), "{answer}");
}

#[tokio::test]
async fn a_streamed_answer_has_chunks_and_trailers() {
    let answer = exchange("GET /stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let answer = exchange("GET /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    assert!(answer.ends_with("connection: close\r\n\r\nonetwo"), "{answer}");
    let answer = exchange("GET /a HTTP/1.0\r\n\r\n").await;
    assert!(answer.contains("connection: close") && answer.ends_with("GET /a "), "{answer}");
}

#[tokio::test]
async fn what_has_no_body_gets_none() {
    let answer =
        exchange("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\nGET /empty HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let answer = exchange("GET /short HTTP/1.1\r\nhost: a\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.ends_with("4\r\nsome\r\n"), "{answer:?}");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_nothing_after_it_is_read() {
    for wire in [
        "GET / HTTP/1.1\r\nhost : a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nxGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let answer = exchange(wire).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close"), "{answer}");
        assert!(!answer.contains("smuggled"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_nobody_wanted_is_skipped_when_it_is_small_and_ends_the_connection_when_it_is_large() {
    let small = exchange("POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(small.contains("GET /a"), "{small}");
    let large = format!("POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n{}", "a".repeat(1000));
    let large = exchange_half_closed(&large).await;
    assert!(large.contains("connection: close") && large.ends_with("ignored"), "{large}");
}

async fn exchange_half_closed(wire: &str) -> String {
    let wire = wire.to_owned();
    with(async move |mut client, _| {
        client.write_all(wire.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = client.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    })
    .await
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_when_its_body_is_wanted() {
    with(async |mut client, _| {
        client
            .write_all(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 25];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"abc").await.unwrap();
        let mut answer = [0; 17];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work_for_it() {
    with(async |mut client, _| {
        client.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        drop(client);
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_time_and_soon_when_draining() {
    with(async |mut client, watch| {
        tokio::task::yield_now().await;
        watch.tick(Duration::from_secs(6));
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    })
    .await;
    with(async |mut client, watch| {
        tokio::task::yield_now().await;
        watch.drain();
        tokio::task::yield_now().await;
        watch.tick(Duration::from_secs(1));
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_connection_without_room_of_its_own_is_served_and_kept_as_long_as_any_other() {
    with(async |mut client, watch| {
        let other = watch.deadline();
        let rooms: Vec<_> = std::iter::from_fn(|| other.keep_room()).collect();
        let mut answer = [0; 44];
        for second in [0, 4, 8] {
            watch.tick(Duration::from_secs(second));
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            client.read_exact(&mut answer).await.unwrap();
            assert!(answer.ends_with(b"\r\n\r\nGET / "), "{}", answer.escape_ascii());
        }
        watch.tick(Duration::from_millis(8000 + 5000));
        tokio::select! {
            biased;
            _ = client.read(&mut answer) => panic!("ended early"),
            () = tokio::task::yield_now() => {}
        }
        watch.tick(Duration::from_secs(14));
        assert_eq!(client.read(&mut answer).await.unwrap(), 0);
        drop(rooms);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_was_on_its_way_when_draining_began_is_answered_as_the_last() {
    with(async |mut client, watch| {
        tokio::task::yield_now().await;
        watch.drain();
        tokio::task::yield_now().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_head_that_dribbles_is_cut_off_however_often_it_moves() {
    with(async |mut client, watch| {
        client.write_all(b"GET / HT").await.unwrap();
        for second in 1..8 {
            tokio::task::yield_now().await;
            watch.tick(Duration::from_secs(second));
            if client.write_all(b"x").await.is_err() {
                return;
            }
        }
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    with(async |mut client, watch| {
        client.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        for second in 1..20 {
            tokio::task::yield_now().await;
            watch.tick(Duration::from_secs(second));
        }
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() < 300_000);
    })
    .await;
}

#[test]
fn an_idle_connection_is_small() {
    let (near, far) = tokio::io::duplex(1);
    let watch = Rc::<Watch>::default();
    let serving = serve(far, Rc::new(SETTINGS), watch.deadline(), Echo);
    // What an exchange needs is in a box of its own: what stays is the wait for a first byte.
    assert!(size_of_val(&serving) <= 256, "{} bytes", size_of_val(&serving));
    drop(near);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_requests_arrive_the_answers_are_the_same(cuts in proptest::collection::vec(1usize..40, 0..30)) {
        let wire = "GET /a HTTP/1.1\r\nhost: a\r\n\r\nPOST /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(with(async move |mut client, _| {
            let mut rest = wire.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                client.write_all(now).await.unwrap();
                tokio::task::yield_now().await;
                rest = later;
            }
            client.write_all(rest).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        }));
        prop_assert!(answer.contains("GET /a ") && answer.contains("POST /b abc") && answer.ends_with("GET /c "), "{}", answer);
    }
}
