//! Slows down whoever guesses tokens: a bucket of wrong ones for each address, which fills again with time. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong tokens by address.
#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<IpAddr, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Throttle {
    /// Whether `peer` has shown so many wrong tokens lately that it must wait.
    pub(super) fn must_wait(&self, peer: IpAddr, now: Duration) -> bool {
        self.0.get(&peer).is_some_and(|bucket| bucket.refilled(now) < 1.0)
    }

    /// `peer` has shown a wrong token.
    pub(super) fn wrong(&mut self, peer: IpAddr, now: Duration) {
        if self.0.len() >= MOST_PEERS && !self.0.contains_key(&peer) {
            self.make_room(now);
        }
        let bucket = self.0.entry(peer).or_insert(Bucket { left: BURST, at: now });
        *bucket = Bucket { left: (bucket.refilled(now) - 1.0).max(0.0), at: now };
    }

    /// Forgets those whose bucket is full; when nobody's is, everybody: memory is bounded, whoever asks.
    fn make_room(&mut self, now: Duration) {
        self.0.retain(|_, bucket| bucket.refilled(now) < BURST);
        if self.0.len() >= MOST_PEERS {
            self.0.clear();
        }
    }
}

impl Bucket {
    fn refilled(self, now: Duration) -> f64 {
        (self.left + now.saturating_sub(self.at).as_secs_f64() * PER_SECOND).min(BURST)
    }
}

/// Wrong tokens that are answered at once: a person who mistypes a few times notices nothing.
const BURST: f64 = 10.0;

/// Wrong tokens a second after that.
const PER_SECOND: f64 = 0.5;

/// The seconds after which one more is answered.
pub(super) const RETRY_AFTER: &str = "2";

/// Addresses that are remembered.
const MOST_PEERS: usize = 4096;

#[cfg(test)]
mod tests;
