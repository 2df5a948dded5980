use proptest::prelude::*;

use super::*;

fn ppm(ppm: u32) -> Ratio {
    Ratio::from_ppm(ppm).unwrap()
}

#[test]
fn the_hash_is_xxh3() {
    // XXH3_64bits of the empty input, from the reference implementation.
    assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
}

#[test]
fn points_never_move() {
    // An interface: clients lose their side when one of these changes.
    let points = [
        ("user-1", "shop/v1/v2"),
        ("user-2", "shop/v1/v2"),
        ("user-1", "shop/v2/v3"),
        ("", ""),
        ("203.0.113.7", "api"),
    ];
    let points = points.map(|(key, rollout)| Point::of(key.as_bytes(), rollout).0);
    assert_eq!(
        points,
        [2210262396608974145, 2187367809313306997, 3967718305550091737, 14144645293874801883, 5949910577204147438]
    );
    let key: ClientKey = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
    assert_eq!(key.point("shop/v1/v2").0, 9_824_794_408_735_687_823);
}

#[test]
fn long_keys_are_hashed_like_short_ones() {
    for len in [STACK - 5, STACK - 4, STACK - 3, STACK, 5_000] {
        let key = vec![b'k'; len];
        let whole = [&key[..], b"\0abc"].concat();
        assert_eq!(Point::of(&key, "abc").0, xxh3_64(&whole), "{len}");
    }
}

#[test]
fn nobody_is_within_nothing_and_everybody_within_everything() {
    for point in [0, 1, u64::MAX / 2, u64::MAX].map(Point) {
        assert!(!point.is_within(Ratio::ZERO));
        assert!(point.is_within(Ratio::ONE));
    }
    assert!(Point(0).is_within(ppm(1)));
    assert!(!Point(u64::MAX).is_within(ppm(999_999)));
}

#[test]
fn a_share_of_the_clients_is_within_the_share() {
    for share in [10_000, 50_000, 330_000] {
        let n = 100_000;
        let within = (0..n).filter(|n| Point::of(format!("user-{n}").as_bytes(), "shop").is_within(ppm(share))).count();
        let p = ppm(share).fraction();
        let deviation = (within as f64 - p * f64::from(n)) / (p * (1.0 - p) * f64::from(n)).sqrt();
        assert!(deviation.abs() < 4.5, "{within} of {n} at {share} ppm");
    }
}

#[test]
fn another_rollout_asks_other_clients_first() {
    let first = |rollout: &str| {
        (0..1_000)
            .filter(|n| Point::of(format!("{n}").as_bytes(), rollout).is_within(Ratio::percent(10)))
            .collect::<Vec<_>>()
    };
    let (one, two) = (first("v1"), first("v2"));
    let both = one.iter().filter(|n| two.contains(n)).count();
    assert!(both < 30, "{both} of about 100 are in both, 10 by chance");
}

#[test]
fn keys_are_written_as_32_digits_and_nothing_else_is_one() {
    assert_eq!(ClientKey(0xab).to_string(), "000000000000000000000000000000ab");
    for text in [
        "",
        "ab",
        "+00000000000000000000000000000ab",
        "000000000000000000000000000000AB",
        "zz000000000000000000000000000000",
    ] {
        assert_eq!(text.parse::<ClientKey>(), Err(ClientKeyError), "{text}");
    }
}

#[test]
fn a_side_without_a_share_still_gets_some_key() {
    let mut rng = fastrand::Rng::with_seed(3);
    assert!(!draw_key("r", Ratio::ZERO, Side::Canary, &mut rng).point("r").is_within(Ratio::ZERO));
    assert!(draw_key("r", Ratio::ONE, Side::Stable, &mut rng).point("r").is_within(Ratio::ONE));
}

#[test]
fn drawn_keys_are_spread_over_their_side() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut tenths = [0u32; 10];
    for _ in 0..10_000 {
        let point = draw_key("r", Ratio::percent(20), Side::Canary, &mut rng).point("r");
        let within = (1..=10).find(|tenth| point.is_within(Ratio::percent(2 * tenth))).unwrap();
        tenths[within as usize - 1] += 1;
    }
    let chi: f64 = tenths.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi < 27.9, "9 degrees of freedom, p = 0.001: {tenths:?}");
}

#[test]
fn a_canary_client_of_one_rollout_is_nobody_special_in_the_next() {
    let mut rng = fastrand::Rng::with_seed(5);
    let share = Ratio::percent(10);
    let again =
        (0..10_000).filter(|_| draw_key("a", share, Side::Canary, &mut rng).point("b").is_within(share)).count();
    assert!((870..1_130).contains(&again), "{again} of 10,000");
}

proptest! {
    #[test]
    fn who_is_within_a_share_is_within_every_larger_one(key: Vec<u8>, rollout: String, a in 0..=Ratio::PARTS, b in 0..=Ratio::PARTS) {
        let point = Point::of(&key, &rollout);
        prop_assert!(!point.is_within(ppm(a.min(b))) || point.is_within(ppm(a.max(b))));
    }

    #[test]
    fn the_edge_of_a_share_is_exact(share in 1..=Ratio::PARTS) {
        let bound = (u128::from(share) << 64).div_ceil(u128::from(Ratio::PARTS));
        prop_assert!(Point((bound - 1) as u64).is_within(ppm(share)));
        if let Ok(bound) = u64::try_from(bound) {
            prop_assert!(!Point(bound).is_within(ppm(share)));
        }
    }

    #[test]
    fn a_drawn_key_falls_on_its_side(share in 1..Ratio::PARTS, rollout: String, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let canary = draw_key(&rollout, ppm(share), Side::Canary, &mut rng);
        let stable = draw_key(&rollout, ppm(share), Side::Stable, &mut rng);
        prop_assert!(canary.point(&rollout).is_within(ppm(share)));
        prop_assert!(!stable.point(&rollout).is_within(ppm(share)));
    }

    #[test]
    fn a_key_survives_its_cookie(bits: u128) {
        let key = ClientKey(bits);
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }
}
