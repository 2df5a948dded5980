//! HTTP/2 to clients: what a backend says ahead of its answer, how answers end, and how requests are taken back.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::backend::{Backend, ok};
use super::gateway::{Gateway, everything_to};
use super::protocols::{certificate, run, tls};
use super::wire::Wire;

const LONG: Duration = Duration::from_secs(20);

/// A client that sees every frame's meaning.
async fn client(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

async fn plain(gateway: &Gateway) -> SendRequest<Bytes> {
    client(TcpStream::connect(gateway.address()).await.unwrap()).await
}

fn get(sender: &mut SendRequest<Bytes>, uri: &str) -> ResponseFuture {
    sender.send_request(Request::get(uri).body(()).unwrap(), true).unwrap().0
}

fn post(sender: &mut SendRequest<Bytes>, expect: Option<&str>) -> (ResponseFuture, SendStream<Bytes>) {
    let mut request = Request::post("http://a/").body(()).unwrap();
    if let Some(expect) = expect {
        request.headers_mut().insert("expect", expect.parse().unwrap());
    }
    sender.send_request(request, false).unwrap()
}

/// The next response ahead of the answer: its status, and its only field.
async fn hint(response: &mut ResponseFuture) -> Option<(u16, String)> {
    let hint = poll_fn(|cx| response.poll_informational(cx)).await?.unwrap();
    let fields: Vec<_> =
        hint.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    Some((hint.status().as_u16(), fields.join(", ")))
}

/// All of a body: its text and its trailers.
async fn whole(response: Response<RecvStream>) -> Result<(String, Option<HeaderMap>), h2::Error> {
    let (mut body, mut text) = (response.into_body(), String::new());
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    Ok((text, body.trailers().await?))
}

/// A backend that sends so many hints, and answers when it is told to.
fn hinting(count: usize) -> (Backend, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::serving(move |_, stream| {
        let fields = "Connection: x-hop\r\nX-Hop: 1\r\nContent-Length: 7";
        let hints =
            (0..count).map(|number| format!("HTTP/1.1 103 Early Hints\r\nLink: <{number}>\r\n{fields}\r\n\r\n"));
        stream.write_all(hints.collect::<String>().as_bytes()).unwrap();
        let _ = wait.lock().unwrap().recv();
        stream.write_all(&ok("done")).is_err()
    });
    (backend, go)
}

#[test]
fn early_hints_reach_clients_of_http2_in_order_before_the_answer_exists() {
    run(async {
        let (backend, go) = hinting(3);
        let gateway = Gateway::to(backend.address);
        let mut response = get(&mut plain(&gateway).await, "http://a/");
        for number in 0..3 {
            assert_eq!(hint(&mut response).await.unwrap(), (103, format!("link: <{number}>")));
        }
        go.send(()).unwrap();
        assert_eq!(whole(response.await.unwrap()).await.unwrap().0, "done");
    });
}

#[test]
fn early_hints_go_over_tls_too() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        let trusted = certificate(directory.path(), "one", &["one.test"]);
        let (backend, go) = hinting(1);
        let listeners = format!(
            "[{{ name: web, address: '127.0.0.1:0', tls: {{ certificates: [{{ certificate: '{path}/one.crt', key: '{path}/one.key' }}] }} }}]"
        );
        let rest = everything_to(backend.address);
        let gateway = Gateway::with_listeners(&listeners, &rest);
        let stream = tls(gateway.address(), "one.test", &[trusted], &[b"h2"]).await;
        let mut response = get(&mut client(stream).await, "https://one.test/");
        assert_eq!(hint(&mut response).await.unwrap(), (103, "link: <0>".to_owned()));
        go.send(()).unwrap();
        assert_eq!(whole(response.await.unwrap()).await.unwrap().0, "done");
    });
}

#[test]
fn more_early_hints_than_anybody_needs_are_a_fault_of_the_backend() {
    run(async {
        for (count, status) in [(16, 200), (17, 502)] {
            let (backend, go) = hinting(count);
            go.send(()).unwrap();
            let gateway = Gateway::to(backend.address);
            let (mut response, mut upload) = post(&mut plain(&gateway).await, None);
            upload.send_data(Bytes::new(), true).unwrap();
            for number in 0..16 {
                assert_eq!(hint(&mut response).await.unwrap(), (103, format!("link: <{number}>")));
            }
            assert!(hint(&mut response).await.is_none());
            assert_eq!(response.await.unwrap().status(), status, "after {count}");
        }
    });
}

