use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::from_secs(100);

fn endpoints(n: u64) -> Vec<Arc<Endpoint>> {
    (0..n).map(|id| Arc::new(Endpoint::new(id, ([127, 0, 0, 1], 80).into(), "h:80"))).collect()
}

/// How often each endpoint is picked in `n` picks.
fn shares(balancer: Balancer, endpoints: &[Arc<Endpoint>], now: Duration, avoid: &[u64], n: usize) -> Vec<usize> {
    let (cursor, mut rng) = (AtomicUsize::new(0), fastrand::Rng::with_seed(3));
    let mut counts = vec![0; endpoints.len()];
    for _ in 0..n {
        if let Some(endpoint) = pick(balancer, endpoints, &cursor, now, avoid, &mut rng) {
            counts[endpoint.id as usize] += 1;
        }
    }
    counts
}

fn answer(endpoint: &Arc<Endpoint>, latency: Duration, now: Duration) {
    InFlight::begin(endpoint.clone(), now.saturating_sub(latency)).answered(now);
}

fn eject(endpoint: &Endpoint, until: Duration) {
    endpoint.ejection.until.store(until.as_nanos() as u64, Relaxed);
}

#[test]
fn no_endpoints_give_none() {
    for balancer in [Balancer::LeastLatency, Balancer::RoundRobin] {
        assert!(pick(balancer, &[], &AtomicUsize::new(0), NOW, &[], &mut fastrand::Rng::with_seed(1)).is_none());
    }
}

#[test]
fn round_robin_takes_one_after_the_other() {
    assert_eq!(shares(Balancer::RoundRobin, &endpoints(3), NOW, &[], 300), [100, 100, 100]);
    let cursor = AtomicUsize::new(usize::MAX);
    let three = endpoints(3);
    assert!(pick(Balancer::RoundRobin, &three, &cursor, NOW, &[], &mut fastrand::Rng::with_seed(1)).is_some());
}

#[test]
fn equal_endpoints_get_equal_shares() {
    let all = endpoints(4);
    for endpoint in &all {
        answer(endpoint, Duration::from_millis(10), NOW);
    }
    for count in shares(Balancer::LeastLatency, &all, NOW, &[], 8_000) {
        assert!((1_800..2_200).contains(&count), "{count} of 8,000 among 4");
    }
}

#[test]
fn a_slow_endpoint_gets_less_and_a_loaded_one_too() {
    let all = endpoints(2);
    answer(&all[0], Duration::from_millis(10), NOW);
    answer(&all[1], Duration::from_millis(30), NOW);
    assert_eq!(shares(Balancer::LeastLatency, &all, NOW, &[], 100), [100, 0]);
    let _busy: Vec<_> = (0..3).map(|_| InFlight::begin(all[0].clone(), NOW)).collect();
    assert_eq!(shares(Balancer::LeastLatency, &all, NOW, &[], 100), [0, 100], "3 + 1 times 10 ms is more than 30 ms");
}

#[test]
fn one_slow_answer_counts_at_once_and_fast_ones_little_by_little() {
    let all = endpoints(2);
    for endpoint in &all {
        answer(endpoint, Duration::from_millis(10), NOW);
    }
    answer(&all[0], Duration::from_millis(500), NOW);
    let later = NOW + Duration::from_secs(1);
    for endpoint in &all {
        answer(endpoint, Duration::from_millis(10), later);
    }
    assert_eq!(shares(Balancer::LeastLatency, &all, later, &[], 100), [0, 100]);
    let loads = |now| [latency::load(&all[0], now), latency::load(&all[1], now)];
    let [slow, _] = loads(later);
    assert!((400_000.0..500_000.0).contains(&slow), "{slow} microseconds");
}

#[test]
fn what_is_known_decays_in_ten_seconds_and_is_forgotten_in_fifty() {
    let all = endpoints(1);
    answer(&all[0], Duration::from_millis(100), NOW);
    let load = |secs| latency::load(&all[0], NOW + Duration::from_secs(secs));
    assert!((load(10) / load(0) - (-1.0f64).exp()).abs() < 1e-3);
    let _busy = InFlight::begin(all[0].clone(), NOW);
    assert!(load(50) < 100_000.0);
    assert!(load(51) > 1e11, "cold, and busy");
}

#[test]
fn the_latency_is_shown_while_it_is_used() {
    let all = endpoints(1);
    let shown = |secs| latency(&all[0], NOW + Duration::from_secs(secs)).map(|shown| shown.as_millis());
    assert_eq!(shown(0), None, "nothing has answered");
    answer(&all[0], Duration::from_millis(100), NOW);
    assert_eq!((shown(0), shown(50), shown(51)), (Some(100), Some(100), None));
}

#[test]
fn a_cold_endpoint_is_tried_by_one_request() {
    let all = endpoints(2);
    answer(&all[0], Duration::from_millis(10), NOW);
    let (cursor, mut rng) = (AtomicUsize::new(0), fastrand::Rng::with_seed(1));
    let mut take = || pick(Balancer::LeastLatency, &all, &cursor, NOW, &[], &mut rng).unwrap().id;
    assert_eq!(take(), 1);
    let mut first = InFlight::begin(all[1].clone(), NOW);
    assert_eq!((0..100).map(|_| take()).max(), Some(0), "until it has answered");
    first.answered(NOW + Duration::from_millis(1));
    drop(first);
    assert_eq!(take(), 1, "it is the faster one");
}

