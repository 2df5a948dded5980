use super::*;

fn fits(pattern: &str, origin: &str) -> bool {
    OriginPattern::parse(pattern).unwrap().fits(origin)
}

#[test]
fn an_origin_is_compared_by_scheme_host_and_port() {
    assert!(fits("https://www.foo.com", "https://www.foo.com"));
    assert!(fits("https://www.foo.com", "HTTPS://WWW.foo.com:443"));
    assert!(fits("http://foo.com:80", "http://foo.com"));
    assert!(fits("http://[::1]:8080", "http://[::1]:8080"));
    for other in [
        "http://www.foo.com",
        "https://www.foo.com:8443",
        "https://foo.com",
        "https://www.foo.com.evil.org",
        "null",
        "",
    ] {
        assert!(!fits("https://www.foo.com", other), "{other}");
    }
}

#[test]
fn a_star_stands_for_labels_of_the_host() {
    assert!(fits("https://*.bar.com", "https://www.bar.com"));
    assert!(fits("https://*.bar.com", "https://xpto.www.bar.com"));
    assert!(!fits("https://*.bar.com", "https://.bar.com"));
    assert!(!fits("https://*.bar.com", "https://bar.com"));
    assert!(!fits("https://*.bar.com", "https://evilbar.com"));
    assert!(!fits("https://*.bar.com", "https://www.bar.com:8443"));
    assert!(fits("https://*:8443", "https://any.thing:8443"));
    assert!(fits("*", "https://any.thing:1") && fits("*", "null"));
}

#[test]
fn what_is_no_origin_is_refused() {
    for text in [
        "",
        "foo.com",
        "ftp://foo.com",
        "https://",
        "https://a b",
        "https://*.*.com",
        "https://foo.com/",
        "https://a:0",
    ] {
        assert_eq!(OriginPattern::parse(text), Err(OriginError(text.to_owned())), "{text}");
    }
}

fn cors() -> Cors {
    Cors {
        origins: vec![OriginPattern::parse("https://shop.test").unwrap()],
        methods: Allowed::These(HeaderValue::from_static("PUT")),
        headers: Allowed::Everything,
        exposed: Some(HeaderValue::from_static("x-count")),
        credentials: true,
        max_age: HeaderValue::from_static("5"),
    }
}

fn request(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

#[test]
fn a_preflight_is_told_what_it_may() {
    let asked = request(&[
        ("origin", "https://shop.test"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "x-a, x-b"),
    ]);
    assert!(Cors::is_preflight(&Method::OPTIONS, &asked) && !Cors::is_preflight(&Method::GET, &asked));
    let expected = request(&[
        ("vary", "origin"),
        ("access-control-allow-origin", "https://shop.test"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-count"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-a, x-b"),
        ("access-control-max-age", "5"),
    ]);
    assert_eq!(cors().preflight(&asked), expected);
}

#[test]
fn a_stranger_is_told_nothing_whatever_the_backend_says() {
    let asked = request(&[("origin", "https://evil.test"), ("access-control-request-method", "PUT")]);
    let nothing = request(&[("vary", "origin")]);
    assert_eq!(cors().preflight(&asked), nothing);
    let mut answer = request(&[("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true")]);
    cors().tell(cors().allowed_origin(&asked), &mut answer);
    assert_eq!(answer, nothing);
}

#[test]
fn what_is_not_asked_for_is_not_told() {
    let cors =
        Cors { methods: Allowed::Everything, headers: Allowed::Nothing, exposed: None, credentials: false, ..cors() };
    let asked = request(&[("origin", "https://shop.test"), ("access-control-request-method", "DELETE")]);
    let expected = request(&[
        ("vary", "origin"),
        ("access-control-allow-origin", "https://shop.test"),
        ("access-control-allow-methods", "DELETE"),
        ("access-control-max-age", "5"),
    ]);
    assert_eq!(cors.preflight(&asked), expected);
}