/// A gateway to a backend of HTTP/2 that says so much before its answer, and answers when it is told to.
async fn saying(said: Vec<u16>) -> (Gateway, Arc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let go = Arc::new(Semaphore::new(0));
    let wait = go.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut reply))) = connection.accept().await {
            let (said, wait) = (said.clone(), wait.clone());
            tokio::spawn(async move {
                for (number, status) in said.into_iter().enumerate() {
                    let hint = Response::builder().status(status).header("link", format!("<{number}>"));
                    reply.send_informational(hint.body(()).unwrap()).unwrap();
                }
                wait.acquire().await.unwrap().forget();
                // The request may have been taken back.
                if let Ok(mut stream) = reply.send_response(Response::new(()), false) {
                    let _ = stream.send_data(Bytes::from_static(b"done"), true);
                }
            });
        }
    });
    let config =
        format!("routes: [{{ backend: b }}]\nbackends: {{ b: {{ endpoints: ['{address}'], protocol: http2 }} }}");
    (Gateway::start(&config), go)
}

#[test]
fn early_hints_of_a_backend_of_http2_reach_all_clients_before_the_answer_exists() {
    run(async {
        let (gateway, go) = saying(vec![103, 103]).await;
        let mut response = get(&mut plain(&gateway).await, "http://a/");
        for number in 0..2 {
            assert_eq!(hint(&mut response).await.unwrap(), (103, format!("link: <{number}>")));
        }
        go.add_permits(1);
        assert_eq!(whole(response.await.unwrap()).await.unwrap().0, "done");

        let mut wire = Wire::connect(gateway.address());
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        for number in 0..2 {
            assert_eq!(wire.line().unwrap(), "HTTP/1.1 103 Early Hints");
            assert_eq!(wire.line().unwrap(), format!("link: <{number}>"));
            assert_eq!(wire.line().unwrap(), "");
        }
        go.add_permits(1);
        assert_eq!(wire.reply().text(), "done");
    });
}

#[test]
fn a_backend_of_http2_that_says_too_much_or_101_ahead_of_its_answer_is_at_fault() {
    run(async {
        for (said, passed_on, status) in [(vec![103; 16], 16, 200), (vec![103; 17], 16, 502), (vec![101], 0, 502)] {
            let (gateway, go) = saying(said).await;
            go.add_permits(1);
            let (mut response, mut upload) = post(&mut plain(&gateway).await, None);
            upload.send_data(Bytes::new(), true).unwrap();
            for number in 0..passed_on {
                assert_eq!(hint(&mut response).await.unwrap(), (103, format!("link: <{number}>")));
            }
            assert!(hint(&mut response).await.is_none());
            assert_eq!(response.await.unwrap().status(), status, "after {passed_on}");
        }
    });
}

