//! How loaded an endpoint is: peak EWMA times requests in flight.
//!
//! The estimate is that of Finagle's `PeakEwma` balancer
//! (<https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala>),
//! which linkerd and tower took over: a slower answer than the average becomes the average at once, faster ones pull it down
//! slowly, and silence lets it decay. So a slow endpoint loses its traffic with its first slow answer, and earns it back.
//!
//! Other than there, what is older than [`FORGET`] counts as no knowledge at all: an average that has decayed to nothing would
//! draw all requests at once, a cold endpoint draws one.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::endpoint::Endpoint;

/// Notes an answer that took `latency`.
pub(super) fn observe(endpoint: &Endpoint, latency: Duration, now: Duration) {
    // An answer within the clock's resolution is still an answer: a bit pattern of 0 means that there was none.
    let sample = (latency.as_secs_f32() * 1e6).max(1.0);
    let update = |bits| {
        let past = Average::from_bits(bits);
        let micros = match past {
            Some(past) if sample < past.micros => {
                let weight = past.decay(now);
                past.micros * weight + sample * (1.0 - weight)
            }
            _ => sample,
        };
        Some(Average { micros, stamp: millis(now) }.to_bits())
    };
    // The closure never declines, so this cannot fail.
    let _ = endpoint.latency.fetch_update(Relaxed, Relaxed, update);
}

/// What an answer of `endpoint` takes, as of its last one; zero before the first.
pub(super) fn average(endpoint: &Endpoint) -> Duration {
    let average = Average::from_bits(endpoint.latency.load(Relaxed));
    average.map_or(Duration::ZERO, |average| Duration::from_secs_f32(average.micros / 1e6))
}

/// The load of `endpoint`, for comparison only: its latency in microseconds, decayed until `now`, times the requests in flight
/// and the one to come.
///
/// A cold endpoint is as good as it can be while it is idle, so that it is tried, and worse than all others while its
/// first request is under way.
pub(super) fn load(endpoint: &Endpoint, now: Duration) -> f64 {
    let in_flight = f64::from(endpoint.in_flight.load(Relaxed));
    match known(endpoint, now) {
        Some(average) => f64::from(average.micros * average.decay(now)) * (in_flight + 1.0),
        None if in_flight == 0.0 => 0.0,
        None => COLD + in_flight,
    }
}

/// The moving average of an endpoint's latency, as long as it is fresh enough to be used.
pub fn latency(endpoint: &Endpoint, now: Duration) -> Option<Duration> {
    known(endpoint, now).map(|average| Duration::from_secs_f32(average.micros / 1e6))
}

fn known(endpoint: &Endpoint, now: Duration) -> Option<Average> {
    Average::from_bits(endpoint.latency.load(Relaxed)).filter(|average| !average.is_forgotten(now))
}

/// An average and when it was last touched, in one atomic word.
///
/// A float, since an integer of microseconds could not move by the ten-thousandth that one answer among many weighs.
#[derive(Clone, Copy)]
struct Average {
    micros: f32,
    /// Uptime in milliseconds, modulo 2^32: 49 days.
    stamp: u32,
}

impl Average {
    /// `None` before the first answer.
    fn from_bits(bits: u64) -> Option<Self> {
        let micros = f32::from_bits((bits >> 32) as u32);
        if micros > 0.0 { Some(Self { micros, stamp: bits as u32 }) } else { None }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.micros.to_bits()) << 32 | u64::from(self.stamp)
    }

    /// Time since the last touch. Zero where another worker was ahead of `now`.
    fn age(self, now: Duration) -> Duration {
        let millis = millis(now).wrapping_sub(self.stamp).cast_signed();
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    fn decay(self, now: Duration) -> f32 {
        (-self.age(now).as_secs_f32() / DECAY.as_secs_f32()).exp()
    }

    fn is_forgotten(self, now: Duration) -> bool {
        self.age(now) > FORGET
    }
}

fn millis(now: Duration) -> u32 {
    now.as_millis() as u32
}

/// The time in which what is known loses all but 1/e of its weight. Finagle's and linkerd's: long enough to ride out one
/// garbage collection, short enough to come back after one bad minute.
const DECAY: Duration = Duration::from_secs(10);

/// When what is known is too old to be used: less than 1% of it is left.
const FORGET: Duration = Duration::from_secs(50);

/// What a failed attempt counts as, at least: far above what a healthy endpoint takes, so that it does not attract traffic by
/// failing fast, and forgotten soon enough that it is tried again within the minute.
pub(super) const FAILURE: Duration = Duration::from_secs(1);

/// Above any load of an endpoint that has answered: an hour of latency times hundreds of requests in flight.
const COLD: f64 = 1e12;
