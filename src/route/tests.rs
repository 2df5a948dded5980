use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::pattern::PathKind;
use super::*;

/// A rule in few words: `HOST PATH` with `=` before an exact path, `~` before a regular expression and `()` before the method
/// of a gRPC call; `1.` instead of `*.` stands for one label.
fn matcher(text: &str) -> Matcher {
    let (host, path) = text.split_once(' ').unwrap();
    let path = match path.as_bytes()[0] {
        b'=' => PathPattern::exact(&path[1..]),
        b'~' => PathPattern::regex(&path[1..]),
        b'(' => PathPattern::grpc_method(&path[2..]),
        _ => PathPattern::prefix(path),
    };
    let host = match host.strip_prefix("1.") {
        Some(suffix) => HostPattern::parse(&format!("*.{suffix}")).unwrap().single_label(),
        None => HostPattern::parse(host).unwrap(),
    };
    Matcher { host, path: path.unwrap(), ..Matcher::default() }
}

fn rule(text: &str) -> Rule<String> {
    Rule { listeners: None, matching: matcher(text), target: text.to_owned() }
}

fn router(rules: &[&str]) -> Router<String> {
    Router::new(rules.iter().map(|text| rule(text)).collect())
}

fn find<'a, T>(router: &'a Router<T>, host: &str, path: &str) -> Option<&'a T> {
    let headers = HeaderMap::new();
    router.find(0, &RequestView { host, path, query: None, method: &Method::GET, headers: &headers })
}

fn found(router: &Router<String>, host: &str, path: &str) -> String {
    find(router, host, path).cloned().unwrap_or_default()
}

#[test]
fn an_exact_host_goes_before_wildcards_and_these_before_any() {
    let router = router(&["* /", "*.com /", "*.example.com /", "shop.example.com /"]);
    assert_eq!(found(&router, "shop.example.com", "/"), "shop.example.com /");
    assert_eq!(found(&router, "www.example.com", "/"), "*.example.com /");
    assert_eq!(found(&router, "a.b.example.com", "/"), "*.example.com /");
    assert_eq!(found(&router, "example.com", "/"), "*.com /");
    assert_eq!(found(&router, "example.org", "/"), "* /");
    assert_eq!(found(&router, "com", "/"), "* /", "a wildcard stands for one label or more");
}

#[test]
fn a_wildcard_for_one_label_takes_no_more_and_goes_before_one_for_more() {
    let router = router(&["*.example.com /", "1.example.com /", "1.com /"]);
    assert_eq!(found(&router, "Shop.example.com:80", "/"), "1.example.com /");
    assert_eq!(found(&router, "a.b.example.com", "/"), "*.example.com /");
    assert_eq!(found(&router, "example.com", "/"), "1.com /");
    assert_eq!(found(&router, "a.b.com", "/"), "");
}

#[test]
fn a_method_of_grpc_goes_behind_every_service_and_before_everything() {
    let router = router(&["* /", "* ()A.*", "* ()AddItem", "* /shop.Cart"]);
    assert_eq!(found(&router, "h", "/shop.Cart/AddItem"), "* /shop.Cart");
    assert_eq!(found(&router, "h", "/other/AddItem"), "* ()AddItem");
    assert_eq!(found(&router, "h", "/other/All"), "* ()A.*");
    assert_eq!(found(&router, "h", "/other/AddItem/more"), "* /");
    assert!(PathPattern::grpc_method("a)|(b").is_err());
}

#[test]
fn case_port_and_trailing_dot_of_a_host_do_not_matter() {
    let router = router(&["Shop.Example.com. /", "[::1] /"]);
    for host in
        ["shop.example.com", "SHOP.example.COM", "shop.example.com:8080", "shop.example.com.", "Shop.example.com.:80"]
    {
        assert_eq!(found(&router, host, "/"), "Shop.Example.com. /", "{host}");
    }
    for host in ["[::1]", "[::1]:443"] {
        assert_eq!(found(&router, host, "/"), "[::1] /", "{host}");
    }
    for host in ["", "example.com", "xshop.example.com", ".", ":80"] {
        assert_eq!(found(&router, host, "/"), "", "{host}");
    }
}

