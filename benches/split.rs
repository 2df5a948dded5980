//! What a decision of the split costs: by request, by weights, by client.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use weir::split::{Point, SharePhase, SplitPhase, WeightedSplit, draw_key};
use weir::types::{Ratio, Side, Weight};

fn share(c: &mut Criterion) {
    let mut group = c.benchmark_group("share");
    for percent in [1, 50] {
        let (phase, mut rng) = (SharePhase::default(), fastrand::Rng::with_seed(1));
        group.bench_function(format!("{percent}%"), |b| {
            b.iter(|| phase.next(black_box(Ratio::percent(percent)), &mut rng));
        });
    }
    group.finish();
}

fn weighted(c: &mut Criterion) {
    let mut group = c.benchmark_group("weighted");
    for backends in [2u32, 4, 16] {
        let weights: Vec<Weight> = (1..=backends).filter_map(|n| Weight::new(n * 7)).collect();
        let split = WeightedSplit::new(&weights).expect("the weights are not 0");
        let (phase, mut rng) = (SplitPhase::default(), fastrand::Rng::with_seed(1));
        group.bench_function(format!("{backends} backends"), |b| b.iter(|| split.pick(black_box(&phase), &mut rng)));
    }
    group.finish();
}

fn sticky(c: &mut Criterion) {
    let mut group = c.benchmark_group("sticky");
    let (key, rollout) = ("203.0.113.195", "shop-v1/shop-v2/");
    group.bench_function("hash", |b| {
        b.iter(|| Point::of(black_box(key).as_bytes(), rollout).is_within(Ratio::percent(5)));
    });
    let mut rng = fastrand::Rng::with_seed(1);
    group.bench_function("draw a key at 0.01%", |b| {
        let share = Ratio::from_fraction(0.0001);
        b.iter(|| draw_key(black_box(rollout), share, Side::Canary, &mut rng));
    });
    group.finish();
}

criterion_group!(benches, share, weighted, sticky);
criterion_main!(benches);
