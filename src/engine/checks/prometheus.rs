//! One number from a Prometheus server, compared with another.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use serde::Deserialize;

use crate::analysis::Verdict;
use crate::snapshot::Comparison;
use crate::upstream::fetch::{Options, fetch};

/// Asks `query` of the server at `address` and compares its value: `GET /api/v1/query`. One sentence says what came back.
///
/// No answer, no data, more than one sample and NaN are all inconclusive.
pub(super) async fn ask(address: &Uri, query: &str, pass_if: Comparison, timeout: Duration) -> (Verdict, String) {
    match value(address, query, timeout).await {
        Ok(value) if holds(pass_if, value) => (Verdict::Pass, format!("{value} is {}", words(pass_if))),
        Ok(value) => (Verdict::Fail, format!("{value} is not {}", words(pass_if))),
        Err(why) => (Verdict::Inconclusive, why),
    }
}

/// The answer to a query, as far as it is of interest.
#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Sample>),
    Scalar((f64, String)),
    Matrix(serde::de::IgnoredAny),
    String(serde::de::IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Sample {
    /// Absent in samples of native histograms.
    #[serde(default)]
    value: Option<(f64, String)>,
}

async fn value(address: &Uri, query: &str, timeout: Duration) -> Result<f64, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("the query cannot be sent: {error}");
    let uri = format!("{}/api/v1/query?query={}", address.to_string().trim_end_matches('/'), escape(query));
    let uri: Uri = uri.parse().map_err(|error| unusable(&error))?;
    let request = Request::get(uri).body(Bytes::new()).map_err(|error| unusable(&error))?;
    let options = Options { timeout, limit: LARGEST_ANSWER, ..Options::default() };
    let response = fetch(request, &options).await.map_err(|error| format!("Prometheus does not answer: {error}"))?;
    read(response.status(), response.body())
}

fn read(status: StatusCode, body: &[u8]) -> Result<f64, String> {
    let reply: Result<Reply, _> = serde_json::from_slice(body);
    if !status.is_success() {
        let error = reply.ok().and_then(|reply| reply.error).unwrap_or_else(|| format!("status {}", status.as_u16()));
        return Err(format!("Prometheus refuses the query: {error}"));
    }
    let reply = reply.map_err(|error| format!("the answer is not Prometheus's: {error}"))?;
    let number = match reply.data {
        Some(Data::Scalar((_, number))) => number,
        Some(Data::Vector(samples)) => match <[Sample; 1]>::try_from(samples) {
            Ok([Sample { value: Some((_, number)) }]) => number,
            Ok([Sample { value: None }]) => return Err("the query gives a histogram, not a number".to_owned()),
            Err(none) if none.is_empty() => return Err("the query gives no data".to_owned()),
            Err(many) => {
                return Err(format!("the query gives {} samples, not one: aggregate it, as with sum()", many.len()));
            }
        },
        Some(Data::Matrix(_) | Data::String(_)) => return Err("the query gives no number".to_owned()),
        None => return Err("the answer has no data".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_nan() => Err("the query gives NaN: nothing is known".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("the query gives `{number}`, which is no number")),
    }
}

fn holds(comparison: Comparison, value: f64) -> bool {
    match comparison {
        Comparison::Less(limit) => value < limit,
        Comparison::LessOrEqual(limit) => value <= limit,
        Comparison::Greater(limit) => value > limit,
        Comparison::GreaterOrEqual(limit) => value >= limit,
        Comparison::Equal(limit) => value == limit,
        Comparison::NotEqual(limit) => value != limit,
    }
}

fn words(comparison: Comparison) -> String {
    match comparison {
        Comparison::Less(limit) => format!("below {limit}"),
        Comparison::LessOrEqual(limit) => format!("at most {limit}"),
        Comparison::Greater(limit) => format!("above {limit}"),
        Comparison::GreaterOrEqual(limit) => format!("at least {limit}"),
        Comparison::Equal(limit) => format!("equal to {limit}"),
        Comparison::NotEqual(limit) => format!("other than {limit}"),
    }
}

/// Everything but unreserved characters as `%XX`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// One number needs some hundred bytes; many samples are wrong anyway.
const LARGEST_ANSWER: usize = 1 << 20;

#[cfg(test)]
mod tests;
