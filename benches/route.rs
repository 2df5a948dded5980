//! What it costs to find a route among 1, 100 and 10,000.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use weir::route::{HostPattern, Matcher, PathPattern, RequestView, Router, Rule, normalise_path};

fn rule(host: &str, path: PathPattern, target: usize) -> Rule<usize> {
    let host = HostPattern::parse(host).expect("a host");
    Rule { listeners: None, matching: Matcher { host, path, ..Matcher::default() }, target }
}

fn prefix(path: &str) -> PathPattern {
    PathPattern::prefix(path).expect("a path")
}

fn find(c: &mut Criterion, name: &str, router: &Router<usize>, host: &str, path: &str) {
    let headers = HeaderMap::new();
    c.bench_function(name, |b| {
        b.iter(|| {
            let (host, path) = (black_box(host), black_box(path));
            router.find(0, &RequestView { host, path, query: None, method: &Method::GET, headers: &headers })
        });
    });
}

fn lookup(c: &mut Criterion) {
    for count in [1, 100, 10_000] {
        let hosts = (0..count).map(|n| rule(&format!("host-{n}.example.com"), prefix("/"), n));
        let host = format!("host-{}.example.com", count / 2);
        find(c, &format!("host of {count}"), &Router::new(hosts.collect()), &host, "/api/v1/users/42");

        let paths = (0..count).map(|n| rule("*", prefix(&format!("/api/service-{n}")), n));
        let path = format!("/api/service-{}/users/42", count / 2);
        find(c, &format!("prefix of {count}"), &Router::new(paths.collect()), "shop.example.com", &path);
    }
    let wildcards = (0..10_000).map(|n| rule(&format!("*.host-{n}.example.com"), prefix("/api"), n));
    let router = Router::new(wildcards.collect());
    find(c, "wildcard of 10000", &router, "Tenant.host-77.example.com:8443", "/api/v1/users/42");
    let regexes = (0..100).map(|n| rule("*", PathPattern::regex(&format!("/api/[0-9]+/{n}")).expect("a regex"), n));
    find(c, "regex of 100, the last", &Router::new(regexes.collect()), "shop.example.com", "/api/1234/0");
}

fn normalise(c: &mut Criterion) {
    c.bench_function("normalise a normal path", |b| b.iter(|| normalise_path(black_box("/api/v1/users/42"))));
    c.bench_function("normalise an encoded path", |b| b.iter(|| normalise_path(black_box("/api/./v1/%75sers/42"))));
}

criterion_group!(benches, lookup, normalise);
criterion_main!(benches);
