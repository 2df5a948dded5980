use bytes::Bytes;

use super::*;

fn head(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn field(head: &Parts, name: &str) -> Option<String> {
    head.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn http1_gets_the_host_that_the_target_or_the_endpoint_has() {
    for (uri, host) in [("http://shop.test/a?b", "shop.test"), ("/", "endpoint:80")] {
        let named = with_host(&head("GET", uri, &[]), "endpoint:80").unwrap().unwrap();
        assert_eq!(field(&named, "host").unwrap(), host);
    }
    assert!(
        with_host(&head("GET", "http://shop.test/", &[("host", "rewritten.test")]), "endpoint:80").unwrap().is_none()
    );
}

#[test]
fn http2_gets_the_host_as_authority() {
    for (uri, fields, target) in [
        ("/a?b", &[("host", "shop.test:8080")][..], "https://shop.test:8080/a?b"),
        ("http://shop.test/a", &[], "https://shop.test/a"),
        ("/", &[], "https://endpoint:80/"),
    ] {
        let head = head("GET", uri, fields);
        let head = for_http2(&head, &RequestBody::empty(), "endpoint:80", Scheme::HTTPS).unwrap();
        assert_eq!((head.uri.to_string().as_str(), head.version), (target, Version::HTTP_2));
        assert_eq!(field(&head, "host"), None);
    }
    let bad = head("GET", "/", &[("host", "a b")]);
    let refused = for_http2(&bad, &RequestBody::empty(), "endpoint:80", Scheme::HTTP);
    assert_eq!(refused.unwrap_err(), Fault::BadRequest);
}

#[test]
fn http2_knows_lengths_and_no_codings() {
    for (method, fields, body, length) in [
        ("GET", &[("transfer-encoding", "chunked")][..], RequestBody::empty(), None),
        ("GET", &[("content-length", "9")], RequestBody::empty(), Some("0")),
        ("POST", &[("content-length", "9")], RequestBody::empty(), Some("0")),
        ("POST", &[("transfer-encoding", "chunked")], RequestBody::full(Bytes::from("abc")), Some("3")),
    ] {
        let head = for_http2(&head(method, "/", fields), &body, "endpoint:80", Scheme::HTTP).unwrap();
        assert_eq!(field(&head, "content-length").as_deref(), length);
        assert_eq!(field(&head, "transfer-encoding"), None);
    }
}

#[test]
fn grpc_is_told_by_its_content_type() {
    for (text, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=x", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]);
        assert_eq!(is_grpc(&headers), grpc, "{text}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}

#[test]
fn http2_has_no_fields_about_the_connection() {
    let fields =
        [("connection", "x"), ("keep-alive", "1"), ("proxy-connection", "x"), ("upgrade", "x"), ("te", "gzip")];
    let sent = for_http2(&head("GET", "/", &fields), &RequestBody::empty(), "endpoint:80", Scheme::HTTP).unwrap();
    assert!(sent.headers.is_empty(), "{:?}", sent.headers);
    let trailers = head("GET", "/", &[("te", "trailers")]);
    let sent = for_http2(&trailers, &RequestBody::empty(), "endpoint:80", Scheme::HTTP).unwrap();
    assert_eq!(field(&sent, "te").unwrap(), "trailers");
}
