//! Exact: the share that was asked for is the share that is sent.

use std::collections::HashMap;

use super::app::App;
use super::client::Client;
use super::weir::Weir;
use super::{QUICK, shop};

/// Sends `count` requests over one connection (so to one worker) and counts the canary's answers.
async fn canary_answers(client: &mut Client, count: usize) -> usize {
    let mut canary = 0;
    for _ in 0..count {
        canary += usize::from(client.get("/").await.text() == "v2");
    }
    canary
}

async fn paused_at(weight: &str) -> (App, App, Weir) {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
    let reply = weir.post("/releases/shop/weight", Some(serde_json::json!({ "weight": weight }))).await;
    assert!(reply.contains(weight), "{reply}");
    (stable, canary, weir)
}

#[tokio::test]
async fn ten_thousand_requests_are_shared_within_one_of_the_weight() {
    for (weight, expected) in [("0.5%", 50), ("5%", 500), ("33%", 3300)] {
        let (_stable, _canary, weir) = paused_at(weight).await;
        let canary = canary_answers(&mut weir.client().await, 10_000).await;
        assert!(canary.abs_diff(expected) <= 1, "{weight}: {canary} of 10000");
    }
}

#[tokio::test]
async fn weight_zero_and_one_hundred_leave_nothing_to_chance() {
    let (_stable, canary, weir) = paused_at("0%").await;
    let before = canary.requests();
    canary_answers(&mut weir.client().await, 500).await;
    assert_eq!(canary.requests(), before);
    weir.post("/releases/shop/weight", Some(serde_json::json!({ "weight": "100%" }))).await;
    assert_eq!(canary_answers(&mut weir.client().await, 500).await, 500);
}

#[tokio::test]
async fn a_user_who_saw_the_canary_stays_there_while_the_weight_rises() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let config = shop(&stable, &canary, 1, &format!("{QUICK}\naffinity: {{ header: x-user }}"));
    let weir = Weir::start(&config).await;
    let mut client = weir.client().await;
    let mut sides = HashMap::<u32, bool>::new();
    let mut shares = Vec::new();
    for weight in ["5%", "20%", "60%"] {
        weir.post("/releases/shop/weight", Some(serde_json::json!({ "weight": weight }))).await;
        for user in 0..1000 {
            let on_canary = client.get_with("/", &[("x-user", &user.to_string())]).await.text() == "v2";
            let before = sides.insert(user, on_canary);
            assert!(on_canary || before != Some(true), "user {user} left the canary at {weight}");
        }
        shares.push(sides.values().filter(|canary| **canary).count());
    }
    // The hash is a coin for each user: 5 standard deviations of the binomial.
    for (count, expected) in shares.iter().zip([50.0_f64, 200.0, 600.0]) {
        let deviation = (expected * (1.0 - expected / 1000.0)).sqrt();
        assert!((*count as f64 - expected).abs() < 5.0 * deviation, "{shares:?}");
    }
}

#[tokio::test]
async fn users_with_cookies_are_shared_exactly_and_stay() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let config = shop(&stable, &canary, 1, &format!("{QUICK}\naffinity: {{ cookie: {{}} }}"));
    let weir = Weir::start(&config).await;
    weir.post("/releases/shop/weight", Some(serde_json::json!({ "weight": "10%" }))).await;
    let mut client = weir.client().await;
    let mut on_canary = 0;
    for _ in 0..500 {
        let first = client.get("/").await;
        let cookie = first.headers.get("set-cookie").expect("a new user gets a cookie").to_str().expect("plain text");
        let pair = cookie.split(';').next().expect("a cookie has a pair");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite"), "{cookie}");
        assert!(!cookie.contains("v1") && !cookie.contains("v2"), "a cookie must not name a backend: {cookie}");
        let second = client.get_with("/", &[("cookie", pair)]).await;
        assert_eq!(first.body, second.body, "the user moved with {cookie}");
        on_canary += usize::from(first.text() == "v2");
    }
    assert!(on_canary.abs_diff(50) <= 1, "{on_canary} of 500 users at 10%");
}
