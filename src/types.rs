//! Names, shares and instants that cannot be wrong once they exist.
//!
//! Everything here is parsed at the edge (configuration, command line, journal) and carried by value after that: no layer
//! above checks a percentage or a name again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A share of the traffic in parts per million: 0 is nothing, 1,000,000 everything.
///
/// People write it as a percentage down to 0.01% (`5%`, `0.01%`); that is also its text form in files and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u32);

impl Ratio {
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// All traffic.
    pub const ONE: Self = Self(Self::PARTS);
    /// Parts in a whole.
    pub const PARTS: u32 = 1_000_000;

    /// A share of `ppm` parts per million; `None` above one million.
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm <= Self::PARTS { Some(Self(ppm)) } else { None }
    }

    /// A share of `percent` whole percents, held at 100.
    pub const fn percent(percent: u32) -> Self {
        if percent >= 100 { Self::ONE } else { Self(percent * 10_000) }
    }

    /// The nearest share to a fraction of one; what is outside of 0..=1 is held at the edge, NaN is 0.
    pub fn from_fraction(fraction: f64) -> Self {
        // `as` saturates and maps NaN to 0; the clamp keeps the upper edge.
        Self((fraction.clamp(0.0, 1.0) * f64::from(Self::PARTS)).round() as u32)
    }

    /// Parts per million, 0 to 1,000,000.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// The share as a fraction of one.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(Self::PARTS)
    }

    /// What is left of the whole.
    pub const fn complement(self) -> Self {
        Self(Self::PARTS - self.0)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        if part == 0 {
            write!(f, "{whole}%")
        } else {
            let part = format!("{part:04}");
            write!(f, "{whole}.{}%", part.trim_end_matches('0'))
        }
    }
}

/// Why a text is not a [`Ratio`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatioError {
    /// Not `N%` at all.
    #[error("`{0}` is not a percentage: write it like 5% or 0.5%")]
    Syntax(String),
    /// More than everything.
    #[error("`{0}` is more than 100%")]
    TooLarge(String),
    /// Finer than 0.0001%.
    #[error("`{0}` is finer than 0.0001%, the smallest step")]
    TooFine(String),
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let syntax = || RatioError::Syntax(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(syntax)?.trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || number.ends_with('.') {
            return Err(syntax());
        }
        let part = part.trim_end_matches('0');
        if part.len() > 4 {
            return Err(RatioError::TooFine(text.to_owned()));
        }
        let too_large = || RatioError::TooLarge(text.to_owned());
        let whole: u32 = whole.parse().map_err(|_| too_large())?;
        let part: u32 = format!("{part:0<4}").parse().map_err(|_| syntax())?;
        let ppm = whole.checked_mul(10_000).and_then(|w| w.checked_add(part));
        ppm.and_then(Self::from_ppm).ok_or_else(too_large)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Ratio {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ratio".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A share of the traffic as a percentage, such as 5% or 0.05%.",
            "pattern": r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$",
        })
    }
}

/// The weight of one backend in a split: the Gateway API's integer, 0 to 1,000,000, a ratio of the sum; 0 receives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub struct Weight(#[schemars(range(max = 1_000_000))] u32);

impl Weight {
    /// The largest weight the Gateway API allows.
    pub const MAX: u32 = 1_000_000;

    /// A weight; `None` above [`Weight::MAX`].
    pub const fn new(weight: u32) -> Option<Self> {
        if weight <= Self::MAX { Some(Self(weight)) } else { None }
    }

    /// The plain number.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    /// 1, as in the Gateway API.
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;

    fn try_from(weight: u32) -> Result<Self, String> {
        Self::new(weight).ok_or_else(|| format!("weight {weight} is above 1000000, the largest"))
    }
}

/// The name of a listener, route, backend or release: 1 to 253 characters of `a-z`, `0-9`, `-`, `.`, `_` and `/`,
/// beginning and ending with a letter or digit. Cheap to clone.
///
/// The slash lets `namespace/name` of Kubernetes be one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Name> for Arc<str> {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: use 1 to 253 of a-z, 0-9, `-`, `.`, `_`, beginning and ending with a letter or digit")]
pub struct NameError(String);

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let outer = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let inner = |b: &u8| outer(b) || matches!(b, b'-' | b'.' | b'_' | b'/');
        let bytes = text.as_bytes();
        let good = bytes.len() <= 253
            && bytes.first().is_some_and(outer)
            && bytes.last().is_some_and(outer)
            && bytes.iter().all(inner);
        if good { Ok(Self(text.into())) } else { Err(NameError(text.to_owned())) }
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9]([-a-z0-9._/]{0,251}[a-z0-9])?$",
        })
    }
}

/// Which of the two versions of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The version in service.
    Stable,
    /// The candidate.
    Canary,
}

impl Side {
    /// Both, stable first.
    pub const BOTH: [Self; 2] = [Self::Stable, Self::Canary];

    /// `stable` or `canary`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Stable => Self::Canary,
            Self::Canary => Self::Stable,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A moment of wall-clock time, in milliseconds since the Unix epoch. Reads and writes as RFC 3339 in UTC.
///
/// Rollouts live through restarts, so they count in wall-clock time. A clock that goes backwards makes
/// [`Timestamp::since`] zero, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the Unix epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` until `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(time.as_millisecond()))
    }
}

/// A span of time as people write it: `30s`, `500ms`, `1m30s`, `2h`. Never negative; milliseconds are the finest step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Span {
    /// A span of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A span of seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis();
        if total == 0 {
            return f.write_str("0s");
        }
        let parts = [(3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let mut rest = total;
        for (unit, name) in parts {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

/// Why a text is not a [`Span`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write it like 500ms, 30s, 1m30s or 2h")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut millis = 0u64;
        let mut last_unit = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = match &rest[digits..digits + letters] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            if unit >= last_unit {
                return Err(wrong());
            }
            last_unit = unit;
            millis = number.checked_mul(unit).and_then(|n| n.checked_add(millis)).ok_or_else(wrong)?;
            rest = rest[digits + letters..].trim_start();
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A span of time, such as 500ms, 30s, 1m30s or 2h.",
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        })
    }
}

#[cfg(test)]
mod tests;
