//! Requests and their durations, summed over workers (and, where the labels say so, over listeners).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;

use super::family::Family;
use super::names::{IN_FLIGHT, QUEUE_ENDED, QUEUED, REQUEST_DURATION, REQUESTS, RETRIES, UPSTREAM_DURATION};
use crate::snapshot::{Ended, Leaves, Traffic};
use crate::stats::DEFAULT_BOUNDS_MS;

/// The families of everything that [`Leaves`] counts about requests.
pub(super) fn families(leaves: &Leaves) -> Vec<MetricFamily> {
    let bounds = DEFAULT_BOUNDS_MS.map(|millis| f64::from(millis) / 1000.0);
    let mut requests = Family::new(REQUESTS);
    let mut sums = BTreeMap::<(String, String), Sums>::new();
    for (key, traffic) in leaves.all_traffic() {
        let read = Sums::read(&traffic);
        for (code, count) in CODES.iter().zip(read.classes) {
            requests.value(&[&key.listener, &key.route, &key.backend, code], count as f64);
        }
        sums.entry((key.route, key.backend)).or_default().add(&read);
    }
    let mut durations = Family::new(REQUEST_DURATION);
    let mut upstream = Family::new(UPSTREAM_DURATION);
    let mut in_flight = Family::new(IN_FLIGHT);
    let mut retries = Family::new(RETRIES);
    for ((route, backend), sum) in &sums {
        let labels = [route.as_str(), backend];
        durations.histogram(&labels, &bounds, &sum.durations, seconds(sum.duration_micros));
        in_flight.value(&labels, sum.in_flight as f64);
        if !backend.is_empty() {
            upstream.histogram(&labels, &bounds, &sum.upstream, seconds(sum.upstream_micros));
            retries.value(&labels, sum.retries as f64);
        }
    }
    let (queued, ended) = queues(leaves);
    [requests, durations, upstream, in_flight, retries, queued, ended].map(Family::finish).into()
}

/// Requests that wait, and that waited.
fn queues(leaves: &Leaves) -> (Family, Family) {
    let (mut queued, mut ended) = (Family::new(QUEUED), Family::new(QUEUE_ENDED));
    for (backend, queue) in leaves.all_queues() {
        queued.value(&[backend.as_str()], queue.waiting() as f64);
        for how in Ended::ALL {
            ended.value(&[backend.as_str(), how.label()], queue.ended(how) as f64);
        }
    }
    (queued, ended)
}

/// A [`Traffic`] summed over its workers.
#[derive(Default)]
struct Sums {
    classes: [u64; CODES.len()],
    durations: [u64; BUCKETS],
    duration_micros: u64,
    upstream: [u64; BUCKETS],
    upstream_micros: u64,
    retries: u64,
    in_flight: u64,
}

impl Sums {
    /// What finished is read before what began, so that nothing is ever in flight less than zero times.
    fn read(traffic: &Traffic) -> Self {
        let mut sums = Self::default();
        for live in traffic.iter() {
            add_all(&mut sums.classes, &live.classes);
            add_all(&mut sums.durations, &live.durations);
            add_all(&mut sums.upstream, &live.upstream);
            sums.duration_micros += live.duration_micros.load(Ordering::Relaxed);
            sums.upstream_micros += live.upstream_micros.load(Ordering::Relaxed);
            sums.retries += live.retries.load(Ordering::Relaxed);
            sums.in_flight += live.begun.load(Ordering::Relaxed);
        }
        sums.in_flight = sums.in_flight.saturating_sub(sums.classes.iter().sum());
        sums
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.durations.iter_mut().zip(&other.durations) {
            *mine += theirs;
        }
        for (mine, theirs) in self.upstream.iter_mut().zip(&other.upstream) {
            *mine += theirs;
        }
        self.duration_micros += other.duration_micros;
        self.upstream_micros += other.upstream_micros;
        self.retries += other.retries;
        self.in_flight += other.in_flight;
    }
}

/// `Acquire` pairs with the workers' [`crate::stats::bump`].
fn add_all(sums: &mut [u64], live: &[AtomicU64]) {
    for (sum, counter) in sums.iter_mut().zip(live) {
        *sum += counter.load(Ordering::Acquire);
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The values of the label `code`, in the order of [`crate::stats::LiveTraffic::classes`].
const CODES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

const BUCKETS: usize = DEFAULT_BOUNDS_MS.len() + 1;
