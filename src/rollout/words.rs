//! Numbers as people say them.

use std::time::Duration;

use crate::stats::{Bounds, Tally};

/// `1,204`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `1,204 requests`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A rate with the digits that matter: `22%`, `2.4%`, `0.3%`, `0.004%`. Never 0% or 100% for what is neither, and 0% for
/// nothing of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    if part >= whole {
        return "100%".to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    match percent {
        99.5.. => "over 99%".to_owned(),
        9.95.. => format!("{percent:.0}%"),
        0.95.. => trimmed(format!("{percent:.1}")),
        // One digit that is not zero.
        _ => format!("{percent:.*}%", (-percent.log10()).ceil().max(1.0) as usize),
    }
}

fn trimmed(number: String) -> String {
    format!("{}%", number.strip_suffix(".0").unwrap_or(&number))
}

/// `9 of 41 requests (22%)`, `none of 780 requests`, `no request yet`.
pub(super) fn part(part: u64, whole: u64, noun: &str) -> String {
    match (part, whole) {
        (_, 0) => format!("none of 0 {noun}s"),
        (0, 1) => format!("not its one {noun}"),
        (0, _) => format!("none of {}", counted(whole, noun)),
        _ => format!("{} of {} ({})", count(part), counted(whole, noun), percent(part, whole)),
    }
}

/// The same without the noun, for the second half of a comparison.
pub(super) fn part_again(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) => format!("none of {}", count(whole)),
        _ => format!("{} of {} ({})", count(part), count(whole), percent(part, whole)),
    }
}

/// What a logarithm of evidence means: how many releases it takes, on average, until chance alone brings about as much.
/// Rounded down to one digit that is not zero, so that `fewer than 1 in N` stays true; `None` below 1 in 2.
pub(super) fn one_in(log: f64) -> Option<String> {
    // The nudge keeps ln(100) at 100 whatever the last bit.
    let number = (log.min(LARGEST_LOG) + 1e-9).exp();
    if log.is_nan() || number < 2.0 {
        return None;
    }
    let digit = 10f64.powf(number.log10().floor());
    Some(count(((number / digit).floor() * digit) as u64))
}

/// A time as one says it from memory: `about 15 minutes`.
pub(super) fn about(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (number, unit) = match seconds {
        ..1.5 => return "about a second".to_owned(),
        ..90.0 => (seconds, "second"),
        ..5400.0 => (seconds / 60.0, "minute"),
        ..129_600.0 => (seconds / 3600.0, "hour"),
        _ => (seconds / 86_400.0, "day"),
    };
    format!("about {}", counted(number.round() as u64, unit))
}

/// `4 requests a second`; below one, `a request about every 20 seconds`.
pub(super) fn rate_of(rate: f64) -> String {
    if rate >= 0.75 {
        return format!("{} a second", counted(rate.round() as u64, "request"));
    }
    let every = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
    format!("a request {}", each(every))
}

/// `about every 2 minutes`.
pub(super) fn each(time: Duration) -> String {
    about(time).replacen("about", "about every", 1)
}

/// How many of `tally` took longer than `millis`, exactly; `None` when that is none of the bounds.
pub(super) fn slower_than(tally: &Tally, bounds: &Bounds, millis: u32) -> Option<u64> {
    let index = bounds.as_millis().iter().position(|&bound| bound == millis)?;
    Some(tally.buckets[index + 1..].iter().sum())
}

/// Beyond a billion nobody counts.
const LARGEST_LOG: f64 = 20.723_265_836_946_41;
