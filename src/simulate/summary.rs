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
    /// What `hurt` and `times_least` are made of, for sums over several situations.
    #[serde(skip)]
    pub each: Each,
}

/// A value for each rollout.
#[derive(Clone, Debug, Default)]
pub struct Each {
    hurt: Vec<f64>,
    times_least: Vec<f64>,
}

/// What the rollouts of all bad situations by one judge add up to; each rollout counts as much as every other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfBad {
    /// Who decided.
    pub judge: &'static str,
    /// Situations.
    pub situations: usize,
    /// As [`Summary::hurt`].
    pub hurt: Spread,
    /// As [`Summary::times_least`].
    pub times_least: Option<Spread>,
}

impl OfBad {
    /// For each judge of `summaries` the sum over its bad situations; nothing of less than two.
    pub fn all(summaries: &[Summary]) -> Vec<Self> {
        let mut judges: Vec<&'static str> = Vec::new();
        for summary in summaries {
            if !judges.contains(&summary.judge) {
                judges.push(summary.judge);
            }
        }
        let of = |judge: &'static str| {
            let bad = || summaries.iter().filter(move |summary| summary.judge == judge && summary.truth == Truth::Bad);
            let spread = |values: fn(&Each) -> &Vec<f64>| Spread::of(bad().flat_map(|one| values(&one.each)).copied());
            let (hurt, times_least) = (spread(|each| &each.hurt)?, spread(|each| &each.times_least));
            Some(Self { judge, situations: bad().count(), hurt, times_least })
        };
        judges.into_iter().filter_map(of).filter(|sum| sum.situations > 1).collect()
    }
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
    /// The mean.
    pub mean: f64,
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
        let over = |values: &[f64]| Spread::of(values.iter().copied()).unwrap_or(Spread::NONE);
        let decided = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Inconclusive);
        let convicted = outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Fail && outcome.wald > 0.0 && truth == Truth::Bad);
        let each = Each {
            hurt: outcomes.iter().map(|outcome| outcome.hurt).collect(),
            times_least: convicted.map(|outcome| outcome.wald).collect(),
        };
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
            canary_requests: over(&outcomes.iter().map(|outcome| outcome.canary as f64).collect::<Vec<_>>()),
            hurt: over(&each.hurt),
            times_least: Spread::of(each.times_least.iter().copied()),
            each,
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
    const NONE: Self = Self { mean: 0.0, median: 0.0, p95: 0.0 };

    /// Of any values; `None` of none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |q: f64| values[(q * last as f64).ceil() as usize];
        Some(Self { mean: values.iter().sum::<f64>() / values.len() as f64, median: at(0.5), p95: at(0.95) })
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
        assert_eq!((spread.mean, spread.median, spread.p95), (50.5, 51.0, 96.0));
        assert_eq!(Spread::of(std::iter::once(7.0)), Some(Spread { mean: 7.0, median: 7.0, p95: 7.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn all_bad_situations_are_summed_up_by_judge() {
        let outcome = |hurt, verdict| Outcome { verdict, t: 9, culprit: None, canary: 5, hurt, wald: hurt, log_e: 0.0 };
        let [one, two, late] = [(1.0, Verdict::Fail), (3.0, Verdict::Fail), (50.0, Verdict::Inconclusive)]
            .map(|(hurt, verdict)| outcome(hurt, verdict));
        let summary = |name, truth, judge, outcomes: &[Outcome]| Summary::of(name, truth, judge, outcomes);
        let bad = |name, judge, outcomes: &[Outcome]| summary(name, Truth::Bad, judge, outcomes);
        let good = summary("c", Truth::Good, "weir", &[outcome(900.0, Verdict::Fail)]);
        let summaries =
            [bad("a", "weir", &[one, two.clone()]), bad("b", "weir", &[late]), good, bad("a", "Argo", &[two])];
        let sums = OfBad::all(&summaries);
        let [weir] = sums.as_slice() else { panic!("one situation is no sum: {sums:?}") };
        assert_eq!((weir.judge, weir.situations, weir.hurt.median), ("weir", 2, 3.0));
        assert_eq!(weir.times_least.map(|spread| (spread.mean, spread.p95)), Some((2.0, 3.0)), "of those aborted");
    }

    #[test]
    fn what_is_wrong_depends_on_the_truth() {
        let outcome = |verdict| Outcome { verdict, t: 9, culprit: None, canary: 5, hurt: 1.0, wald: 2.0, log_e: 0.0 };
        let outcomes = [Verdict::Pass, Verdict::Fail, Verdict::Fail, Verdict::Inconclusive].map(outcome);
        let wrong = |truth| Summary::of("x", truth, "weir", &outcomes).wrong.seen;
        assert_eq!((wrong(Truth::Good), wrong(Truth::Bad), wrong(Truth::Undecidable)), (0.5, 0.25, 0.75));
        let bad = Summary::of("x", Truth::Bad, "weir", &outcomes);
        assert_eq!((bad.promoted, bad.aborted, bad.undecided), (1, 2, 1));
        assert_eq!(bad.decided_after, Some(Spread { mean: 10.0, median: 10.0, p95: 10.0 }));
        assert_eq!(bad.times_least, Some(Spread { mean: 2.0, median: 2.0, p95: 2.0 }));
    }
}
