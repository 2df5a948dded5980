//! Who is spoken to by HTTP/2, and who by HTTP/1.1.

use bytes::Bytes;
use http::{HeaderMap, Response, Version};
use http_body_util::BodyExt;
use tokio::net::TcpStream;

use super::super::super::super::testing::{Authority, Bench, always, endpoint, request, run, text};
use super::super::super::super::tls::Alpn;
use super::super::super::super::{RequestBody, Reuse};
use super::super::{OK, read_head};
use super::{reply, serve};

#[test]
fn grpc_goes_over_http2_and_the_rest_over_http1_where_the_protocol_is_open() {
    run(async {
        let address = endpoint(|stream: TcpStream, _| async move {
            let mut start = [0; 3];
            stream.peek(&mut start).await.unwrap();
            if &start != b"PRI" {
                return always(stream, OK).await;
            }
            serve(stream, |(_, mut respond), _| async move {
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from("message"), false).unwrap();
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                stream.send_trailers(trailers).unwrap();
            })
            .await;
        })
        .await;
        let bench = Bench::to(address);
        let mut call = request("POST", "/shop.Shop/Buy", RequestBody::full(Bytes::from("call")));
        call.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        let response = bench.send(call, Reuse::Young).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(bench.get("/").await.unwrap().version(), Version::HTTP_11);
        assert_eq!(bench.counts(), (2, 1));
    });
}

#[test]
fn with_tls_alpn_settles_the_protocol() {
    run(async {
        let authority = Authority::new();
        for (offered, version) in [(&b"h2"[..], Version::HTTP_2), (&b"http/1.1"[..], Version::HTTP_11)] {
            let acceptor = authority.server("shop.test", &[offered], false);
            let address = endpoint(move |stream, _| {
                let acceptor = acceptor.clone();
                async move {
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        return serve(stream, |(_, respond), _| async move { reply(respond, "ok") }).await;
                    }
                    while read_head(&mut stream).await.is_some() {
                        tokio::io::AsyncWriteExt::write_all(&mut stream, OK.as_bytes()).await.unwrap();
                    }
                }
            })
            .await;
            let bench = Bench::over_tls(address, authority.client(Alpn::Any), "shop.test");
            let (first, second) = tokio::join!(bench.get("/"), bench.get("/"));
            for response in [first, second, bench.get("/").await] {
                let response = response.unwrap();
                assert_eq!(response.version(), version);
                assert_eq!(text(response).await, "ok");
            }
        }
    });
}

#[test]
fn an_upgrade_is_asked_for_over_http1_even_where_http2_is_spoken() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.server("shop.test", &[b"h2", b"http/1.1"], false);
        let address = endpoint(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return serve(stream, |(_, respond), _| async move { reply(respond, "ok") }).await;
                }
                read_head(&mut stream).await.unwrap();
                let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: chat\r\nconnection: upgrade\r\n\r\n";
                tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
            }
        })
        .await;
        let bench = Bench::over_tls(address, authority.client(Alpn::Any), "shop.test");
        assert_eq!(bench.get("/").await.unwrap().version(), Version::HTTP_2);
        let mut chat = request("GET", "/", RequestBody::empty());
        chat.headers_mut().insert("upgrade", "chat".parse().unwrap());
        chat.headers_mut().insert("connection", "upgrade".parse().unwrap());
        assert_eq!(bench.send(chat, Reuse::Any).await.unwrap().status(), 101);
    });
}
