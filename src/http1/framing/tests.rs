use http::HeaderValue;

use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn request(fields: &[(&'static str, &'static str)]) -> Result<Framing, Http1Error> {
    let headers = headers(fields);
    of_request(Version::HTTP_11, &headers, Marks::of(&headers))
}

#[test]
fn a_request_has_the_body_that_its_fields_announce() {
    assert_eq!(request(&[]), Ok(Framing::NONE));
    assert_eq!(request(&[("content-length", "12")]), Ok(Framing::Length(12)));
    assert_eq!(request(&[("transfer-encoding", "Chunked")]), Ok(Framing::Chunked));
}

#[test]
fn a_length_that_is_not_one_number_is_refused() {
    for value in ["", "+1", "-1", "1 ", "0x1", "1, 1", "1,2", "1000000000000000000", "99999999999999999999"] {
        assert_eq!(request(&[("content-length", value)]), Err(Http1Error::ContentLength), "{value:?}");
    }
    assert_eq!(request(&[("content-length", "5"), ("content-length", "5")]), Err(Http1Error::ContentLength));
}

#[test]
fn a_coding_that_is_not_exactly_chunked_is_refused() {
    for value in ["gzip", "gzip, chunked", "chunked, chunked", "xchunked", "chunked;q=1", "identity", ""] {
        assert_eq!(request(&[("transfer-encoding", value)]), Err(Http1Error::TransferEncoding), "{value:?}");
    }
    let both = [("transfer-encoding", "chunked"), ("content-length", "5")];
    assert_eq!(request(&both), Err(Http1Error::TransferEncoding));
    let coded = headers(&both[..1]);
    assert_eq!(of_request(Version::HTTP_10, &coded, Marks::of(&coded)), Err(Http1Error::TransferEncoding));
}

#[test]
fn a_response_without_fields_ends_with_its_connection() {
    let response = |method: &Method, status: u16, fields: &[(&'static str, &'static str)]| {
        let headers = headers(fields);
        of_response(method, StatusCode::from_u16(status).unwrap(), Version::HTTP_11, (&headers, Marks::of(&headers)))
    };
    let length = [("content-length", "5")];
    assert_eq!(response(&Method::GET, 200, &[]), Ok(Framing::UntilClose));
    assert_eq!(response(&Method::GET, 200, &length), Ok(Framing::Length(5)));
    assert_eq!(response(&Method::HEAD, 200, &length), Ok(Framing::NONE));
    assert_eq!(response(&Method::GET, 204, &length), Ok(Framing::NONE));
    assert_eq!(response(&Method::GET, 304, &length), Ok(Framing::NONE));
    let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
    assert_eq!(response(&Method::GET, 200, &both), Ok(Framing::Chunked));
}

#[test]
fn a_response_may_say_its_length_twice_if_it_says_the_same() {
    let of = |fields: &[(&'static str, &'static str)]| {
        let mut headers = headers(fields);
        unite_lengths(&mut headers);
        let framing = of_response(&Method::GET, StatusCode::OK, Version::HTTP_11, (&headers, Marks::of(&headers)));
        (framing, headers.get_all(CONTENT_LENGTH).iter().count())
    };
    assert_eq!(of(&[("content-length", "5"), ("content-length", "5")]), (Ok(Framing::Length(5)), 1));
    assert_eq!(of(&[("content-length", "5"), ("content-length", "6")]).0, Err(Http1Error::ContentLength));
    assert_eq!(of(&[("content-length", "5"), ("content-length", "05")]).0, Err(Http1Error::ContentLength));
    assert_eq!(of(&[]), (Ok(Framing::UntilClose), 0));
}

#[test]
fn connections_are_kept_as_the_version_says_unless_told_otherwise() {
    let keeps_alive = |version, fields: &[(&'static str, &'static str)]| {
        let headers = headers(fields);
        keeps_alive(version, &headers, Marks::of(&headers))
    };
    assert!(keeps_alive(Version::HTTP_11, &[]));
    assert!(!keeps_alive(Version::HTTP_11, &[("connection", "x, Close")]));
    assert!(!keeps_alive(Version::HTTP_10, &[]));
    assert!(keeps_alive(Version::HTTP_10, &[("connection", "keep-alive")]));
}
