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
    for (method, fields, body, length, coding) in [
        ("GET", &[][..], RequestBody::empty(), None, None),
        ("POST", &[], RequestBody::empty(), Some("0"), None),
        ("GET", &[("content-length", "0")], RequestBody::empty(), Some("0"), None),
        ("GET", &[("content-length", "9")], RequestBody::empty(), Some("0"), None),
        ("GET", &[("transfer-encoding", "chunked")], RequestBody::empty(), None, None),
        ("POST", &[("transfer-encoding", "chunked")], RequestBody::full(Bytes::from("abc")), Some("3"), None),
        ("GET", &[], unknown(), None, Some("chunked")),
        ("DELETE", &[("transfer-encoding", "gzip")], unknown(), None, Some("chunked")),
        ("POST", &[("content-length", "3")], unknown(), Some("3"), None),
    ] {
        let case = format!("{method} {fields:?} {body:?}");
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        delimit(&mut parts, &body);
        let field = |name| parts.headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap());
        assert_eq!((field("content-length"), field("transfer-encoding")), (length, coding), "{case}");
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
            let error = exchange(connection, request("POST", "/", body), limits).await.unwrap_err();
            assert_eq!(error.sent, Sent::Nothing);
            assert!(error.request.is_none(), "{size} bytes were taken out of it");
        }
    });
}
