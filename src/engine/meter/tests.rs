use proptest::prelude::*;

use super::*;
use crate::analysis::trace::{Header, Meta, parse, write_header, write_tick};
use crate::engine::tests::START;
use crate::stats::BUCKETS;
use std::time::Duration;

const HALF: Ratio = Ratio::percent(50);

/// Counters in the middle of things: a bucket is written first, then the request, then the error, then the client.
#[derive(Clone, Debug, Default)]
struct Counters {
    tally: Tally,
    /// Exchanges that are counted in part: bucket, how far, whether it failed.
    open: Vec<(usize, u8, bool)>,
}

impl Counters {
    fn begin(&mut self, bucket: usize, failed: bool) {
        self.tally.buckets[bucket] += 1;
        self.open.push((bucket, 0, failed));
    }

    /// Each open exchange is written a little further.
    fn go_on(&mut self) {
        for (_, stage, failed) in &mut self.open {
            *stage += 1;
            match stage {
                1 => self.tally.requests += 1,
                2 if *failed => self.tally.errors += 1,
                3 if *failed => self.tally.err_clients += 1,
                _ => {}
            }
        }
        self.open.retain(|(_, stage, _)| *stage < 4);
    }
}

fn reading(stable: Tally, canary: Tally) -> Reading {
    Reading { sides: (stable, canary), ..Reading::default() }
}

fn fits(tally: &Tally, routing: Routing) {
    assert!(tally.errors <= tally.requests && tally.err_clients <= tally.requests, "{tally:?}");
    assert_eq!(tally.buckets.iter().sum::<u64>(), tally.requests);
    assert!(routing == Routing::Sticky || tally.err_clients == 0);
}

proptest! {
    #[test]
    fn every_tick_fits_together_survives_the_trace_and_nothing_is_lost(
        events in proptest::collection::vec((0..20usize, any::<bool>(), 0..3u8), 0..120),
        sticky in any::<bool>(),
    ) {
        let routing = if sticky { Routing::Sticky } else { Routing::Request };
        let header = Header { meta: Meta { routing, start: START.as_secs(), ..Meta::default() }, ..Header::default() };
        let (mut stable, mut canary) = (Counters::default(), Counters::default());
        let mut meter = Meter::new(Default::default(), START, None);
        let mut now = START;
        let (mut text, mut ticks) = (String::new(), Vec::new());
        write_header(&mut text, &header);
        let mut look = |meter: &mut Meter, stable: &Counters, canary: &Counters, now| {
            let tick = meter.tick(&reading(stable.tally, canary.tally), START, HALF, routing);
            fits(&tick.stable, routing);
            fits(&tick.canary, routing);
            meter.close(&tick, now);
            write_tick(&mut text, &header.meta, &tick);
            ticks.push(tick);
        };
        for (bucket, failed, what) in events {
            match what {
                0 => stable.begin(bucket, failed),
                1 => canary.begin(bucket, failed),
                _ => {
                    now = now + Duration::from_millis(1000);
                    look(&mut meter, &stable, &canary, now);
                }
            }
            stable.go_on();
            canary.go_on();
        }
        // An error whose request was taken without it waits for the next request.
        for _ in 0..4 {
            stable.begin(0, false);
            stable.go_on();
        }
        (0..4).for_each(|_| stable.go_on());
        look(&mut meter, &stable, &canary, now);
        let mut sum = Tally::default();
        ticks.iter().for_each(|tick| sum += &tick.stable);
        let clients = if sticky { stable.tally.err_clients } else { 0 };
        prop_assert_eq!(sum, Tally { err_clients: clients, ..stable.tally });
        ticks.retain(|tick| tick.stable.requests > 0 || tick.canary.requests > 0);
        prop_assert_eq!(parse(&text).unwrap().ticks, ticks);
    }

    #[test]
    fn seconds_never_fall_and_repeat_only_at_another_weight(
        looks in proptest::collection::vec((-5000..5000i64, any::<bool>()), 1..50),
    ) {
        let mut meter = Meter::new(Default::default(), START, None);
        let mut before: Option<(i64, Ratio)> = None;
        let mut counters = Counters::default();
        let mut now = START;
        for (millis, half) in looks {
            counters.begin(3, false);
            counters.go_on();
            let weight = if half { HALF } else { Ratio::ONE };
            let tick = meter.tick(&reading(counters.tally, Tally::default()), START, weight, Routing::Request);
            if let Some((t, other)) = before {
                prop_assert!(tick.t > t || (tick.t == t && weight != other), "{} after {t}", tick.t);
            }
            before = Some((tick.t, weight));
            now = Timestamp::from_millis(now.as_millis() + millis);
            meter.close(&tick, now);
        }
    }
}

#[test]
fn a_tick_is_named_after_the_second_it_began_in() {
    let mut meter = Meter::new(Default::default(), START, None);
    let mut tally = Tally::default();
    for second in 0..5 {
        (tally.requests, tally.buckets[0]) = (tally.requests + 1, tally.buckets[0] + 1);
        let tick = meter.tick(&reading(tally, Tally::default()), START, HALF, Routing::Request);
        assert_eq!((tick.t, tick.stable.requests), (second, 1));
        // Timers are late, never early.
        meter.close(&tick, START + Duration::from_millis(second as u64 * 1000 + 1003));
    }
    assert_eq!(tally.buckets.len(), BUCKETS);
}

#[test]
fn routes_are_counted_apart_and_nothing_of_them_is_lost() {
    let route = |name: &str, stable, canary| RouteTally { route: name.into(), stable, canary };
    let mut meter = Meter::new(Reading { routes: vec![route("a", (5, 1), (0, 0))], ..Reading::default() }, START, None);
    let mut sum = Vec::new();
    // The error of "a" is seen before its request; "b" joins later.
    for routes in [
        vec![route("a", (5, 2), (1, 0))],
        vec![route("a", (7, 2), (1, 1)), route("b", (3, 0), (0, 0))],
        vec![route("a", (7, 2), (2, 1)), route("b", (4, 1), (1, 1))],
    ] {
        let tick = meter.tick(&Reading { routes, ..Reading::default() }, START, HALF, Routing::Request);
        assert!(tick.routes.iter().all(|route| route.stable.1 <= route.stable.0 && route.canary.1 <= route.canary.0));
        sum.extend(tick.routes.clone());
        meter.close(&tick, START);
    }
    let total = |name: &str| {
        let of = sum.iter().filter(|route| &*route.route == name);
        of.fold(((0, 0), (0, 0)), |(s, c), route| {
            ((s.0 + route.stable.0, s.1 + route.stable.1), (c.0 + route.canary.0, c.1 + route.canary.1))
        })
    };
    assert_eq!(total("a"), ((2, 1), (2, 1)));
    assert_eq!(total("b"), ((4, 1), (1, 1)));
}
