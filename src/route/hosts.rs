//! Which of several host patterns is meant: the most specific one that fits.

use super::index::normalise_host;
use super::pattern::HostPattern;

/// Which of `patterns` fits `host` best: exact, then the wildcard with the longest suffix, then any host. `None` when none
/// does; of equal ones the first. `host` may be in any case, with or without a port or a trailing dot.
pub fn most_specific<'a>(patterns: impl Iterator<Item = &'a HostPattern>, host: &str) -> Option<usize> {
    let host = normalise_host(host);
    let host = host.as_deref();
    let mut best = None;
    for (place, pattern) in patterns.enumerate() {
        let Some(rank) = rank(pattern, host) else { continue };
        if best.is_none_or(|(_, known)| rank > known) {
            best = Some((place, rank));
        }
    }
    best.map(|(place, _)| place)
}

/// How specific a pattern that fits `host` is.
fn rank(pattern: &HostPattern, host: Option<&str>) -> Option<usize> {
    match pattern {
        HostPattern::Any => Some(0),
        HostPattern::Exact(exact) => (host? == &**exact).then_some(usize::MAX),
        HostPattern::Wildcard(suffix, labels) => {
            let before = host?.strip_suffix(&**suffix)?.strip_suffix('.')?;
            (!before.is_empty() && labels.fit(before)).then_some(suffix.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_pattern_is_meant_whatever_the_order() {
        let texts = ["*", "*.example.com", "*.shop.example.com", "shop.example.com"];
        let patterns: Vec<HostPattern> = texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
        let meant = |host: &str| most_specific(patterns.iter(), host).map(|place| texts[place]);
        assert_eq!(meant("Shop.Example.com.:8080"), Some("shop.example.com"));
        assert_eq!(meant("a.b.shop.example.com"), Some("*.shop.example.com"));
        assert_eq!(meant("a.example.com"), Some("*.example.com"));
        assert_eq!(meant("example.com"), Some("*"));
        assert_eq!(meant(""), Some("*"));
        assert_eq!(meant(&"a".repeat(300)), Some("*"));
        assert_eq!(most_specific(patterns[1..].iter(), "other.org"), None);
        assert_eq!(most_specific(patterns[1..].iter(), ".example.com"), None);
    }
}
