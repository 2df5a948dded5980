//! What many simulated rollouts of one situation add up to.

use serde::Serialize;

use super::run::Outcome;
use super::scenario::Truth;
use crate::analysis::Verdict;

/// What many rollouts of one situation add up to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The situation.
    pub scenario: String,
    /// What would have been right.
    pub truth: Truth,
    /// Who decided.
    pub judge: &'static str,
    /// Rollouts.
    pub runs: usize,
    /// Promoted.
    pub promoted: usize,
    /// Aborted.
    pub aborted: usize,
    /// Neither within the time.
    pub undecided: usize,
    /// A good canary aborted, a bad one promoted, or anything decided where nothing can be known: the share, and the
    /// interval that holds the true probability with 95% confidence.
    pub wrong: Share,
    /// Seconds until a decision, over those that were decided.
    pub decided_after: Option<Spread>,
    /// Requests that the canary got.
    pub canary_requests: Spread,
    /// Users that the canary hurt: answered with a failure, or more slowly, where stable would have done better.
    pub hurt: Spread,
    /// How many times the information was seen that convicts at the least (Wald), over bad canaries that were aborted.
    pub times_least: Option<Spread>,
}

/// A share and its 95% confidence interval, as fractions of one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// What was seen.
    pub seen: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Half are at most the median, 95 of 100 at most the p95.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// What one in twenty exceeds.
    pub p95: f64,
}

impl Summary {
    /// Sums up `outcomes`, of which there is at least one.
    pub fn of(scenario: &str, truth: Truth, judge: &'static str, outcomes: &[Outcome]) -> Self {
        let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
        let (promoted, aborted, undecided) = (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Inconclusive));
        let wrong = match truth {
            Truth::Good => aborted,
            Truth::Bad => promoted,
            Truth::Undecidable => promoted + aborted,
        };
        let over = |value: fn(&Outcome) -> f64| Spread::of(outcomes.iter().map(value)).unwrap_or(Spread::NONE);
        let decided = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Inconclusive);
        let convicted = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Fail && outcome.wald > 0.0);
        Self {
            scenario: scenario.to_owned(),
            truth,
            judge,
            runs: outcomes.len(),
            promoted,
            aborted,
            undecided,
            wrong: Share::of(wrong, outcomes.len()),
            decided_after: Spread::of(decided.map(|outcome| (outcome.t + 1) as f64)),
            canary_requests: over(|outcome| outcome.canary as f64),
            hurt: over(|outcome| outcome.hurt),
            times_least: Spread::of(convicted.map(|outcome| outcome.wald)).filter(|_| truth == Truth::Bad),
        }
    }
}

impl Share {
    /// `part` of `whole`, by Wilson's interval, which is good for few runs and for none that were wrong.
    pub fn of(part: usize, whole: usize) -> Self {
        let n = whole.max(1) as f64;
        let seen = part as f64 / n;
        let middle = seen + Z * Z / (2.0 * n);
        let reach = Z * (seen * (1.0 - seen) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        let (low, high) = ((middle - reach) / scale, (middle + reach) / scale);
        Self { seen, low: if part == 0 { 0.0 } else { low }, high: if part >= whole { 1.0 } else { high } }
    }
}

impl Spread {
    const NONE: Self = Self { median: 0.0, p95: 0.0 };

    /// Of any values; `None` of none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |q: f64| values.get((q * (values.len() - 1) as f64).ceil() as usize).copied();
        if values.is_empty() { None } else { Some(Self { median: at(0.5)?, p95: at(0.95)? }) }
    }
}

/// The normal quantile of 97.5%.
const Z: f64 = 1.959_963_985;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_share_and_narrow_with_more_runs() {
        let few = Share::of(1, 20);
        let many = Share::of(50, 1000);
        assert!(few.low < 0.05 && 0.05 < few.high && many.high - many.low < few.high - few.low);
        // Nothing wrong in a hundred runs: at most 3.7%, by Wilson.
        let none = Share::of(0, 100);
        assert_eq!((none.seen, none.low), (0.0, 0.0));
        assert!((none.high - 0.037).abs() < 0.001, "{none:?}");
        assert_eq!(Share::of(7, 7).high, 1.0);
    }

    #[test]
    fn a_spread_is_made_of_values_that_were_seen() {
        let spread = Spread::of((1..=100).map(f64::from)).unwrap();
        assert_eq!((spread.median, spread.p95), (51.0, 96.0));
        assert_eq!(Spread::of(std::iter::once(7.0)), Some(Spread { median: 7.0, p95: 7.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn what_is_wrong_depends_on_the_truth() {
        let outcome = |verdict| Outcome { verdict, t: 9, culprit: None, canary: 5, hurt: 1.0, wald: 2.0, log_e: 0.0 };
        let outcomes = [Verdict::Pass, Verdict::Fail, Verdict::Fail, Verdict::Inconclusive].map(outcome);
        let wrong = |truth| Summary::of("x", truth, "weir", &outcomes).wrong.seen;
        assert_eq!((wrong(Truth::Good), wrong(Truth::Bad), wrong(Truth::Undecidable)), (0.5, 0.25, 0.75));
        let bad = Summary::of("x", Truth::Bad, "weir", &outcomes);
        assert_eq!((bad.promoted, bad.aborted, bad.undecided), (1, 2, 1));
        assert_eq!(bad.decided_after, Some(Spread { median: 10.0, p95: 10.0 }));
        assert_eq!(bad.times_least, Some(Spread { median: 2.0, p95: 2.0 }));
    }
}
