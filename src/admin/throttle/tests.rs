use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn exhausted(now: Duration) -> Throttle {
    let mut throttle = Throttle::default();
    for _ in 0..10 {
        assert!(!throttle.must_wait(PEER, now));
        throttle.wrong(PEER, now);
    }
    throttle
}

#[test]
fn ten_wrong_tokens_are_answered_and_the_eleventh_waits() {
    let throttle = exhausted(Duration::ZERO);
    assert!(throttle.must_wait(PEER, Duration::ZERO));
}

#[test]
fn one_more_is_answered_every_two_seconds() {
    let mut throttle = exhausted(Duration::ZERO);
    assert!(throttle.must_wait(PEER, Duration::from_millis(1999)));
    assert!(!throttle.must_wait(PEER, Duration::from_secs(2)));
    throttle.wrong(PEER, Duration::from_secs(2));
    assert!(throttle.must_wait(PEER, Duration::from_secs(2)));
}

#[test]
fn addresses_do_not_wait_for_each_other() {
    let throttle = exhausted(Duration::ZERO);
    assert!(!throttle.must_wait("192.0.2.2".parse().unwrap(), Duration::ZERO));
}

#[test]
fn memory_is_bounded_whoever_asks() {
    let mut throttle = Throttle::default();
    for n in 0..20_000u32 {
        throttle.wrong(IpAddr::from(n.to_be_bytes()), Duration::ZERO);
    }
    assert!(throttle.0.len() <= MOST_PEERS);
}
