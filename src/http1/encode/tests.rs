use super::*;

#[test]
fn heads_are_written_as_the_specification_says() {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("shop.test"));
    let mut out = BytesMut::new();
    request_head(&mut out, &Method::GET, "/a?b", &headers);
    assert_eq!(&out[..], b"GET /a?b HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    out.clear();
    response_head(&mut out, Version::HTTP_11, StatusCode::NOT_FOUND, &headers);
    assert_eq!(&out[..], b"HTTP/1.1 404 Not Found\r\nhost: shop.test\r\n\r\n");
}

#[test]
fn chunk_sizes_are_hexadecimal() {
    for (length, text) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (usize::MAX, "ffffffffffffffff\r\n")] {
        let mut out = BytesMut::new();
        chunk_head(&mut out, length);
        assert_eq!(&out[..], text.as_bytes());
    }
}