#[test]
fn a_host_longer_than_any_name_matches_only_any() {
    let router = router(&["*.example.com /", "* /any"]);
    let host = format!("{}.example.com", "a".repeat(300));
    assert_eq!(found(&router, &host, "/any"), "* /any");
    assert_eq!(found(&router, &host, "/"), "");
}

#[test]
fn an_exact_path_goes_before_regular_expressions_and_these_before_prefixes() {
    let router = router(&["* /", "* /shop", "* /shop/cart", "* =/shop/cart", "* ~/shop/.*", "* ~/shop/[a-z]+t"]);
    assert_eq!(found(&router, "h", "/shop/cart"), "* =/shop/cart");
    assert_eq!(found(&router, "h", "/shop/chart"), "* ~/shop/[a-z]+t", "the longer text");
    assert_eq!(found(&router, "h", "/shop/cart/1"), "* ~/shop/.*");
    assert_eq!(found(&router, "h", "/shop"), "* /shop");
    assert_eq!(found(&router, "h", "/else"), "* /");
}

#[test]
fn a_prefix_ends_with_a_segment() {
    let router = router(&["* /shop/"]);
    for path in ["/shop", "/shop/", "/shop/cart"] {
        assert_eq!(found(&router, "h", path), "* /shop/", "{path}");
    }
    for path in ["/", "/sho", "/shopping", "/Shop"] {
        assert_eq!(found(&router, "h", path), "", "{path}");
    }
}

#[test]
fn the_longest_prefix_wins_whatever_the_order() {
    let router = router(&["* /a/b", "* /", "* /a/b/c", "* /a"]);
    assert_eq!(found(&router, "h", "/a/b/c/d"), "* /a/b/c");
    assert_eq!(found(&router, "h", "/a/b/cd"), "* /a/b");
    assert_eq!(found(&router, "h", "/a/x"), "* /a");
}

#[test]
fn a_regular_expression_must_match_the_whole_path() {
    let router = router(&["* ~/v[0-9]", "* ~/a|/b"]);
    assert_eq!(found(&router, "h", "/v1"), "* ~/v[0-9]");
    assert_eq!(found(&router, "h", "/v1/x"), "");
    assert_eq!(found(&router, "h", "/b"), "* ~/a|/b");
    assert_eq!(found(&router, "h", "/a\n"), "");
}

#[test]
fn what_no_rule_of_a_host_takes_goes_on_to_the_next_host() {
    let router = router(&["shop.example.com /cart", "*.example.com /", "* /"]);
    assert_eq!(found(&router, "shop.example.com", "/else"), "*.example.com /");
}

#[test]
fn method_then_headers_then_query_then_the_order_break_ties() {
    let header = |name| (HeaderName::from_static(name), ValuePattern::exact("1"));
    let query = |name: &str| (name.to_owned(), ValuePattern::exact("1"));
    let base = || matcher("* /");
    let rule = |target: &'static str, matching| Rule { listeners: None, matching, target };
    let router = Router::new(vec![
        rule("plain", base()),
        rule("later", base()),
        rule("query", Matcher { query: vec![query("a")], ..base() }),
        rule("queries", Matcher { query: vec![query("a"), query("b")], ..base() }),
        rule("header", Matcher { headers: vec![header("x-a")], ..base() }),
        rule("headers", Matcher { headers: vec![header("x-a"), header("x-b")], ..base() }),
        rule("method", Matcher { method: Some(Method::POST), ..base() }),
    ]);
    let find = |method: Method, names: &[&'static str], query| {
        let headers = names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
        *router.find(0, &RequestView { host: "h", path: "/x", query, method: &method, headers: &headers }).unwrap()
    };
    assert_eq!(find(Method::GET, &[], None), "plain");
    assert_eq!(find(Method::GET, &[], Some("a=1")), "query");
    assert_eq!(find(Method::GET, &[], Some("b=1&a=1")), "queries");
    assert_eq!(find(Method::GET, &["x-a"], Some("b=1&a=1")), "header");
    assert_eq!(find(Method::GET, &["x-a", "x-b"], None), "headers");
    assert_eq!(find(Method::POST, &["x-a", "x-b"], Some("a=1")), "method");
}

