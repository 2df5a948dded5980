//! Right: promoted when good, aborted when bad, held when nothing is known.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
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
        Self::with(prepare, |config| config).await
    }

    async fn with(prepare: impl FnOnce(&App, &App), configure: impl FnOnce(String) -> String) -> Self {
        let (stable, canary) = (App::start("v1").await, App::start("v2").await);
        prepare(&stable, &canary);
        let weir = Weir::start(&configure(shop(&stable, &canary, 2, QUICK))).await;
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
async fn after_an_abort_and_a_crash_explain_still_names_what_failed() {
    let stage = Stage::set(|_, canary| canary.fail(300)).await;
    let status = stage.weir.wait_for_phase("shop", "aborted").await;
    stage.visitors.stop().await;
    let failures = &status["last"]["failures"];
    let count = &failures["counts"][0];
    assert_eq!((&count["side"], &count["cause"]), (&"canary".into(), &"status 500".into()), "{failures:#}");
    // One may have failed since it was decided.
    assert!(count["requests"].as_u64() >= status["canary"]["errors"].as_u64(), "{status:#}");
    let samples = failures["samples"].as_array().expect("some requests").clone();
    assert!(!samples.is_empty() && samples.len() <= 8, "{failures:#}");
    let known = stage.canary.faults.failed.lock().expect("nobody panics with it").clone();
    for sample in &samples {
        assert!(known.iter().any(|id| sample["id"] == id.as_str()), "the canary knows nothing of {sample}");
    }
    let weir = stage.weir.kill_and_restart().await;
    assert_eq!(&weir.release("shop").await["failures"], failures);
    let (code, told, err) = weir.cli(&["explain", "shop"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(told.contains("What failed") && told.contains("status 500"), "{told}");
    assert!(told.contains(samples[0]["id"].as_str().expect("an id")), "{told}");
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
    replays_as_it_was(stage).await;
}

#[tokio::test]
async fn a_route_that_fails_is_recorded_named_and_replayed_to_the_last_bit() {
    let routes = "routes:\n  - { name: cart, match: { path: /cart }, release: shop }\n";
    let stage = Stage::with(
        |_, canary| canary.faults.cart_fails.store(true, Ordering::Relaxed),
        |config| config.replace("routes:\n", routes),
    )
    .await;
    stage.weir.wait_for_phase("shop", "aborted").await;
    let (code, told, err) = stage.weir.cli(&["explain", "shop"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(told.contains("By route") && told.contains("state/traces/shop-"), "{told}");
    assert!(told.lines().any(|line| line.trim_start().starts_with("cart ") && line.ends_with("100.0%")), "{told}");
    let trace = replays_as_it_was(stage).await;
    assert!(trace.contains(",canary,cart,"), "{trace}");
}

#[tokio::test]
async fn a_canary_that_turns_bad_while_stable_keeps_a_share_is_out_and_replays() {
    let stage = Stage::with(
        |_, _| {},
        |config| config.replace("    steps:", "    holdBack: { weight: 10%, for: 1h }\n    steps:"),
    )
    .await;
    let status = stage.weir.wait_for_phase("shop", "holdingBack").await;
    assert_eq!(status["weight"], "90%", "{status:#}");
    assert!(message(&status).contains("shop-v1 keeps 10% for 1h"), "{}", message(&status));
    stage.canary.fail(500);
    replays_as_it_was(stage).await;
}

#[tokio::test]
async fn a_canary_that_stays_good_while_stable_keeps_a_share_is_promoted() {
    let stage =
        Stage::with(|_, _| {}, |config| config.replace("    steps:", "    holdBack: { for: 2s }\n    steps:")).await;
    stage.weir.wait_for_phase("shop", "promoted").await;
    let (code, history, err) = stage.weir.cli(&["history", "shop"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(history.contains("shop-v1 keeps 5% for 2s, to return to at once"), "{history}");
    assert!(history.contains("after 2s in which it had 95%"), "{history}");
    let (_, bad, broken) = stage.visitors.stop().await;
    assert_eq!((bad, broken), (0, 0));
}

/// As [`QUICK`], with copies of a tenth of the requests first.
fn mirrored_first(config: &str) -> String {
    config.replace("    steps:", "    mirrorFirst: { requests: 50 }\n    steps:")
}

#[tokio::test]
async fn a_canary_that_fails_its_copies_is_out_without_a_user_and_replays() {
    let stage = Stage::with(|_, canary| canary.fail(1000), |config| mirrored_first(&config)).await;
    let status = stage.weir.wait_for_phase("shop", "aborted").await;
    assert_eq!(status["weight"], "0%");
    assert!(message(&status).starts_with("aborted before its first user: shop-v2 failed"), "{}", message(&status));
    let metrics = stage.weir.metrics().await;
    let values = |name: &str, label: &str| -> Vec<u64> {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse().expect("a count")).collect()
    };
    let users = values("weir_requests_total", "backend=\"shop-v2\"");
    assert!(users.iter().all(|&count| count == 0), "a user's request went there:\n{metrics}");
    assert!(values("weir_release_mirrored_answers_total", "failure")[0] > 0, "{metrics}");
    let trace = replays_as_it_was(stage).await;
    assert!(trace.contains(",canary,-,0.1,"), "{trace}");
}

#[tokio::test]
async fn a_canary_that_does_well_with_copies_gets_users_after_a_crash_of_weir_too() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    // Nobody is there: it begins, and waits for copies.
    let weir = Weir::start(&mirrored_first(&shop(&stable, &canary, 2, QUICK))).await;
    let status = weir.wait_for_phase("shop", "mirroring").await;
    assert_eq!(status["weight"], "0%", "{status:#}");
    let (code, shown, err) = weir.cli(&["status"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(shown.contains("shop  mirrored  canary at 0%") && shown.contains("[copies]"), "{shown}");
    let weir = weir.kill_and_restart().await;
    let status = weir.wait_for_phase("shop", "mirroring").await;
    assert!(status["message"].as_str().is_some_and(|text| text.contains("0 of 50 mirrored answers")), "{status:#}");
    let visitors = Visitors::start(weir.address("web"), 16, Duration::from_millis(5));
    weir.wait_for_phase("shop", "promoted").await;
    let (code, history, err) = weir.cli(&["history", "shop"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(history.contains("shop-v2 gets copies of 10% of the requests, and no user yet"), "{history}");
    assert!(history.contains("shop-v2 goes from 0% to 10% (step 1 of 2)"), "{history}");
    let (_, bad, broken) = visitors.stop().await;
    assert_eq!((bad, broken), (0, 0));
}

#[tokio::test]
async fn a_client_that_failed_before_a_crash_does_not_count_again_after_it() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    canary.fail(1000);
    let affinity = QUICK.replace("steps: [10%, 50%]", "steps: [50%]\naffinity: { header: x-user }");
    let weir = Weir::start(&shop(&stable, &canary, 1, &affinity)).await;
    // Two users of the canary: too few to convict, however often they fail.
    let mut users = Vec::new();
    for number in 0.. {
        let user = format!("user-{number}");
        if posts(&weir, &user, 1).await == 500 {
            users.push(user);
        }
        if users.len() == 2 {
            break;
        }
    }
    for user in &users {
        posts(&weir, user, 5).await;
    }
    weir.wait_for("shop", "counted", |status| status["canary"]["requests"] == 12).await;
    let weir = weir.kill_and_restart().await;
    for user in &users {
        assert_eq!(posts(&weir, user, 5).await, 500, "still the canary's");
    }
    let status = weir.wait_for("shop", "counted", |status| status["canary"]["requests"] == 22).await;
    assert_eq!(status["phase"], "progressing", "{status:#}");
    let trace = std::fs::read_to_string(trace_of(&weir)).expect("the trace is readable");
    let failed_clients = |row: &str| row.split(',').nth(6).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let rows = trace.lines().filter(|row| row.contains(",canary,-,"));
    assert_eq!(rows.map(failed_clients).sum::<u64>(), 2, "clients count, not requests:\n{trace}");
}

/// The one trace that `weir` has written.
fn trace_of(weir: &Weir) -> PathBuf {
    let files = std::fs::read_dir(weir.dir.path().join("state/traces")).expect("there are traces");
    let mut paths = files.map(|file| file.expect("readable").path());
    paths.find(|path| path.extension().is_some_and(|end| end == "csv")).expect("there is one")
}

/// Posts for `user`; the last status.
async fn posts(weir: &Weir, user: &str, count: usize) -> u16 {
    let mut client = weir.client().await;
    let mut last = 0;
    for _ in 0..count {
        let request = http::Request::post("/").header("host", "shop.test").header("x-user", user);
        last = client.send(request.body(Default::default()).expect("a valid request")).await.status.as_u16();
    }
    last
}

/// Replays the trace of a release that is going to be aborted, and gives it.
async fn replays_as_it_was(stage: Stage) -> String {
    let status = stage.weir.wait_for_phase("shop", "aborted").await;
    stage.visitors.stop().await;
    let trace = trace_of(&stage.weir);
    let (code, out, err) = stage.weir.cli(&["replay", trace.to_str().expect("plain text")]).await;
    assert_eq!(code, 0, "{err}");
    let line: Value = serde_json::from_str(out.trim()).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(line["decision"], "abort", "{line}");
    assert_eq!(line["log_e"], status["last"]["report"]["logE"], "the last bit must agree");
    std::fs::read_to_string(trace).expect("the trace is readable")
}
