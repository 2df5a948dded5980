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
    /// The numbers for everything below that is not written. Default: `standard`.
    pub preset: Option<Preset>,
    /// At most this share of releases whose canary is tolerable is aborted: `1%` or `1 in 100 releases`. Default: 1%.
    pub false_abort: Option<Risk>,
    /// At most this share of releases whose canary is bad is promoted. Default: 1%.
    pub false_promote: Option<Risk>,
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
    /// What to do when there is some evidence against the canary, but not enough to abort. Default: `hold`.
    #[serde(default)]
    pub on_suspicion: OnSuspicion,
}

/// How sure to be, and how soon. What the file says itself counts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Preset {
    /// For what must not break: finds half as large faults, lets 1 bad canary of 1,000 pass, takes a quarter of an hour and
    /// about 3,500 clean canary requests at least.
    Careful,
    /// The defaults: 4 minutes and about 920 clean canary requests at least.
    Standard,
    /// For what is soon repaired: a minute and about 300 clean canary requests at least, and 1 bad canary of 20 may pass.
    Fast,
}

/// A share of releases: `1%`, or `1 in 100 releases`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Risk(pub Ratio);

impl FromStr for Risk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((one, many)) = text.split_once(" in ") else {
            return text
                .parse()
                .map(Self)
                .map_err(|_| format!("`{text}` is not a risk: write it like 1% or `1 in 100 releases`"));
        };
        let number =
            |text: &str| text.trim().trim_end_matches("releases").trim_end().replace(',', "").parse::<u32>().ok();
        match (number(one), number(many)) {
            (Some(one), Some(many)) if one <= many && many > 0 => {
                Ok(Self(Ratio::from_fraction(f64::from(one) / f64::from(many))))
            }
            _ => Err(format!("`{text}` is not a risk: write it like 1% or `1 in 100 releases`")),
        }
    }
}

impl<'de> Deserialize<'de> for Risk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Risk {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Risk".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A share of releases, such as 1% or 1 in 100 releases.",
        })
    }
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

/// A line `Nx + P%`: `N` times stable's rate plus `P` points. Either part may be left out (`2x`, `0.5%`). In words it is
/// `N times stable + P points`.
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
            let points = part
                .strip_suffix("points")
                .or(part.strip_suffix("point"))
                .map(|number| format!("{}%", number.trim_end()));
            let part = points.as_deref().unwrap_or(part);
            if let Some(number) = part.strip_suffix('x').or(part.strip_suffix("times stable")) {
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

/// What to do when there is some evidence against the canary, but not enough to abort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnSuspicion {
    /// Stay at the weight, and go on looking.
    #[default]
    Hold,
    /// Go back to the largest step of at most 5%: there each failure tells more and hurts fewer.
    StepBack,
}
