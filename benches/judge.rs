//! What judging costs: a response in the data plane, a tick of 50 routes and 19 latency bounds, a look at an unfinished tick, and a trace from memory.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use weir::analysis::trace::{Header, Reader, write_header, write_tick};
use weir::analysis::{Judge, Policy, Tick};
use weir::simulate::traffic::draw;
use weir::simulate::{Behaviour, World};
use weir::stats::{Bounds, LiveCount, LiveTally};
use weir::types::Ratio;

/// Seconds of a rollout at 25%, from half a minute before it on, of which the canary gets the share `seen`.
fn drawn(routes: usize, seen: Ratio) -> impl Iterator<Item = Tick> {
    let both = Behaviour::failing(0.002);
    let world = World { routes, ..World::of(500.0, both, both) };
    let mut rng = fastrand::Rng::with_seed(1);
    (-30..).map(move |t| {
        let (share, weight) = if t < 0 { (Ratio::ZERO, Ratio::ZERO) } else { (seen, Ratio::percent(25)) };
        Tick { weight, ..draw(&world, t, share, &Bounds::default(), &mut rng) }
    })
}

fn tick(c: &mut Criterion) {
    for (what, seen) in [("tick", Ratio::percent(25)), ("tick of another share", Ratio::percent(20))] {
        for routes in [0, 50] {
            // Always fresh ones: a few ticks that come again and again are soon a wrong share beyond every coincidence.
            let mut ticks = drawn(routes, seen);
            let mut judge = Judge::new(Policy { alpha: 1e-300, ..Policy::default() }, Bounds::default());
            for tick in ticks.by_ref().take(600) {
                judge.observe(&tick, None);
            }
            c.bench_function(&format!("{what}/{routes} routes x 19 bounds"), |b| {
                let next = || ticks.next().expect("there is always a second more");
                b.iter_batched_ref(next, |tick| black_box(judge.observe(tick, None)), BatchSize::SmallInput);
            });
        }
    }
}

fn look(c: &mut Criterion) {
    for routes in [0, 50] {
        let mut ticks = drawn(routes, Ratio::percent(25));
        let mut judge = Judge::new(Policy { alpha: 1e-300, ..Policy::default() }, Bounds::default());
        for tick in ticks.by_ref().take(600) {
            judge.observe(&tick, None);
        }
        let unfinished = ticks.next().expect("there is always a second more");
        c.bench_function(&format!("convicts/{routes} routes x 19 bounds"), |b| {
            b.iter(|| black_box(judge.convicts(&unfinished)));
        });
    }
}

fn response(c: &mut Criterion) {
    let (bounds, side, route) = (Bounds::default(), LiveTally::default(), LiveCount::default());
    c.bench_function("count a response", |b| {
        b.iter(|| {
            side.record(bounds.bucket(black_box(Duration::from_millis(12))), black_box(false), false);
            route.record(black_box(false));
        });
    });
}

fn replay(c: &mut Criterion) {
    for routes in [0, 50] {
        let header = Header::default();
        let mut text = String::new();
        write_header(&mut text, &header);
        for tick in drawn(routes, Ratio::percent(25)).take(630) {
            write_tick(&mut text, &header.meta, &tick);
        }
        let mut group = c.benchmark_group(format!("replay/{routes} routes"));
        group.throughput(Throughput::Bytes(text.len() as u64)).measurement_time(Duration::from_secs(5));
        group.bench_function("read", |b| b.iter(|| read(&text, |_| {})));
        group.bench_function("read and judge", |b| {
            b.iter(|| {
                let mut judge = Judge::of_trace(&header);
                read(&text, |tick| {
                    black_box(judge.observe(tick, None));
                });
            });
        });
    }
}

fn read(text: &str, mut each: impl FnMut(&Tick)) {
    let mut reader = Reader::new(text.as_bytes()).expect("it was written above");
    let mut tick = Tick::default();
    while reader.next_tick(&mut tick).expect("it was written above") {
        each(&tick);
    }
}

criterion_group!(benches, response, tick, look, replay);
criterion_main!(benches);
