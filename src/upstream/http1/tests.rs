use bytes::Bytes;

use super::super::testing::{endpoint, request, run};
use super::*;
use crate::upstream::connect;

/// A body that does not know how long it is.
struct Unknown;

impl Body for Unknown {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(None)
    }
}

#[test]
fn a_body_is_framed_once_and_as_it_is() {
    let unknown = || RequestBody::stream(Unknown);
    for (method, fields, body, length) in [
        ("GET", &[][..], RequestBody::empty(), Length::Unsaid),
        ("POST", &[], RequestBody::empty(), Length::Bytes(0)),
        ("GET", &[("content-length", "0")], RequestBody::empty(), Length::Bytes(0)),
        ("GET", &[("content-length", "9")], RequestBody::empty(), Length::Bytes(0)),
        ("GET", &[("transfer-encoding", "chunked")], RequestBody::empty(), Length::Unsaid),
        ("POST", &[("transfer-encoding", "chunked")], RequestBody::full(Bytes::from("abc")), Length::Bytes(3)),
        ("GET", &[], unknown(), Length::Chunked),
        ("DELETE", &[("transfer-encoding", "gzip")], unknown(), Length::Chunked),
        ("POST", &[("content-length", "3")], unknown(), Length::Bytes(3)),
    ] {
        let case = format!("{method} {fields:?} {body:?}");
        let mut request = http::Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(delimit(&head, &body).1, length, "{case}");
    }
}

#[test]
fn a_request_whose_body_was_begun_is_not_given_back() {
    run(async {
        for size in [1, 1 << 20] {
            let address = endpoint(|_, _| std::future::ready(())).await;
            let stream = connect::connect(address, None, Duration::from_secs(5)).await.unwrap();
            let Stream::Plain(tcp) = &stream else { unreachable!("no TLS was asked for") };
            // Nothing can be written, so nothing is sent.
            socket2::SockRef::from(tcp).shutdown(std::net::Shutdown::Write).unwrap();
            let pool = super::super::pool::Pool::new(&super::super::testing::backend(address), Rc::default());
            let connection = Connection::open(stream, pool.slot().unwrap());
            let body = RequestBody::full(Bytes::from(vec![7; size]));
            let limits = Limits { response: Duration::from_secs(5), idle: Duration::from_secs(5) };
            let (head, body) = request("POST", "/", body).into_parts();
            let error = exchange(connection, &head, body, limits).await.unwrap_err();
            assert_eq!(error.sent, Sent::Nothing);
            assert!(error.body.is_none(), "{size} bytes were taken out of it");
        }
    });
}
