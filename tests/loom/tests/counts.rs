//! What a reader sees of counts that a worker is writing.
//!
//! The reader is the thread that is spawned: loom tries an order only where it sees two accesses meet, and of those before a
//! store it remembers the last one alone, which is the writer's own.
#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use weir_loom::stats::{LiveCount, LiveTally, Tally};

/// Runs `write` and `read` on the same counts in every order in which the one interrupts the other twice; there must be
/// several.
fn in_every_order<T: Default + 'static>(write: fn(&T), read: fn(&T)) {
    let orders = Arc::new(AtomicU32::new(0));
    let count = orders.clone();
    let mut model = loom::model::Builder::new();
    // All orders with more would take hours; a wrong order shows with one.
    model.preemption_bound = Some(2);
    model.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let counts = loom::sync::Arc::new(T::default());
        let reader = counts.clone();
        let reading = loom::thread::spawn(move || read(&reader));
        write(&counts);
        reading.join().unwrap();
    });
    assert!(orders.load(Ordering::Relaxed) > 10, "{orders:?}");
}

/// Never more failed clients than errors, more errors than requests, or more requests than the buckets hold.
fn check(tally: &LiveTally) {
    let tally = tally.read();
    let held: u64 = tally.buckets.iter().sum();
    assert!(tally.err_clients <= tally.errors, "{tally:?}");
    assert!(tally.errors <= tally.requests, "{tally:?}");
    assert!(tally.requests <= held, "{tally:?}");
}

#[test]
fn a_reading_never_shows_a_part_without_its_whole() {
    in_every_order(
        |tally: &LiveTally| {
            tally.record(3, true, true);
            tally.record(4, true, false);
        },
        check,
    );
}

#[test]
fn nor_while_counts_from_elsewhere_are_added() {
    in_every_order(
        |tally: &LiveTally| {
            let mut more = Tally { requests: 2, errors: 2, err_clients: 2, ..Tally::default() };
            more.buckets[0] = 2;
            tally.add(&more);
        },
        check,
    );
}

#[test]
fn a_later_reading_never_shows_less() {
    in_every_order(
        |tally: &LiveTally| tally.record(0, true, true),
        |tally| {
            let (first, second) = (tally.read(), tally.read());
            assert!(first.requests <= second.requests && first.errors <= second.errors);
            assert!(first.buckets[0] <= second.buckets[0]);
        },
    );
}

#[test]
fn a_route_never_shows_more_failures_than_requests() {
    in_every_order(
        |counts: &LiveCount| counts.record(true),
        |counts| {
            let (requests, errors) = counts.read();
            assert!(errors <= requests, "{errors} of {requests}");
        },
    );
}