#[test]
fn rules_hold_on_their_listeners_only() {
    let on = |listeners: Option<Vec<usize>>, target| Rule { listeners, matching: matcher("* /"), target };
    let router = Router::new(vec![on(Some(vec![1]), "one"), on(Some(vec![2, 3]), "two"), on(Some(vec![]), "none")]);
    let headers = HeaderMap::new();
    let request = RequestView { host: "h", path: "/", query: None, method: &Method::GET, headers: &headers };
    assert_eq!(router.find(0, &request), None);
    assert_eq!(router.find(1, &request), Some(&"one"));
    assert_eq!(router.find(3, &request), Some(&"two"));
}

fn takes(matching: Matcher, query: Option<&str>, fields: &[(&'static str, &'static str)]) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let router = Router::new(vec![Rule { listeners: None, matching, target: () }]);
    router.find(0, &RequestView { host: "h", path: "/", query, method: &Method::GET, headers: &headers }).is_some()
}

#[test]
fn a_repeated_field_is_one_joined_field() {
    let is = |value: ValuePattern, fields: &[(&'static str, &'static str)]| {
        takes(Matcher { headers: vec![(HeaderName::from_static("x-env"), value)], ..Matcher::default() }, None, fields)
    };
    assert!(is(ValuePattern::exact("a"), &[("x-env", "a")]));
    assert!(!is(ValuePattern::exact("a"), &[("x-env", "a"), ("x-env", "b")]));
    assert!(is(ValuePattern::exact("a, b"), &[("x-env", "a"), ("x-env", "b")]));
    assert!(is(ValuePattern::exact("a, b"), &[("x-env", "a, b")]));
    assert!(is(ValuePattern::regex("(.*, )?b(, .*)?").unwrap(), &[("x-env", "a"), ("x-env", "b"), ("x-env", "c")]));
    assert!(!is(ValuePattern::exact("a"), &[("x-env", "A")]), "values have case");
    assert!(!is(ValuePattern::exact(""), &[]), "a missing field has no value");
    assert!(is(ValuePattern::exact(""), &[("x-env", "")]));
}

#[test]
fn cookie_crumbs_are_joined_as_cookies() {
    let value = ValuePattern::regex(".*; b=2").unwrap();
    let matching = Matcher { headers: vec![(http::header::COOKIE, value)], ..Matcher::default() };
    assert!(takes(matching, None, &[("cookie", "a=1"), ("cookie", "b=2")]));
}

#[test]
fn the_first_value_of_a_query_parameter_counts() {
    let is = |name: &str, value: ValuePattern, query| {
        takes(Matcher { query: vec![(name.to_owned(), value)], ..Matcher::default() }, Some(query), &[])
    };
    assert!(is("v", ValuePattern::exact("1"), "v=1&v=2"));
    assert!(!is("v", ValuePattern::exact("2"), "v=1&v=2"));
    assert!(is("v", ValuePattern::exact("a b"), "x=y&v=a+b"));
    assert!(is("v", ValuePattern::exact("a b"), "%76=a%20b"));
    assert!(is("v", ValuePattern::regex("[a-z ]+").unwrap(), "v=a%20b"));
    assert!(!is("v", ValuePattern::regex("a").unwrap(), "v=ab"));
    assert!(is("v", ValuePattern::exact(""), "v"));
    assert!(is("v", ValuePattern::exact("100%"), "v=100%"));
    assert!(is("v", ValuePattern::exact("=1"), "v==1"));
    assert!(!is("v", ValuePattern::exact("1"), "vv=1"));
    assert!(!is("v", ValuePattern::exact("1"), ""));
}

