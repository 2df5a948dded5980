//! Right: promoted when good, aborted when bad, held when nothing is known.

use std::time::Duration;

use serde_json::Value;

use super::app::App;
use super::client::Visitors;
use super::weir::Weir;
use super::{QUICK, shop};

/// Two applications, weir in front and sixteen visitors.
struct Stage {
    stable: App,
    canary: App,
    weir: Weir,
    visitors: Visitors,
}

impl Stage {
    async fn set(prepare: impl FnOnce(&App, &App)) -> Self {
        let (stable, canary) = (App::start("v1").await, App::start("v2").await);
        prepare(&stable, &canary);
        let weir = Weir::start(&shop(&stable, &canary, 2, QUICK)).await;
        let visitors = Visitors::start(weir.address("web"), 16, Duration::from_millis(5));
        Self { stable, canary, weir, visitors }
    }
}

fn message(status: &Value) -> &str {
    status["last"]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_good_canary_is_promoted_and_gets_every_request() {
    let stage = Stage::set(|_, _| {}).await;
    let status = stage.weir.wait_for_phase("shop", "promoted").await;
    assert_eq!(status["weight"], "100%");
    stage.visitors.answers(20).await;
    let before = stage.stable.requests();
    stage.visitors.answers(200).await;
    assert_eq!(stage.stable.requests(), before, "stable still gets requests");
    let (good, bad, broken) = stage.visitors.stop().await;
    assert!(good > 0);
    assert_eq!((bad, broken), (0, 0));
}

#[tokio::test]
async fn a_canary_that_fails_is_aborted_and_no_visitor_sees_it() {
    let stage = Stage::set(|_, canary| canary.fail(300)).await;
    let status = stage.weir.wait_for_phase("shop", "aborted").await;
    assert_eq!(status["weight"], "0%");
    assert_eq!(status["last"]["reason"]["culprit"], "errors", "{status:#}");
    assert!(message(&status).contains("shop-v2"), "{}", message(&status));
    stage.visitors.answers(20).await;
    let before = stage.canary.requests();
    stage.visitors.answers(200).await;
    assert_eq!(stage.canary.requests(), before, "the aborted canary still gets requests");
    // Every visitor's request is a GET: what failed on the canary was repeated on stable.
    let (_, bad, broken) = stage.visitors.stop().await;
    assert_eq!((bad, broken), (0, 0));
}

#[tokio::test]
async fn a_canary_that_is_slow_is_aborted_for_its_latency() {
    let stage = Stage::set(|_, canary| canary.delay(Duration::from_millis(300))).await;
    let status = stage.weir.wait_for_phase("shop", "aborted").await;
    let culprit = &status["last"]["reason"]["culprit"];
    assert!(culprit["latency"].is_u64(), "{culprit}");
    stage.visitors.stop().await;
}

#[tokio::test]
async fn a_canary_that_is_not_there_is_aborted_and_nobody_notices() {
    let stable = App::start("v1").await;
    let gone = App::start("v2").await;
    let config = shop(&stable, &gone, 2, QUICK);
    drop(gone);
    let weir = Weir::start(&config).await;
    let visitors = Visitors::start(weir.address("web"), 16, Duration::from_millis(5));
    weir.wait_for_phase("shop", "aborted").await;
    let (good, bad, broken) = visitors.stop().await;
    assert!(good > 0);
    assert_eq!((bad, broken), (0, 0));
}

#[tokio::test]
async fn without_traffic_the_rollout_holds_and_says_so() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
    // Longer than minimumTime: only the missing evidence can hold it.
    let status =
        weir.wait_for("shop", "looked at for 3 s", |status| status["report"]["hold"] == "noCanaryTraffic").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let later = weir.release("shop").await;
    assert_eq!((&later["phase"], &later["weight"]), (&status["phase"], &status["weight"]));
    assert_eq!(later["phase"], "progressing");
    assert!(
        later["message"].as_str().is_some_and(|text| text.contains("traffic") || text.contains("request")),
        "{later:#}"
    );
}

#[tokio::test]
async fn an_outage_of_both_versions_is_not_blamed_on_the_canary() {
    let stage = Stage::set(|_, _| {}).await;
    stage.weir.wait_for("shop", "seen by the judge", |status| status["canary"]["requests"].as_u64() > Some(5)).await;
    stage.stable.fail(500);
    stage.canary.fail(500);
    // Some seconds of outage: more than enough failures to convict by any threshold.
    let before = stage.weir.release("shop").await["canary"]["errors"].as_u64().unwrap_or(0);
    let began = std::time::Instant::now();
    let is_over = |status: &Value| {
        let failed = status["canary"]["errors"].as_u64() > Some(before + 60);
        status["phase"] != "progressing" || failed && began.elapsed() > Duration::from_secs(4)
    };
    let status = stage.weir.wait_for("shop", "failing for a while", is_over).await;
    assert_ne!(status["phase"], "aborted", "{}", message(&status));
    stage.stable.fail(0);
    stage.canary.fail(0);
    let status = stage.weir.wait_for("shop", "promoted", |status| status["phase"] != "progressing").await;
    assert_eq!(status["phase"], "promoted", "{}", message(&status));
    stage.visitors.stop().await;
}

#[tokio::test]
async fn the_replay_of_a_live_trace_gives_the_live_decision() {
    let stage = Stage::set(|_, canary| canary.fail(150)).await;
    let status = stage.weir.wait_for_phase("shop", "aborted").await;
    stage.visitors.stop().await;
    let traces = stage.weir.dir.path().join("state/traces");
    let trace =
        std::fs::read_dir(traces).expect("there are traces").next().expect("there is one").expect("readable").path();
    let (code, out, err) = stage.weir.cli(&["replay", trace.to_str().expect("plain text")]).await;
    assert_eq!(code, 0, "{err}");
    let line: Value = serde_json::from_str(out.trim()).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(line["decision"], "abort", "{line}");
    assert_eq!(line["log_e"], status["last"]["report"]["logE"], "the last bit must agree");
}
