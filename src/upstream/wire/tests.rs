use bytes::Bytes;

use super::*;

fn request(method: &str, uri: &str, fields: &[(&str, &str)], body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

fn field(request: &Request<RequestBody>, name: &str) -> Option<String> {
    request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn http1_gets_origin_form_and_the_host_it_has() {
    for (uri, fields, target, host) in [
        ("/a?b", &[("host", "shop.test")][..], "/a?b", "shop.test"),
        ("http://shop.test/a?b", &[], "/a?b", "shop.test"),
        ("http://shop.test", &[("host", "rewritten.test")], "/", "rewritten.test"),
        ("/", &[], "/", "endpoint:80"),
    ] {
        let mut request = request("GET", uri, fields, RequestBody::empty());
        for_http1(&mut request, "endpoint:80").unwrap();
        assert_eq!((request.uri().to_string().as_str(), request.version()), (target, Version::HTTP_11));
        assert_eq!(field(&request, "host").unwrap(), host);
    }
}

#[test]
fn http2_gets_the_host_as_authority() {
    for (uri, fields, target) in [
        ("/a?b", &[("host", "shop.test:8080")][..], "https://shop.test:8080/a?b"),
        ("http://shop.test/a", &[], "https://shop.test/a"),
        ("/", &[], "https://endpoint:80/"),
    ] {
        let mut request = request("GET", uri, fields, RequestBody::empty());
        for_http2(&mut request, "endpoint:80", Scheme::HTTPS).unwrap();
        assert_eq!((request.uri().to_string().as_str(), request.version()), (target, Version::HTTP_2));
        assert_eq!(field(&request, "host"), None);
    }
    let mut bad = request("GET", "/", &[("host", "a b")], RequestBody::empty());
    assert_eq!(for_http2(&mut bad, "endpoint:80", Scheme::HTTP), Err(Fault::BadRequest));
}

#[test]
fn http2_knows_lengths_and_no_codings() {
    for (method, fields, body, length) in [
        ("GET", &[("transfer-encoding", "chunked")][..], RequestBody::empty(), None),
        ("POST", &[("content-length", "9")], RequestBody::empty(), Some("0")),
        ("POST", &[("transfer-encoding", "chunked")], RequestBody::full(Bytes::from("abc")), Some("3")),
    ] {
        let mut request = request(method, "/", fields, body);
        for_http2(&mut request, "endpoint:80", Scheme::HTTP).unwrap();
        assert_eq!(field(&request, "content-length").as_deref(), length);
        assert_eq!(field(&request, "transfer-encoding"), None);
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