#[test]
fn of_repeated_matches_the_first_counts() {
    let twice = |first: &str, second: &str| {
        let header = |value| (HeaderName::from_static("x-a"), ValuePattern::exact(value));
        Matcher { headers: vec![header(first), header(second)], ..Matcher::default() }
    };
    assert!(takes(twice("1", "2"), None, &[("x-a", "1")]));
    assert!(!takes(twice("2", "1"), None, &[("x-a", "1")]));
}

#[test]
fn paths_are_read_where_a_rule_of_the_host_looks_at_them() {
    let mut rules: Vec<_> = ["a.com /", "b.com /x", "*.c.com =/x"].map(rule).into();
    let router_of = |rules: &Vec<Rule<String>>| Router::new(rules.clone());
    let router = router_of(&rules);
    assert!(!router.reads_paths(0, "a.com"));
    assert!(router.reads_paths(0, "B.com:80"));
    assert!(router.reads_paths(0, "x.c.com"));
    assert!(!router.reads_paths(0, "c.com"));
    rules.push(Rule { listeners: Some(vec![1]), ..rule("* ~/x.*") });
    let router = router_of(&rules);
    assert!(!router.reads_paths(0, "a.com"));
    assert!(router.reads_paths(1, "a.com"));
}

#[test]
fn patterns_are_checked() {
    for host in
        ["", ".", "a..b", "a b", "*.", "*a.com", "a.*.com", "a.com:80", "http://a.com", "a.com/", "[::1", "é.com"]
    {
        assert!(matches!(HostPattern::parse(host), Err(PatternError::Host(_))), "{host}");
    }
    for path in ["", "shop", "/a?b", "/a#b"] {
        assert!(matches!(PathPattern::prefix(path), Err(PatternError::Path(_))), "{path}");
    }
    let error = PathPattern::exact("/a%2Fb").unwrap_err();
    assert_eq!(error.to_string(), "no request can have the path `/a%2Fb`: it has an encoded slash (%2F)");
    let error = PathPattern::regex("/a(").unwrap_err();
    assert_eq!(error.to_string(), "`/a(` is not a regular expression: unclosed group");
    assert!(ValuePattern::regex("a)|(b").is_err());
}

#[test]
fn patterns_of_paths_are_normalised_like_requests() {
    let router = router(&["* /caf%c3%a9", "* =/%61"]);
    assert_eq!(found(&router, "h", &normalise_path("/café/x").unwrap()), "* /caf%c3%a9");
    assert_eq!(found(&router, "h", "/a"), "* =/%61");
    assert_eq!(PathPattern::prefix("/shop/").unwrap().prefix_len(), Some(5));
    assert_eq!(PathPattern::prefix("/").unwrap().prefix_len(), Some(0));
    assert_eq!(PathPattern::exact("/shop").unwrap().prefix_len(), None);
}

#[test]
fn a_path_of_slashes_is_found_as_fast_as_any() {
    let router = router(&["* /a/b/c", "* /"]);
    let path = "/".repeat(60_000);
    assert_eq!(found(&router, "h", &path), "* /");
}

/// How specific a rule is for a request that it matches, said as plainly as possible: the largest wins.
fn specificity(matcher: &Matcher, order: usize) -> impl Ord + use<> {
    let host = match &matcher.host {
        HostPattern::Exact(_) => (usize::MAX, false),
        HostPattern::Wildcard(suffix, labels) => (suffix.len(), *labels == Labels::One),
        HostPattern::Any => (0, false),
    };
    let path = match &matcher.path.0 {
        PathKind::Exact(path) => (3, path.len()),
        PathKind::Regex(regex) => (2, regex.as_str().len()),
        PathKind::Prefix(prefix) if prefix.is_empty() => (0, 0),
        PathKind::Prefix(prefix) => (1, prefix.len()),
        PathKind::GrpcMethod(regex) => (0, regex.as_str().len()),
    };
    (host, path, matcher.method.is_some(), matcher.headers.len(), matcher.query.len(), std::cmp::Reverse(order))
}

