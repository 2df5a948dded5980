use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bytes: 1024, fields: 10 };

fn request(text: &str) -> Result<Option<RequestHead>, Http1Error> {
    take_request(&mut BytesMut::from(text), LIMITS)
}

#[test]
fn a_request_head_is_taken_and_what_follows_stays() {
    let mut buffer = BytesMut::from("GET /a?b HTTP/1.1\r\nHost: shop.test\r\nX-A: 1\r\nX-A: 2\r\n\r\nbody");
    let head = take_request(&mut buffer, LIMITS).unwrap().unwrap();
    assert_eq!((head.method.as_str(), head.target.to_string().as_str()), ("GET", "/a?b"));
    assert_eq!(head.headers["host"], "shop.test");
    assert_eq!(head.headers.get_all("x-a").iter().count(), 2);
    assert_eq!(&buffer[..], b"body");
}

#[test]
fn a_head_that_has_not_all_come_is_awaited() {
    let whole = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for end in 0..whole.len() {
        let mut buffer = BytesMut::from(&whole[..end]);
        assert!(take_request(&mut buffer, LIMITS).unwrap().is_none(), "after {end} bytes");
        assert_eq!(&buffer[..], &whole.as_bytes()[..end]);
    }
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    for (text, error) in [
        ("GET / HTTP/1.1\nhost: a\r\n\r\n", Http1Error::LineEnd),
        ("GET / HTTP/1.1\r\nhost: a\n\r\n", Http1Error::LineEnd),
        ("GET / HTTP/1.1\r\nhost: a\r\n\n", Http1Error::LineEnd),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", Http1Error::Field),
        ("GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n", Http1Error::Field),
        ("GET / HTTP/1.1\r\nho st: a\r\n\r\n", Http1Error::Field),
        ("GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n", Http1Error::Field),
        ("GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n", Http1Error::Field),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", Http1Error::Field),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", Http1Error::Version),
        ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n", Http1Error::StartLine),
        ("G(T / HTTP/1.1\r\nhost: a\r\n\r\n", Http1Error::StartLine),
        ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", Http1Error::StartLine),
    ] {
        assert_eq!(request(text).map(|head| head.map(|head| head.target)), Err(error), "{text:?}");
    }
}

#[test]
fn a_head_beyond_its_limits_is_refused_before_it_is_whole() {
    let long = format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(2000));
    assert_eq!(request(&long).map(drop), Err(Http1Error::TooLarge));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(11));
    assert_eq!(request(&many).map(drop), Err(Http1Error::TooMany));
    let method = format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(33));
    assert_eq!(request(&method).map(drop), Err(Http1Error::StartLine));
}

#[test]
fn a_response_head_is_taken_with_or_without_a_reason() {
    for text in
        ["HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", "HTTP/1.1 204\r\nA: b\r\n\r\n", "HTTP/1.0 204 \r\nA: b\r\n\r\n"]
    {
        let head = take_response(&mut BytesMut::from(text), LIMITS).unwrap().unwrap();
        assert_eq!(head.status, 204, "{text:?}");
        assert_eq!(head.headers["a"], "b");
    }
}

/// How another parser reads a request, once it is whole, no line ends without CR and there is no fragment (RFC 9112, section 3.2
/// has none): its fields, or that it is none.
fn read_otherwise(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut fields = [httparse::EMPTY_HEADER; 10];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(end)) = request.parse(bytes) else { return None };
    let bare = |at: &usize| bytes[*at] == b'\n' && (*at == 0 || bytes[*at - 1] != b'\r');
    let path = request.path?;
    let is_target = !path.contains('#') && Uri::from_maybe_shared(Bytes::copy_from_slice(path.as_bytes())).is_ok();
    if (0..end).any(|at| bare(&at)) || !is_target {
        return None;
    }
    Some(request.headers.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect())
}

const GOOD: &[u8] = b"POST /a/b?c=d HTTP/1.1\r\nHost: a.test\r\nx-y:\t z \r\nAccept:\r\nCookie: a=b\r\n\r\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_spoilt_head_is_refused_by_one_parser_as_by_another(
        at in 0..GOOD.len(), by in prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), Just(0x7f)], also in 0..GOOD.len(),
    ) {
        let mut bytes = GOOD.to_vec();
        bytes[at] = by;
        bytes.swap(at, also);
        let read = take_request(&mut BytesMut::from(&bytes[..]), LIMITS).ok().flatten().map(|head| {
            head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect::<Vec<_>>()
        });
        prop_assert_eq!(read, read_otherwise(&bytes), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = take_request(&mut BytesMut::from(&bytes[..]), LIMITS);
        let _ = take_response(&mut BytesMut::from(&bytes[..]), LIMITS);
        let _ = take_trailers(&mut BytesMut::from(&bytes[..]), LIMITS);
    }

    #[test]
    fn bytes_like_a_head_make_no_parser_panic(text in "(GET|POST|HTTP/1.1) ?(/[a-z]*|200) ?(HTTP/1.1)?\r?\n([a-z :]{0,9}\r?\n){0,4}\r?\n?") {
        let _ = take_request(&mut BytesMut::from(text.as_str()), LIMITS);
        let _ = take_response(&mut BytesMut::from(text.as_str()), LIMITS);
    }

    #[test]
    fn a_head_reads_back_as_it_was_written(
        path in "/[a-z0-9/._~-]{0,20}(\\?[a-z=&]{0,10})?",
        fields in proptest::collection::vec(("x-[a-z]{1,8}", "[!-~]{0,20}"), 0..8),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let mut wire = Vec::new();
        crate::http1::encode::request_head(&mut wire, &Method::GET, &path, &headers, crate::http1::encode::Length::AsItSays);
        let head = take_request(&mut BytesMut::from(&wire[..]), LIMITS).unwrap().unwrap();
        prop_assert_eq!(head.headers, headers);
        prop_assert_eq!(head.target.to_string(), path);
    }
}
