use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn fields_that_connection_lists_are_removed_from_requests() {
    let mut fields = headers(&[
        ("connection", "close, X-Secret"),
        ("connection", "x-other"),
        ("x-secret", "1"),
        ("x-other", "2"),
        ("x-kept", "3"),
    ]);
    strip_request(&mut fields);
    assert_eq!(names(&fields), ["x-kept"]);
}

#[test]
fn fields_that_connection_lists_are_removed_from_responses() {
    let mut fields =
        headers(&[("connection", "x-secret"), ("x-secret", "1"), ("keep-alive", "timeout=5"), ("x-kept", "3")]);
    strip_response(&mut fields, StatusCode::OK);
    assert_eq!(names(&fields), ["x-kept"]);
}

#[test]
fn no_connection_token_removes_what_backends_rely_on() {
    let protected = [
        ("host", "a"),
        ("content-length", "1"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-host", "a"),
        ("x-request-id", "1"),
        ("traceparent", "00"),
        ("authorization", "secret"),
        ("cookie", "a=1"),
    ];
    let mut fields = headers(&protected);
    let tokens: Vec<&str> = protected.iter().map(|(name, _)| *name).collect();
    fields.insert(header::CONNECTION, HeaderValue::from_str(&tokens.join(", ")).unwrap());
    strip_request(&mut fields);
    assert_eq!(fields.len(), protected.len());
}

#[test]
fn te_keeps_trailers_and_nothing_else() {
    let mut fields = headers(&[("te", "gzip, Trailers;q=1, trailers"), ("connection", "te")]);
    strip_request(&mut fields);
    assert_eq!(fields["te"], "trailers");
    let mut without = headers(&[("te", "gzip")]);
    strip_request(&mut without);
    assert!(without.is_empty());
}

#[test]
fn a_content_length_beside_a_transfer_encoding_goes_with_it() {
    let mut fields = headers(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
    strip_response(&mut fields, StatusCode::OK);
    assert!(fields.is_empty());
    let mut alone = headers(&[("content-length", "3")]);
    strip_response(&mut alone, StatusCode::OK);
    assert_eq!(alone["content-length"], "3");
}

#[test]
fn an_upgrade_needs_http_1_1_a_get_without_a_body_and_one_protocol() {
    let good = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    let asked =
        |version, method, fields: &[(&'static str, &'static str)]| upgrade_of(version, &method, &headers(fields));
    assert_eq!(asked(Version::HTTP_11, Method::GET, &good).unwrap(), "websocket");
    assert_eq!(asked(Version::HTTP_10, Method::GET, &good), None);
    assert_eq!(asked(Version::HTTP_2, Method::GET, &good), None);
    assert_eq!(asked(Version::HTTP_11, Method::POST, &good), None);
    assert_eq!(asked(Version::HTTP_11, Method::GET, &good[1..]), None);
    assert_eq!(asked(Version::HTTP_11, Method::GET, &good[..1]), None);
    assert_eq!(asked(Version::HTTP_11, Method::GET, &[good[0], ("upgrade", "h2c")]), None);
    assert_eq!(asked(Version::HTTP_11, Method::GET, &[good[0], ("upgrade", "a, b")]), None);
    assert_eq!(asked(Version::HTTP_11, Method::GET, &[good[0], good[1], ("content-length", "5")]), None);
}

#[test]
fn what_never_has_a_body_says_nothing_of_its_length() {
    for (status, kept) in [(StatusCode::EARLY_HINTS, false), (StatusCode::NO_CONTENT, false), (StatusCode::OK, true)] {
        let mut fields = headers(&[("content-length", "0"), ("link", "<a>")]);
        strip_response(&mut fields, status);
        assert_eq!(fields.contains_key("content-length"), kept, "{status}");
    }
}

#[test]
fn trailers_that_concern_the_connection_are_removed() {
    let mut fields = headers(&[("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=5"), ("x-sum", "7")]);
    strip_trailers(&mut fields);
    assert_eq!(names(&fields), ["x-sum"]);
}