/// Whether host and path of a rule fit, without any index.
fn fits_host_and_path(matcher: &Matcher, host: &str, path: &str) -> bool {
    let host_fits = match &matcher.host {
        HostPattern::Any => true,
        HostPattern::Exact(exact) => **exact == *host,
        HostPattern::Wildcard(suffix, labels) => {
            let dots = |text: &str| text.matches('.').count();
            let more = dots(host).saturating_sub(dots(suffix));
            host.ends_with(&format!(".{suffix}")) && (more == 1 || *labels == Labels::Any)
        }
    };
    host_fits
        && match &matcher.path.0 {
            PathKind::Exact(exact) => **exact == *path,
            PathKind::Regex(regex) => regex.is_match(path),
            PathKind::GrpcMethod(regex) => {
                let segments: Vec<&str> = path.split('/').collect();
                matches!(segments[..], ["", service, method] if !service.is_empty() && regex.is_match(method))
            }
            PathKind::Prefix(prefix) => format!("{path}/").starts_with(&format!("{prefix}/")),
        }
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let host = prop::sample::select(vec!["*", "a.com", "b.a.com", "*.a.com", "1.a.com", "*.com", "1.com", "*.b.a.com"]);
    let path = prop::sample::select(vec![
        "/",
        "/x",
        "/x/y",
        "/x/y/z",
        "=/x",
        "=/x/y",
        "=/",
        "~/x.*",
        "~/.*y",
        "~/x/[a-z]+",
        "()y",
        "()[a-z]",
    ]);
    let parts = (host, path, prop::option::of(prop::bool::ANY), 0..3usize, 0..3usize);
    parts.prop_map(|(host, path, post, headers, query)| Matcher {
        method: post.map(|post| if post { Method::POST } else { Method::GET }),
        headers: ["x-a", "x-b"]
            .iter()
            .take(headers)
            .map(|name| (HeaderName::from_static(name), ValuePattern::exact("1")))
            .collect(),
        query: ["a", "b"].iter().take(query).map(|name| ((*name).to_owned(), ValuePattern::exact("1"))).collect(),
        ..matcher(&format!("{host} {path}"))
    })
}

proptest! {
    #[test]
    fn the_index_finds_what_trying_every_rule_finds(
        matchers in prop::collection::vec(any_matcher(), 0..24),
        host in prop::sample::select(vec!["a.com", "b.a.com", "c.b.a.com", "x.a.com", "z.com", "org"]),
        path in prop::sample::select(vec!["/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/q/y"]),
        fields in 0..3usize,
        query in prop::sample::select(vec!["", "a=1", "a=1&b=1", "b=1"]),
    ) {
        let headers = ["x-a", "x-b"].iter().take(fields).map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect();
        let request = RequestView { host, path, query: Some(query), method: &Method::GET, headers: &headers };
        let matching = matchers.iter().enumerate().filter(|(_, matcher)| fits_host_and_path(matcher, host, path) && matcher.fits(&request));
        let expected = matching.max_by_key(|(order, matcher)| specificity(matcher, *order)).map(|(order, _)| order);
        let rules = matchers.iter().enumerate().map(|(target, matching)| Rule { listeners: None, matching: matching.clone(), target });
        let router = Router::new(rules.collect());
        prop_assert_eq!(router.find(0, &request).copied(), expected);
    }

    #[test]
    fn no_host_and_no_path_is_too_odd(host: String, path: String) {
        let router = router(&["a.com /x", "*.com /", "* ~/.*"]);
        let _ = find(&router, &host, &path);
        let _ = router.reads_paths(0, &host);
    }
}
