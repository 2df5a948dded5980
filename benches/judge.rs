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

fn ticks(routes: usize, count: i64) -> Vec<Tick> {
    let both = Behaviour::failing(0.002);
    let world = World { routes, ..World::of(500.0, both, both) };
    let mut rng = fastrand::Rng::with_seed(1);
    let weight = |t: i64| if t < 0 { Ratio::ZERO } else { Ratio::percent(25) };
    (-30..count).map(|t| draw(&world, t, weight(t), &Bounds::default(), &mut rng)).collect()
}

fn tick(c: &mut Criterion) {
    for routes in [0, 50] {
        let ticks = ticks(routes, 600);
        let mut judge = Judge::new(Policy { alpha: 1e-300, ..Policy::default() }, Bounds::default());
        for tick in &ticks {
            judge.observe(tick, None);
        }
        let mut t = 600;
        // Those of before the rollout have no canary: shared like this they would be a wrong share.
        let mut next = ticks.iter().filter(|tick| tick.t >= 0).cycle();
        c.bench_function(&format!("tick/{routes} routes x 19 bounds"), |b| {
            b.iter_batched(
                || {
                    t += 1;
                    Tick { t, weight: Ratio::percent(25), ..next.next().expect("a cycle has no end").clone() }
                },
                |tick| black_box(judge.observe(&tick, None)),
                BatchSize::SmallInput,
            );
        });
        c.bench_function(&format!("convicts/{routes} routes x 19 bounds"), |b| {
            b.iter(|| black_box(judge.convicts(&ticks[600])));
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
        for tick in ticks(routes, 600) {
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

criterion_group!(benches, response, tick, replay);
criterion_main!(benches);
