use http::HeaderValue;

use super::*;

#[test]
fn heads_are_written_as_the_specification_says() {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("shop.test"));
    let mut out = Vec::new();
    request_head(&mut out, &Method::GET, "/a?b", &headers, Length::Unsaid);
    assert_eq!(&out[..], b"GET /a?b HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    out.clear();
    response_head(&mut out, Version::HTTP_11, StatusCode::NOT_FOUND, &headers, Length::Unsaid, None);
    assert_eq!(&out[..], b"HTTP/1.1 404 Not Found\r\nhost: shop.test\r\n\r\n");
}

#[test]
fn a_head_says_one_thing_of_its_length_whatever_its_fields_say() {
    let mut headers = HeaderMap::new();
    headers.append("content-length", HeaderValue::from_static("7"));
    headers.append("content-length", HeaderValue::from_static("8"));
    headers.append("transfer-encoding", HeaderValue::from_static("gzip"));
    for (length, said) in [
        (Length::AsItSays, "content-length: 7\r\ncontent-length: 8\r\n"),
        (Length::Unsaid, ""),
        (Length::Bytes(0), "content-length: 0\r\n"),
        (Length::Bytes(u64::MAX), "content-length: 18446744073709551615\r\n"),
        (Length::Chunked, "transfer-encoding: chunked\r\n"),
    ] {
        let mut out = Vec::new();
        response_head(&mut out, Version::HTTP_10, StatusCode::OK, &headers, length, Some("close"));
        assert_eq!(String::from_utf8(out).unwrap(), format!("HTTP/1.0 200 OK\r\n{said}connection: close\r\n\r\n"));
    }
}

#[test]
fn chunk_sizes_are_hexadecimal() {
    for (length, text) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (usize::MAX, "ffffffffffffffff\r\n")] {
        let mut out = Vec::new();
        chunk_head(&mut out, length);
        assert_eq!(&out[..], text.as_bytes());
    }
}
