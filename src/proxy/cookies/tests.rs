use super::*;

fn headers(fields: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(header::COOKIE, HeaderValue::from_bytes(field.as_bytes()).unwrap());
    }
    headers
}

fn joined(fields: &[&str], unwanted: &[&str]) -> Option<String> {
    let mut headers = headers(fields);
    join_without(&mut headers, unwanted);
    assert!(headers.get_all(header::COOKIE).iter().count() <= 1);
    headers.get(header::COOKIE).map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn a_cookie_is_found_in_any_crumb_by_its_whole_name() {
    let headers = headers(&["a=1; ab=2", "b=\"3\""]);
    assert_eq!(find(&headers, "a"), Some("1"));
    assert_eq!(find(&headers, "ab"), Some("2"));
    assert_eq!(find(&headers, "b"), Some("3"));
    assert_eq!(find(&headers, "c"), None);
}

#[test]
fn crumbs_are_joined_in_order() {
    assert_eq!(joined(&["a=1", "b=2; c=3", "d=4"], &[]).as_deref(), Some("a=1; b=2; c=3; d=4"));
}

#[test]
fn unwanted_cookies_are_taken_out_and_the_rest_stays() {
    assert_eq!(joined(&["a=1; weir-shop=x; b=2"], &["weir-shop"]).as_deref(), Some("a=1; b=2"));
    assert_eq!(joined(&["weir-shop=x", "weir-shopping=y"], &["weir-shop"]).as_deref(), Some("weir-shopping=y"));
}

#[test]
fn a_field_of_unwanted_cookies_alone_disappears() {
    assert_eq!(joined(&["weir-shop=x"], &["weir-shop"]), None);
}

#[test]
fn a_single_field_that_holds_nothing_unwanted_keeps_its_bytes() {
    assert_eq!(joined(&["a=1;b=2 ;  c"], &["d"]).as_deref(), Some("a=1;b=2 ;  c"));
}

#[test]
fn the_affinity_cookie_is_out_of_reach_of_scripts_and_secure_on_tls_only() {
    let key: ClientKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let day = Duration::from_secs(86_400);
    let plain = affinity("weir-shop", key, day, Transport::Plain).unwrap();
    assert_eq!(plain, "weir-shop=0123456789abcdef0123456789abcdef; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax");
    let secure = affinity("weir-shop", key, day, Transport::Secure).unwrap();
    assert!(secure.to_str().unwrap().ends_with("; Secure"));
}
