//! ingress-nginx's canary annotations, read as ingress-nginx reads them.
//!
//! Precedence: header, then cookie, then weight.

use std::collections::BTreeMap;

use crate::types::Ratio;

/// What the canary annotations of an Ingress say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Requests that a field sends to the canary, or to stable.
    pub header: Option<Header>,
    /// The cookie that sends requests to the canary with `always`, to stable with `never`.
    pub cookie: Option<String>,
    /// The canary's share of all other requests.
    pub weight: Ratio,
}

/// A request field that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Which values do what.
    pub rule: HeaderRule,
}

/// Which values of a field do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// `always` is the canary, `never` is stable; any other value decides nothing.
    AlwaysNever,
    /// This value is the canary; any other decides nothing.
    Value(String),
    /// A value in which this regular expression is found is the canary; any other decides nothing.
    Pattern(String),
}

/// The value that sends to the canary.
pub const ALWAYS: &str = "always";
/// The value that sends to stable.
pub const NEVER: &str = "never";

/// The beginning of all of ingress-nginx's annotations.
pub const PREFIX: &str = "nginx.ingress.kubernetes.io/";

impl Canary {
    /// What `annotations` say; `None` when they say nothing of a canary. What cannot be read is left out and told.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<(Self, Vec<String>)> {
        let get = |name: &str| annotations.get(&format!("{PREFIX}{name}")).map(|value| value.trim());
        if !get("canary").is_some_and(is_true) {
            return None;
        }
        let mut problems = Vec::new();
        let mut number = |name: &str| {
            let text = get(name)?;
            let number = text.parse::<u32>().ok();
            if number.is_none() {
                problems.push(format!("{PREFIX}{name}: `{text}` is not a whole number"));
            }
            number
        };
        let total = number("canary-weight-total").filter(|total| *total > 0).unwrap_or(100);
        let weight = number("canary-weight").unwrap_or(0);
        let rule = match (get("canary-by-header-value"), get("canary-by-header-pattern")) {
            (Some(value), _) => HeaderRule::Value(value.to_owned()),
            (None, Some(pattern)) => HeaderRule::Pattern(pattern.to_owned()),
            (None, None) => HeaderRule::AlwaysNever,
        };
        let header = get("canary-by-header").map(|name| Header { name: name.to_owned(), rule });
        let cookie = get("canary-by-cookie").map(str::to_owned);
        let weight = Ratio::from_fraction(f64::from(weight) / f64::from(total));
        Some((Self { header, cookie, weight }, problems))
    }

    /// The regular expressions, each for the whole value of a `Cookie` field, of a cookie that sends to the canary and of one
    /// that sends to stable.
    pub fn cookie_patterns(&self) -> Option<[String; 2]> {
        let name = regex::escape(self.cookie.as_deref()?);
        Some([ALWAYS, NEVER].map(|value| format!("(?:.*;)? *{name}={value} *(?:;.*)?")))
    }
}

impl HeaderRule {
    /// The regular expression, for a whole value, of what is found anywhere in a value.
    pub fn whole_pattern(pattern: &str) -> String {
        format!(".*(?:{pattern}).*")
    }
}

/// As ingress-nginx reads switches.
pub fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

#[cfg(test)]
mod tests;
