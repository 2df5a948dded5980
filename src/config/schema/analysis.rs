//! What is tolerated, what is bad, and how sure weir must be.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::{Ratio, Span};

/// What is tolerated, what is bad, and how sure weir must be. Everything has a default; an empty analysis is a good one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Analysis {
    /// At most this share of releases whose canary is tolerable is aborted. Default: 1%.
    pub false_abort: Option<Ratio>,
    /// At most this share of releases whose canary is bad is promoted. Default: 1%.
    pub false_promote: Option<Ratio>,
    /// The error rate of the canary against stable's.
    #[serde(default)]
    pub error_rate: Comparison,
    /// The error rate of each single route against stable's on the same route: what drowns in the sum is found there.
    #[serde(default)]
    pub route_error_rate: Comparison,
    /// The share of slow responses, at every latency bound, against stable's.
    #[serde(default)]
    pub latency: LatencyComparison,
    /// What counts as a failure. Default: 500 to 599, and what never became a response.
    #[serde(default)]
    pub failures: Failures,
    /// For this long after its first request the canary may be slow, and may fail up to 30 points more. Default: 15s.
    pub warm_up: Option<Span>,
    /// Never promote earlier than this after the start: some faults need time. Default: 4m.
    pub minimum_time: Option<Span>,
    /// What to do when a step's `atMost` ends without evidence. Default: `hold`.
    #[serde(default)]
    pub on_no_evidence: OnNoEvidence,
}

/// Two lines for a rate of the canary as a function of stable's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comparison {
    /// Up to this line the canary is fine, and not aborted. Default: `1.25x + 0.1%`; for one route `1.25x + 1%`.
    pub tolerable: Option<Line>,
    /// From this line on the canary is bad, and not promoted. Default: `1.5x + 0.5%`; for one route `1.5x + 5%`.
    pub bad: Option<Line>,
}

/// As [`Comparison`], for the share of responses slower than a bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyComparison {
    /// Whether latency is judged at all. Default: true.
    pub enabled: Option<bool>,
    /// Up to this line the canary is fine. Default: `1.25x + 0.5%`.
    pub tolerable: Option<Line>,
    /// From this line on the canary is bad. Default: `1.5x + 2%`.
    pub bad: Option<Line>,
    /// The bounds at which both versions are compared, rising, at most 31.
    /// Default: 5, 10, 15, 25, 40, 60, 80, 100, 150, 200, 300, 400, 500, 750ms, 1, 1.5, 2.5, 5, 10s.
    pub bounds: Option<Vec<Span>>,
}

/// A line `Nx + P%`: `N` times stable's rate plus `P` points. Either part may be left out (`2x`, `0.5%`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Times stable's rate, at least 0.
    pub times: f64,
    /// Plus this share.
    pub plus: Ratio,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x + {}", self.times, self.plus)
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a line: write it like `1.25x + 0.1%`, `2x` or `0.5%`");
        let (mut times, mut plus) = (None, None);
        for part in text.split('+').map(str::trim) {
            if let Some(number) = part.strip_suffix('x') {
                let number: f64 = number.trim_end().parse().map_err(|_| wrong())?;
                if times.replace(number).is_some() || !(0.0..=1000.0).contains(&number) {
                    return Err(wrong());
                }
            } else if plus.replace(part.parse::<Ratio>().map_err(|_| wrong())?).is_some() {
                return Err(wrong());
            }
        }
        Ok(Self { times: times.unwrap_or(0.0), plus: plus.unwrap_or(Ratio::ZERO) })
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Line {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Line".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "N times stable's rate plus P points, such as 1.25x + 0.1%.",
        })
    }
}

/// What counts as a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failures {
    /// Statuses and ranges, such as `"500-599"` or `"429"`. Default: `500-599`.
    pub statuses: Option<Vec<String>>,
    /// gRPC statuses by number. Default: 2, 4, 12, 13, 14, 15 (unknown, deadline exceeded, unimplemented, internal, unavailable, data loss).
    pub grpc: Option<Vec<u8>>,
}

/// What to do when a step's `atMost` ends without evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnNoEvidence {
    /// Stay at the weight, and go on looking.
    #[default]
    Hold,
    /// Go on to the next step.
    Promote,
    /// Take the canary out.
    Abort,
}
