use super::*;

fn prefix(matched: usize, replacement: &str) -> PathRewrite {
    PathRewrite::Prefix { matched, replacement: replacement.to_owned() }
}

fn path(uri: &str, rewrite: Option<&PathRewrite>) -> String {
    let uri: http::Uri = uri.parse().unwrap();
    let normalised = crate::route::normalise_path(uri.path()).unwrap();
    path_and_query(Paths { uri: &uri, normalised: &normalised }, rewrite).unwrap().to_string()
}

#[test]
fn without_a_rewrite_it_is_the_path_of_the_rules_with_the_query_as_written() {
    assert_eq!(path("/a/%7e/../b?x=%7e/../", None), "/a/b?x=%7e/../");
    assert_eq!(path("/a//b;c=1", None), "/a//b;c=1");
    assert_eq!(path("http://host?x=1", None), "/?x=1");
}

#[test]
fn a_full_path_replaces_all_but_the_query() {
    assert_eq!(path("/a/b?x=1", Some(&PathRewrite::Full("/z".to_owned()))), "/z?x=1");
}

#[test]
fn a_prefix_is_replaced_by_whole_segments() {
    // The table of the Gateway API's HTTPPathModifier.
    for (uri, matched, replacement, expected) in [
        ("/foo/bar", 4, "/xyz", "/xyz/bar"),
        ("/foo/bar", 4, "/xyz/", "/xyz/bar"),
        ("/foo", 4, "/xyz", "/xyz"),
        ("/foo/", 4, "/xyz", "/xyz/"),
        ("/foo/bar", 4, "", "/bar"),
        ("/foo/", 4, "", "/"),
        ("/foo", 4, "", "/"),
        ("/foo/", 4, "/", "/"),
        ("/foo", 4, "/", "/"),
        ("/bar", 0, "/xyz", "/xyz/bar"),
    ] {
        assert_eq!(path(uri, Some(&prefix(matched, replacement))), expected, "{uri} by {replacement}");
    }
}

#[test]
fn a_prefix_is_replaced_where_rules_saw_it() {
    let uri: http::Uri = "/%66oo/../foo/bar".parse().unwrap();
    let paths = Paths { uri: &uri, normalised: "/foo/bar" };
    assert_eq!(path_and_query(paths, Some(&prefix(4, "/xyz"))).unwrap(), "/xyz/bar");
}

#[test]
fn edits_set_then_add_then_remove() {
    let mut headers = HeaderMap::new();
    headers.append("a", HeaderValue::from_static("1"));
    headers.append("a", HeaderValue::from_static("2"));
    headers.append("gone", HeaderValue::from_static("1"));
    let pair = |name: &'static str, value| (name.parse().unwrap(), HeaderValue::from_static(value));
    let edits = HeaderEdits {
        set: vec![pair("a", "3")],
        add: vec![pair("a", "4"), pair("gone", "2")],
        remove: vec!["gone".parse().unwrap()],
    };
    edit(&mut headers, &edits);
    assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["3", "4"]);
    assert!(!headers.contains_key("gone"));
}

fn to(redirect: Redirect) -> String {
    let uri: http::Uri = "/cart?id=1".parse().unwrap();
    let here = Here { scheme: "http", authority: "shop.example.com:8080", port: 8000, public_port: None };
    location(&redirect, here, Paths { uri: &uri, normalised: "/cart" }).unwrap().to_str().unwrap().to_owned()
}

fn redirect() -> Redirect {
    Redirect { scheme: None, host: None, port: None, path: None, status: http::StatusCode::FOUND }
}

#[test]
fn a_redirect_keeps_what_is_not_written() {
    let only_path = Redirect { path: Some(PathRewrite::Full("/z".to_owned())), ..redirect() };
    assert_eq!(to(only_path), "http://shop.example.com:8080/z?id=1");
}

#[test]
fn a_redirect_to_a_scheme_uses_its_port() {
    assert_eq!(to(Redirect { scheme: Some(Scheme::HTTPS), ..redirect() }), "https://shop.example.com/cart?id=1");
}

#[test]
fn a_redirect_to_a_host_uses_the_listeners_port() {
    assert_eq!(to(Redirect { host: Some("a.example".to_owned()), ..redirect() }), "http://a.example:8000/cart?id=1");
}

#[test]
fn a_redirects_port_is_left_out_where_it_is_the_schemes_own() {
    assert_eq!(to(Redirect { port: Some(80), ..redirect() }), "http://shop.example.com/cart?id=1");
    assert_eq!(to(Redirect { port: Some(443), ..redirect() }), "http://shop.example.com:443/cart?id=1");
}