#[test]
fn failing_fast_attracts_no_traffic() {
    let all = endpoints(2);
    answer(&all[0], Duration::from_millis(50), NOW);
    InFlight::begin(all[1].clone(), NOW).failed(NOW);
    assert_eq!(shares(Balancer::LeastLatency, &all, NOW, &[], 100), [100, 0]);
}

#[test]
fn only_the_first_word_on_an_attempt_counts() {
    let all = endpoints(1);
    let mut attempt = InFlight::begin(all[0].clone(), NOW);
    attempt.answered(NOW + Duration::from_millis(10));
    let before = all[0].latency.load(Relaxed);
    attempt.failed(NOW + Duration::from_secs(60));
    assert_eq!(all[0].latency.load(Relaxed), before);
}

#[test]
fn a_request_is_in_flight_until_its_guard_is_dropped() {
    let all = endpoints(1);
    let guards: Vec<_> = (0..5).map(|_| InFlight::begin(all[0].clone(), NOW)).collect();
    assert_eq!(all[0].in_flight.load(Relaxed), 5);
    drop(guards);
    assert_eq!(all[0].in_flight.load(Relaxed), 0);
    assert_eq!(all[0].latency.load(Relaxed), 0, "a cancelled request says nothing of the latency");
}

#[test]
fn many_fast_answers_bring_a_peak_down() {
    let all = endpoints(1);
    answer(&all[0], Duration::from_millis(1_000), NOW);
    // 1,000 a second for 30 s: each moves the average by a ten-thousandth.
    for millis in 1..=30_000 {
        answer(&all[0], Duration::from_millis(10), NOW + Duration::from_millis(millis));
    }
    let load = latency::load(&all[0], NOW + Duration::from_secs(30));
    let expected = 10_000.0 + 990_000.0 * (-3.0f64).exp();
    assert!((load / expected - 1.0).abs() < 0.02, "{load} instead of {expected}");
}

#[test]
fn an_endpoint_whose_probes_fail_gets_nothing() {
    for balancer in [Balancer::LeastLatency, Balancer::RoundRobin] {
        let all = endpoints(3);
        all[1].probed_healthy.store(false, Relaxed);
        let counts = shares(balancer, &all, NOW, &[], 300);
        assert_eq!(counts[1], 0);
        assert!(counts[0] > 50 && counts[2] > 50, "{counts:?}");
        all.iter().for_each(|endpoint| endpoint.probed_healthy.store(false, Relaxed));
        assert_eq!(shares(balancer, &all, NOW, &[], 3), [0, 0, 0]);
    }
}

#[test]
fn ejected_endpoints_wait_unless_there_is_no_other() {
    for balancer in [Balancer::LeastLatency, Balancer::RoundRobin] {
        let all = endpoints(3);
        eject(&all[0], NOW + Duration::from_secs(1));
        eject(&all[1], NOW);
        let counts = shares(balancer, &all, NOW, &[], 300);
        assert_eq!(counts[0], 0);
        assert!(counts[1] > 50, "its time is over");
        all[1].probed_healthy.store(false, Relaxed);
        all[2].probed_healthy.store(false, Relaxed);
        assert_eq!(shares(balancer, &all, NOW, &[], 3), [3, 0, 0], "ejected, but the only one that its probes allow");
    }
}

#[test]
fn a_failed_attempts_endpoint_is_avoided_unless_it_is_the_only_one() {
    for balancer in [Balancer::LeastLatency, Balancer::RoundRobin] {
        let all = endpoints(2);
        assert_eq!(shares(balancer, &all, NOW, &[0], 10), [0, 10]);
        eject(&all[1], NOW + Duration::from_secs(1));
        assert_eq!(shares(balancer, &all, NOW, &[0], 10), [0, 10], "an ejected one may be well again");
        all[1].probed_healthy.store(false, Relaxed);
        assert_eq!(shares(balancer, &all, NOW, &[0], 10), [10, 0]);
        assert_eq!(shares(balancer, &all[..1], NOW, &[0], 10), [10]);
    }
}

proptest! {
    #[test]
    fn somebody_is_picked_whenever_probes_allow_it(
        states in prop::collection::vec((any::<bool>(), any::<bool>(), 0..2_000u64), 0..8),
        avoid in prop::option::of(0..8u64),
        cursor: usize,
        seed: u64,
        robin: bool,
    ) {
        let all = endpoints(states.len() as u64);
        for (endpoint, (healthy, ejected, millis)) in all.iter().zip(&states) {
            endpoint.probed_healthy.store(*healthy, Relaxed);
            if *ejected {
                eject(endpoint, NOW + Duration::from_secs(1));
            }
            answer(endpoint, Duration::from_millis(*millis), NOW);
        }
        let balancer = if robin { Balancer::RoundRobin } else { Balancer::LeastLatency };
        let (cursor, mut rng) = (AtomicUsize::new(cursor), fastrand::Rng::with_seed(seed));
        let picked = pick(balancer, &all, &cursor, NOW, avoid.as_slice(), &mut rng);
        let probed = all.iter().filter(|it| it.probed_healthy.load(Relaxed)).count();
        let available = all.iter().filter(|it| is_available(it, NOW) && avoid != Some(it.id)).count();
        prop_assert_eq!(picked.is_some(), probed > 0);
        if let Some(picked) = picked {
            prop_assert!(picked.probed_healthy.load(Relaxed));
            prop_assert!(available == 0 || is_available(picked, NOW));
            prop_assert!(probed < 2 || avoid != Some(picked.id));
        }
    }
}
