//! Hostnames of listeners and routes: exact, `*.example.com` for one label or more, or none for every host.

/// What both stand for; `None` when no host is in both. `None` of a listener stands for every host.
pub fn intersection(listener: Option<&str>, route: &str) -> Option<String> {
    match listener {
        None => Some(route.to_owned()),
        Some(listener) if covers(listener, route) => Some(route.to_owned()),
        Some(listener) if covers(route, listener) => Some(listener.to_owned()),
        Some(_) => None,
    }
}

/// Whether every host of `narrow` is one of `wide`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_prefix('*') {
        // `.example.com`: of `www.example.com`, and of `*.shop.example.com`, but not of `.example.com` alone.
        Some(suffix) => {
            let host = narrow.strip_prefix('*').unwrap_or(narrow);
            host.ends_with(suffix) && (host.len() > suffix.len() || narrow.starts_with('*'))
        }
        None => wide == narrow,
    }
}
