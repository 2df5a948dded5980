//! What the demo application does with its nth request at a time. Pure.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::types::Ratio;

/// Everything that decides how an application answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// What it answers when all is well.
    pub(crate) greeting: String,
    /// The version it says it is.
    pub(crate) version: String,
    /// Every answer takes up to this long, differently for each request.
    pub(crate) jitter: Duration,
    /// What is wrong with it.
    pub(crate) faults: Faults,
    /// When what it depends on is away.
    pub(crate) outage: Option<Outage>,
    /// Chooses the requests that fail, and how long each takes.
    pub(crate) seed: u64,
}

/// What is wrong with an application, from a moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Share of the requests that fail.
    pub(crate) error_rate: Ratio,
    /// Time that every answer takes on top.
    pub(crate) latency: Duration,
    /// Time after the start before which all is well.
    pub(crate) begin: Duration,
}

/// A time in which every second request fails, as when a shared database does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    /// Time after the start.
    begin: Duration,
    /// Time after the start at which it is over.
    end: Duration,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The greeting.
    Greeting,
    /// 500: the application's own fault.
    Broken,
    /// 503: what it depends on is away.
    Outage,
}

impl Faults {
    /// Faults as they are ordered on a command line: a moment without a rate or a latency breaks everything.
    pub(crate) fn ordered(error_rate: Ratio, latency: Duration, begin: Option<Duration>) -> Self {
        let all = begin.is_some() && error_rate == Ratio::ZERO && latency.is_zero();
        let error_rate = if all { Ratio::ONE } else { error_rate };
        Self { error_rate, latency, begin: begin.unwrap_or_default() }
    }
}

impl Outage {
    /// From `begin` after the start, for `lasts`.
    pub(crate) fn new(begin: Duration, lasts: Duration) -> Self {
        Self { begin, end: begin.saturating_add(lasts) }
    }

    fn covers(&self, age: Duration) -> bool {
        (self.begin..self.end).contains(&age)
    }
}

impl Behaviour {
    /// How request `number` is answered when it comes `age` after the start, and how long that takes.
    pub(crate) fn plan(&self, number: u64, age: Duration) -> (Answer, Duration) {
        let broken = age >= self.faults.begin;
        let latency = if broken { self.faults.latency } else { Duration::ZERO };
        let after = latency.saturating_add(self.jitter.mul_f64(self.chance(number, JITTER)));
        let answer = if self.outage.is_some_and(|outage| outage.covers(age)) && self.chance(number, OUTAGE) < 0.5 {
            Answer::Outage
        } else if broken && self.chance(number, FAULT) < self.faults.error_rate.fraction() {
            Answer::Broken
        } else {
            Answer::Greeting
        };
        (answer, after)
    }

    /// A number in 0..1 that belongs to the request and to what is decided by it.
    fn chance(&self, number: u64, matter: u64) -> f64 {
        let hash = xxh3_64_with_seed(&number.to_le_bytes(), self.seed ^ matter);
        // The upper 53 bits are what a fraction of one can hold.
        (hash >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Any three different numbers, so that what is decided by one says nothing about the others.
const JITTER: u64 = 0x6a69_7474_6572;
const OUTAGE: u64 = 0x6f75_7461_6765;
const FAULT: u64 = 0x6661_756c_7400;
