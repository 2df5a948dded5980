//! Numbers as people read them.

use std::time::Duration;

use crate::types::{Span, Timestamp};

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part` of `whole` as a percentage: two decimals below 10%, one above; `-` of nothing.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    percent(part as f64 / whole as f64)
}

/// A fraction of one as a percentage, as [`share`]. What is not zero never reads as `0%`.
pub(super) fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    match percent {
        0.0 => "0%".to_owned(),
        p if p > 0.0 && p < 0.01 => "<0.01%".to_owned(),
        p if p.abs() < 9.995 => format!("{p:.2}%"),
        p => format!("{p:.1}%"),
    }
}

/// Points between two percentages, with a sign: `+0.21`, `-0.10`.
pub(super) fn points(fraction: f64) -> String {
    format!("{:+.2}", fraction * 100.0)
}

/// Requests a second: `190/s`, `9.5/s`, `0.30/s`.
pub(super) fn per_second(rate: f64) -> String {
    match rate {
        r if !r.is_finite() || r <= 0.0 => "0/s".to_owned(),
        r if r < 1.0 => format!("{r:.2}/s"),
        r if r < 10.0 => format!("{r:.1}/s"),
        r => format!("{}/s", count(r.round() as u64)),
    }
}

/// A response time: `12ms`, `1.25s`; `-` when there is none.
pub(super) fn latency(span: Option<Span>) -> String {
    let Some(Span(time)) = span else { return "-".to_owned() };
    match time.as_millis() {
        millis @ 0..1000 => format!("{millis}ms"),
        millis @ 1000..10_000 => format!("{:.2}s", millis as f64 / 1000.0),
        millis => format!("{:.1}s", millis as f64 / 1000.0),
    }
}

/// A length of time in whole seconds or more, by its two largest units: `42s`, `3m12s`, `2h05m`, `3d04h`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A natural logarithm of odds as odds: `1,340 to 1`; beyond a billion only its magnitude.
pub(super) fn odds(log: f64) -> String {
    match log {
        l if l.is_nan() || l <= 0.0 => "none".to_owned(),
        l if l > 20.7 => format!("10^{:.0} to 1", l / std::f64::consts::LN_10),
        l if l < 2.3 => format!("{:.1} to 1", l.exp()),
        l => format!("{} to 1", count(l.exp().round() as u64)),
    }
}

/// A logarithm with two decimals; `-` for what is not finite.
pub(super) fn log(log: f64) -> String {
    if log.is_finite() { format!("{log:.2}") } else { "-".to_owned() }
}

/// The time of day in UTC: `14:03:12`.
pub(super) fn clock(time: Timestamp) -> String {
    zoned(time).map_or_else(|| time.to_string(), |utc| utc.strftime("%H:%M:%S").to_string())
}

/// The day in UTC: `2026-11-21`.
pub(super) fn day(time: Timestamp) -> String {
    zoned(time).map_or_else(|| time.to_string(), |utc| utc.strftime("%Y-%m-%d").to_string())
}

fn zoned(time: Timestamp) -> Option<jiff::Zoned> {
    let instant = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
    Some(instant.to_zoned(jiff::tz::TimeZone::UTC))
}
