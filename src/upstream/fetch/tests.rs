use tokio::io::AsyncWriteExt;

use super::super::testing::{Authority, always, endpoint, read_all, read_head, run};
use super::*;

fn get(uri: String) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

fn quick() -> Options {
    Options { timeout: Duration::from_secs(10), ..Options::default() }
}

#[test]
fn the_whole_answer_comes_back_whatever_its_status() {
    run(async {
        for (answer, status, body) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, "hello"),
            ("HTTP/1.1 503 Not Now\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnot\r\n0\r\n\r\n", 503, "not"),
        ] {
            let address = endpoint(move |stream, _| always(stream, answer)).await;
            let response = fetch(get(format!("http://{address}/")), &quick()).await.unwrap();
            assert_eq!((response.status().as_u16(), &response.body()[..]), (status, body.as_bytes()));
        }
    });
}

#[test]
fn the_request_goes_out_as_it_is_with_a_host() {
    run(async {
        let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let address = endpoint(move |mut stream, _| {
            let heads = heads.clone();
            async move {
                heads.send(read_head(&mut stream).await.unwrap()).unwrap();
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        })
        .await;
        let request = Request::post(format!("http://{address}/a?b")).header("x-a", "b").body(Bytes::from("body"));
        fetch(request.unwrap(), &quick()).await.unwrap();
        let head = seen.recv().await.unwrap();
        assert!(head.starts_with("POST /a?b HTTP/1.1\r\n"), "{head}");
        for field in
            [format!("host: {address}"), "x-a: b".into(), "content-length: 4".into(), "connection: close".into()]
        {
            assert!(head.contains(&format!("{field}\r\n")), "{field} in {head}");
        }
        let elsewhere = Options { address: Some(address), ..quick() };
        fetch(get("http://shop.test/".into()), &elsewhere).await.unwrap();
        assert!(seen.recv().await.unwrap().contains("host: shop.test\r\n"));
    });
}

#[test]
fn https_is_verified() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.server("localhost", &[b"http/1.1"], false);
        let address = endpoint(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                read_head(&mut stream).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        })
        .await;
        // What it offers elsewhere does not matter here.
        let tls = Options { tls: Some(authority.client(Alpn::Any)), address: Some(address), ..quick() };
        assert_eq!(fetch(get("https://localhost/".into()), &tls).await.unwrap().body(), "ok");
        let error = fetch(get("https://other.test/".into()), &tls).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    });
}

#[test]
fn http2_where_it_is_asked_for() {
    run(async {
        let address = endpoint(|stream, _| async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!(request.uri().authority().unwrap(), "shop.test");
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from("two"), true).unwrap();
            }
        })
        .await;
        let options = Options { version: Version::Http2, ..quick() };
        let request = Request::get(format!("http://{address}/")).header("host", "shop.test").body(Bytes::new());
        assert_eq!(fetch(request.unwrap(), &options).await.unwrap().body(), "two");
    });
}

#[test]
fn everything_is_bounded() {
    run(async {
        let large = endpoint(|stream, _| always(stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")).await;
        let small = Options { limit: 4, ..quick() };
        let error = fetch(get(format!("http://{large}/")), &small).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge(4)), "{error}");

        let mute = endpoint(|mut stream, _| async move { drop(read_all(&mut stream).await) }).await;
        let hasty = Options { timeout: Duration::from_millis(20), ..quick() };
        let error = fetch(get(format!("http://{mute}/")), &hasty).await.unwrap_err();
        assert!(matches!(error, FetchError::Timeout(_)), "{error}");
    });
}

#[test]
fn what_cannot_be_fetched_is_said_clearly() {
    run(async {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = fetch(get(format!("http://{closed}/")), &quick()).await.unwrap_err().to_string();
        assert_eq!(error, format!("cannot connect to {closed}: connection refused"));

        let torn = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await.unwrap();
        })
        .await;
        let odd = endpoint(|stream, _| always(stream, "hello\r\n\r\n")).await;
        for address in [torn, odd] {
            let error = fetch(get(format!("http://{address}/")), &quick()).await.unwrap_err();
            assert!(matches!(error, FetchError::Broken(_)), "{error}");
        }

        for uri in ["/path", "ftp://host/"] {
            let error = fetch(get(uri.into()), &quick()).await.unwrap_err();
            assert!(matches!(error, FetchError::BadUri(_)), "{uri}: {error}");
        }
    });
}