#[test]
fn early_hints_come_while_the_upload_is_open() {
    run(async {
        let backend = Backend::connecting(|mut stream| {
            let mut read = [0; 4096];
            assert!(stream.read(&mut read).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n").unwrap();
            let mut rest = Vec::new();
            while !rest.ends_with(b"0\r\n\r\n") {
                let count = stream.read(&mut read).unwrap();
                rest.extend(&read[..count]);
            }
            stream.write_all(&ok("done")).unwrap();
        });
        let gateway = Gateway::to(backend.address);
        let (mut response, mut upload) = post(&mut plain(&gateway).await, None);
        assert_eq!(hint(&mut response).await.unwrap(), (103, "link: <a>".to_owned()));
        upload.send_data(Bytes::from_static(b"late"), true).unwrap();
        assert_eq!(whole(response.await.unwrap()).await.unwrap().0, "done");
    });
}

#[test]
fn a_client_of_http2_that_asks_first_is_told_to_go_on() {
    run(async {
        let backend = Backend::answering(|seen| ok(std::str::from_utf8(&seen.body).unwrap()));
        let gateway = Gateway::to(backend.address);
        let (mut response, mut upload) = post(&mut plain(&gateway).await, Some("100-continue"));
        assert_eq!(hint(&mut response).await.unwrap(), (100, String::new()));
        upload.send_data(Bytes::from_static(b"body"), true).unwrap();
        assert_eq!(whole(response.await.unwrap()).await.unwrap().0, "body");
        assert_eq!(backend.only().field("expect"), None);
    });
}

#[test]
fn a_client_of_http2_that_takes_its_request_back_ends_it_at_the_backend() {
    run(async {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let backend = Backend::connecting(move |mut stream| {
            let (mut read, mut seen) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = stream.read(&mut read) {
                seen.extend(&read[..count]);
                if seen.ends_with(b"some\r\n") {
                    tell.lock().unwrap().send(true).unwrap();
                }
            }
            let looks_whole = seen.ends_with(b"0\r\n\r\n");
            tell.lock().unwrap().send(looks_whole).unwrap();
        });
        let gateway = Gateway::to(backend.address);
        let mut sender = plain(&gateway).await;
        for reason in [Reason::CANCEL, Reason::NO_ERROR] {
            // Before its answer, with its upload open.
            let (_response, mut upload) = post(&mut sender, None);
            upload.send_data(Bytes::from_static(b"some"), false).unwrap();
            assert_eq!(told.recv_timeout(LONG), Ok(true), "it is under way");
            upload.send_reset(reason);
            assert_eq!(told.recv_timeout(LONG), Ok(false), "by {reason}");
        }
    });
}

#[test]
fn a_client_of_http2_that_takes_no_more_of_an_answer_ends_it_at_the_backend() {
    run(async {
        let (ended, end) = mpsc::channel();
        let ended = Mutex::new(ended);
        let backend = Backend::serving(move |_, stream| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes());
            while sent.is_ok() {
                sent = stream.write_all(b"4\r\nmore\r\n");
            }
            ended.lock().unwrap().send(()).unwrap();
            true
        });
        let gateway = Gateway::to(backend.address);
        let response = get(&mut plain(&gateway).await, "http://a/").await.unwrap();
        // Dropped unread, its stream is reset by CANCEL.
        drop(response);
        end.recv_timeout(LONG).unwrap();
    });
}

#[test]
fn trailers_go_through_both_ways_by_http2() {
    run(async {
        let backend = Backend::answering(|_| {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\nConnection: x-hop\r\n\r\n".to_vec()
        });
        let gateway = Gateway::to(backend.address);
        let (response, mut upload) = post(&mut plain(&gateway).await, None);
        upload.send_data(Bytes::from_static(b"a"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-up", "5".parse().unwrap());
        upload.send_trailers(trailers).unwrap();
        let (text, trailers) = whole(response.await.unwrap()).await.unwrap();
        let trailers = trailers.unwrap();
        assert_eq!((text.as_str(), trailers.len(), &trailers["x-sum"]), ("ok", 1, &"7".parse().unwrap()));
        assert_eq!(backend.only().trailers, ["x-up: 5"]);
    });
}

#[test]
fn an_answer_that_breaks_off_is_reset_for_clients_of_http2() {
    run(async {
        for framing in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let backend = Backend::serving(move |_, stream| {
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}").as_bytes()).unwrap();
                true
            });
            let gateway = Gateway::to(backend.address);
            // Of a POST: nothing of that may be asked again.
            let (response, mut upload) = post(&mut plain(&gateway).await, None);
            upload.send_data(Bytes::new(), true).unwrap();
            let ended = match response.await {
                Ok(response) => whole(response).await.map(drop),
                Err(error) => Err(error),
            };
            assert_eq!(ended.unwrap_err().reason(), Some(Reason::INTERNAL_ERROR));
        }
    });
}

#[test]
fn answers_without_a_body_end_with_their_head_by_http2() {
    run(async {
        let backend = Backend::answering(|seen| match seen.path() {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n".to_vec(),
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(),
        });
        let gateway = Gateway::to(backend.address);
        let mut sender = plain(&gateway).await;
        for (method, path, status, length) in
            [("HEAD", "/", 200, Some("7")), ("GET", "/204", 204, None), ("GET", "/304", 304, Some("7"))]
        {
            let request = Request::builder().method(method).uri(format!("http://a{path}")).body(()).unwrap();
            let response = sender.send_request(request, true).unwrap().0.await.unwrap();
            let said = response.headers().get("content-length").map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), said, response.body().is_end_stream()), (status, length, true));
        }
    });
}
