//! What visitors saw, counted.

use std::time::Duration;

use http::Method;

use crate::stats::{BUCKETS, Bounds};
use crate::types::Side;

/// What one visitor saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The greeting of this version.
    Greeting(Side),
    /// An error page.
    Failure,
    /// No whole answer at all, or none in time.
    NoAnswer,
}

/// What the visitors saw so far. Each visit counts once, when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Visits that got the stable and the canary version's greeting.
    pub(crate) greeted: [u64; 2],
    /// GET requests that saw an error page.
    pub(crate) failed_gets: u64,
    /// Requests of other methods that saw an error page; they are not repeated, because they may have had an effect.
    pub(crate) failed_posts: u64,
    /// Visits without a whole answer.
    pub(crate) unanswered: u64,
    /// Visits that were greeted although an attempt had failed: weir asked again, and the visitor did not notice.
    pub(crate) saved: u64,
    /// Visitors that did not come in because too many were waiting.
    pub(crate) turned_away: u64,
    latencies: [u64; BUCKETS],
}

impl Seen {
    /// Counts a visit. `attempt_failed`: an application failed an attempt of it, whatever came of the visit.
    pub(crate) fn record(&mut self, method: &Method, sight: Sight, attempt_failed: bool, took: Duration) {
        self.latencies[Bounds::default().bucket(took)] += 1;
        match sight {
            Sight::Greeting(side) => {
                self.greeted[side as usize] += 1;
                self.saved += u64::from(attempt_failed);
            }
            Sight::Failure if method == Method::GET => self.failed_gets += 1,
            Sight::Failure => self.failed_posts += 1,
            Sight::NoAnswer => self.unanswered += 1,
        }
    }

    /// Visits that ended.
    pub(crate) fn visits(&self) -> u64 {
        self.greeted.iter().sum::<u64>() + self.hurt()
    }

    /// Visits that did not end well.
    pub(crate) fn hurt(&self) -> u64 {
        self.failed_gets + self.failed_posts + self.unanswered
    }

    /// The bound that this share of the visits did not exceed, in milliseconds; `None` without visits, and when it is beyond
    /// the last bound.
    pub(crate) fn quantile(&self, share: f64) -> Option<u32> {
        let all: u64 = self.latencies.iter().sum();
        let rank = (share * all as f64).ceil() as u64;
        let mut below = 0;
        let reaches = |count: &u64| {
            below += count;
            below >= rank.max(1)
        };
        let bucket = self.latencies.iter().position(reaches)?;
        Bounds::default().as_millis().get(bucket).copied()
    }
}
