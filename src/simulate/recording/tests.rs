use super::*;

/// A minute at 100 requests a second, 3 of them failures, with a gap and a busy second; half of the time at a weight.
fn recording() -> Recording {
    let tick = |t: i64| {
        let mut stable = Tally { requests: if t == 7 { 900 } else { 100 }, errors: 3, ..Tally::default() };
        stable.buckets[2] = stable.requests - 20;
        stable.buckets[5] = 20;
        Tick { t, weight: Ratio::percent(if t < 30 { 0 } else { 50 }), stable, ..Tick::default() }
    };
    let ticks: Vec<Tick> = (0..60).filter(|t| *t != 20).map(tick).collect();
    Recording::of_trace(&ticks, Bounds::default()).unwrap()
}

#[test]
fn nothing_is_lost_and_nothing_invented() {
    let mut rng = fastrand::Rng::with_seed(1);
    for t in 0..30 {
        let (tick, hurt) = recording().deal(t, Ratio::percent(25), Fault::None, &mut rng);
        let expected = [100, 900, 0][usize::from(t == 7) + 2 * usize::from(t == 20)];
        assert_eq!(tick.stable.requests + tick.canary.requests, expected, "{t}");
        assert_eq!(tick.stable.errors + tick.canary.errors, if t == 20 { 0 } else { 3 }, "{t}");
        for side in [&tick.stable, &tick.canary] {
            assert_eq!(side.buckets.iter().sum::<u64>(), side.requests);
        }
        assert_eq!(hurt, 0);
    }
}

#[test]
fn what_the_canary_got_then_is_made_up_for() {
    let mut rng = fastrand::Rng::with_seed(2);
    let recording = recording();
    let (mut requests, mut canary) = (0, 0);
    for t in 30..60 {
        let (tick, _) = recording.deal(t, Ratio::percent(10), Fault::None, &mut rng);
        requests += tick.stable.requests + tick.canary.requests;
        canary += tick.canary.requests;
    }
    assert_eq!(requests, 30 * 200);
    assert!((450..750).contains(&canary), "{canary}");
}

#[test]
fn it_begins_anew_at_its_end_and_goes_back_before_its_beginning() {
    let recording = recording();
    let total = |t: i64| {
        let tick = recording.deal(t, Ratio::ZERO, Fault::None, &mut fastrand::Rng::with_seed(3)).0;
        tick.stable.requests
    };
    assert_eq!((total(7), total(67), total(-53)), (900, 900, 900));
    assert_eq!((total(20), total(80)), (0, 0));
}

#[test]
fn faults_hurt_the_canary_alone() {
    let mut rng = fastrand::Rng::with_seed(4);
    let half = Ratio::percent(50);
    let (failing, hurt) = recording().deal(3, half, Fault::Failing(1.0), &mut rng);
    assert_eq!(failing.canary.errors, failing.canary.requests);
    assert!(failing.stable.errors <= 3 && hurt >= failing.canary.requests - 3);
    let (slow, hurt) = recording().deal(3, half, Fault::Slower(2.0), &mut rng);
    // 15 ms become 30, which is up to 40; 60 become 120, which is up to 150.
    assert_eq!(slow.canary.buckets[4] + slow.canary.buckets[8], slow.canary.requests);
    assert_eq!(slow.stable.buckets[2] + slow.stable.buckets[5], slow.stable.requests);
    assert_eq!(hurt, slow.canary.buckets[4]);
}

#[test]
fn a_trace_without_stable_traffic_is_no_recording() {
    assert!(Recording::of_trace(&[Tick::default()], Bounds::default()).is_none());
}
