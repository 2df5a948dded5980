use http::Request;

use super::*;

fn head(version: Version, method: &str, uri: &str, hosts: &[&str]) -> Parts {
    let mut request = Request::builder().version(version).method(method).uri(uri);
    for host in hosts {
        request = request.header("host", *host);
    }
    request.body(()).unwrap().into_parts().0
}

fn h1(uri: &str, hosts: &[&str]) -> Result<String, Fault> {
    target(&head(Version::HTTP_11, "GET", uri, hosts), 100).map(|target| target.authority().to_owned())
}

fn h2(uri: &str, hosts: &[&str]) -> Result<String, Fault> {
    target(&head(Version::HTTP_2, "GET", uri, hosts), 100).map(|target| target.authority().to_owned())
}

#[test]
fn http1_needs_exactly_one_host() {
    assert_eq!(h1("/", &["shop.example.com"]).unwrap(), "shop.example.com");
    assert_eq!(h1("/", &[]), Err(Fault::BadRequest));
    assert_eq!(h1("/", &["a.example", "a.example"]), Err(Fault::BadRequest));
}

#[test]
fn a_host_is_a_name_or_address_with_a_port_from_1_to_65535() {
    for good in ["a", "A.b-c_d~1.example.", "127.0.0.1", "127.0.0.1:1", "a:65535", "[::1]", "[::1]:8080"] {
        assert!(h1("/", &[good]).is_ok(), "{good}");
    }
    for bad in [
        "", ":80", "a:0", "a:65536", "a:", "a:+80", "a:080080", "a:b", "a/b", "user@a", "a,b", "a b", "a%0d%0ab",
        "[::1", "[::1]x", "[x]", "::1", "a?b", "a#b", "a\\b",
    ] {
        assert_eq!(h1("/", &[bad]), Err(Fault::BadRequest), "{bad}");
    }
}

#[test]
fn a_target_in_absolute_form_overrules_host() {
    assert_eq!(h1("http://a.example:81/x", &["b.example"]).unwrap(), "a.example:81");
    assert_eq!(h1("http://a.example/x", &[]), Err(Fault::BadRequest));
    assert_eq!(h1("http://a.example/x", &["b.example", "b.example"]), Err(Fault::BadRequest));
    assert_eq!(h1("http://user@a.example/x", &["b.example"]), Err(Fault::BadRequest));
    assert_eq!(h1("ftp://a.example/x", &["a.example"]), Err(Fault::BadRequest));
}

#[test]
fn http2_takes_authority_or_host_and_both_only_when_equal() {
    assert_eq!(h2("https://a.example/", &[]).unwrap(), "a.example");
    assert_eq!(h2("/", &["a.example"]).unwrap(), "a.example");
    assert_eq!(h2("https://a.example/", &["A.example"]).unwrap(), "a.example");
    assert_eq!(h2("https://a.example/", &["b.example"]), Err(Fault::BadRequest));
    assert_eq!(h2("/", &[]), Err(Fault::BadRequest));
    assert_eq!(h2("/", &["a.example", "a.example"]), Err(Fault::BadRequest));
    assert_eq!(h2("https://user@a.example/", &[]), Err(Fault::BadRequest));
}

#[test]
fn connect_and_trace_are_refused_and_so_are_endless_methods() {
    for method in ["TRACE", "CONNECT"] {
        assert_eq!(target(&head(Version::HTTP_11, method, "/", &["a"]), 100), Err(Fault::MethodRefused));
    }
    assert!(target(&head(Version::HTTP_11, &"M".repeat(32), "/", &["a"]), 100).is_ok());
    assert_eq!(target(&head(Version::HTTP_11, &"M".repeat(33), "/", &["a"]), 100), Err(Fault::BadRequest));
}

#[test]
fn asterisk_and_authority_form_are_refused() {
    assert_eq!(h1("*", &["a"]), Err(Fault::BadRequest));
    assert_eq!(h1("a.example:80", &["a"]), Err(Fault::BadRequest));
}

#[test]
fn http10_with_a_transfer_encoding_is_refused() {
    let mut head = head(Version::HTTP_10, "POST", "/", &["a"]);
    head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    assert_eq!(target(&head, 100), Err(Fault::BadRequest));
}

#[test]
fn too_many_fields_are_refused() {
    let head = head(Version::HTTP_2, "GET", "https://a/", &["a"]);
    assert!(target(&head, 1).is_ok());
    assert_eq!(target(&head, 0), Err(Fault::HeadersTooLarge));
}

#[test]
fn an_ambiguous_path_is_kept_as_such() {
    let target = target(&head(Version::HTTP_11, "GET", "/a%2fb", &["a"]), 100).unwrap();
    assert!(target.path.is_err());
}

#[test]
fn ports_are_split_off_names_and_addresses() {
    assert_eq!(split_port("a:80"), ("a", Some("80")));
    assert_eq!(split_port("a"), ("a", None));
    assert_eq!(split_port("[::1]:80"), ("[::1]", Some("80")));
    assert_eq!(split_port("[::1]"), ("[::1]", None));
}
