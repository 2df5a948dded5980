//! Takes secrets out of a configuration before anybody is shown it: the one place that knows which they are. Pure.
//!
//! What may be one is treated as one: testers' keys, values of request fields that are matched or set (they carry
//! credentials for backends), and everything of a URL that can hold a password or a token.

use serde_json::{Map, Value};

/// Takes what is secret, and what nobody wrote, out of `config`.
pub(super) fn redact(config: &mut Value) {
    walk(config, "");
}

fn walk(value: &mut Value, key: &str) {
    match value {
        Value::Object(fields) => object(fields, key),
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, key)),
        Value::String(text) => {
            if let Some(safe) = safe_url(text) {
                *text = safe;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn object(fields: &mut Map<String, Value>, key: &str) {
    fields.retain(|_, value| !value.is_null());
    for (name, value) in fields.iter_mut() {
        match (key, name.as_str()) {
            ("overrides", "value") | ("requestHeaders", "set" | "add") => replace(value),
            ("match" | "matches", "headers" | "query") => replace(value),
            (_, name) => walk(value, name),
        }
    }
}

/// Replaces every text in `value`; the names of fields stay.
fn replace(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(replace),
        Value::Array(items) => items.iter_mut().for_each(replace),
        Value::Null => {}
        secret => *secret = Value::from(REDACTED),
    }
}

/// An absolute URL by scheme and host alone, when there is more to it than a plain path of `/`.
fn safe_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if user.is_none() && matches!(tail, "" | "/") {
        return None;
    }
    let tail = if matches!(tail, "" | "/") { tail } else { REDACTED_PATH };
    Some(format!("{scheme}://{host}{tail}"))
}

const REDACTED: &str = "(redacted)";
const REDACTED_PATH: &str = "/(redacted)";

#[cfg(test)]
mod tests;
