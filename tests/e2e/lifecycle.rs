//! Nothing lost: reload, drain, restart.

use std::time::Duration;

use super::app::App;
use super::client::Visitors;
use super::weir::{self, Weir};
use super::{QUICK, shop};

#[tokio::test]
async fn reloading_under_load_loses_no_request_and_no_connection() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let weir = Weir::start(&shop(&stable, &canary, 2, QUICK)).await;
    let visitors = Visitors::start(weir.address("web"), 16, Duration::ZERO);
    for round in 0..20 {
        let header = format!(
            "routes:\n  - release: shop\n    filters: {{ responseHeaders: {{ set: {{ x-round: \"{round}\" }} }} }}"
        );
        weir.write_config(&shop(&stable, &canary, 2, QUICK).replace("routes:\n  - release: shop", &header));
        let mut client = weir.client().await;
        let deadline = std::time::Instant::now() + weir::PATIENCE;
        while client.get("/").await.headers.get("x-round").is_none_or(|value| *value != *round.to_string()) {
            assert!(std::time::Instant::now() < deadline, "round {round} is not in force:\n{}", weir.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    visitors.answers(1000).await;
    let (_, bad, broken) = visitors.stop().await;
    assert_eq!((bad, broken), (0, 0));
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_configuration_and_says_so() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let config = shop(&stable, &canary, 1, QUICK);
    let weir = Weir::start(&config).await;
    weir.write_config(&config.replace("canary: shop-v2", "canary: shop-v3"));
    weir.wait_for_metric("weir_config_last_reload_successful 0").await;
    assert!(weir.log().contains("shop-v3"), "{}", weir.log());
    assert_eq!(weir.client().await.get("/").await.status, 200);
    let (_, out, err) = weir.cli(&["status"]).await;
    assert!(format!("{out}{err}").contains("shop-v3"), "status says nothing of the broken file:\n{out}{err}");
    weir.write_config(&config);
    weir.wait_for_metric("weir_config_last_reload_successful 1").await;
}

#[tokio::test]
async fn termination_ends_what_is_in_flight_and_loses_nothing() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let mut weir = Weir::start(&shop(&stable, &canary, 2, QUICK)).await;
    stable.delay(Duration::from_millis(300));
    canary.delay(Duration::from_millis(300));
    let mut in_flight = Vec::new();
    for _ in 0..40 {
        let mut client = weir.client().await;
        in_flight.push(tokio::spawn(async move { client.get("/").await.status }));
    }
    let deadline = std::time::Instant::now() + weir::PATIENCE;
    while stable.requests() + canary.requests() < 40 {
        assert!(std::time::Instant::now() < deadline, "{}", weir.log());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    weir.signal("TERM");
    for request in in_flight {
        assert_eq!(request.await.expect("an answer"), 200);
    }
    assert!(weir.ended().await.success(), "{}", weir.log());
}

#[tokio::test]
async fn a_rollout_goes_on_after_a_crash_with_the_weight_it_had() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let slow =
        QUICK.replace("minimumTime: 1s", "minimumTime: 1h").replace("10%, 50%", "10%, {weight: 50%, pause: true}");
    let weir = Weir::start(&shop(&stable, &canary, 2, &slow)).await;
    let visitors = Visitors::start(weir.address("web"), 16, Duration::from_millis(5));
    let before = weir.wait_for("shop", "at its second step", |status| status["weight"] == "50%").await;
    visitors.stop().await;
    let weir = weir.kill_and_restart().await;
    let after = weir.release("shop").await;
    assert_eq!(after["weight"], "50%");
    assert_eq!(after["started"], before["started"]);
    assert_eq!(after["step"], before["step"]);
    let mut client = weir.client().await;
    let mut seen = 0;
    for _ in 0..100 {
        seen += usize::from(client.get("/").await.text() == "v2");
    }
    assert!((49..=51).contains(&seen), "{seen} of 100 at 50%");
}

#[tokio::test]
async fn a_torn_last_line_costs_that_line_and_not_the_rollout() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let mut weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
    weir.post("/releases/shop/weight", Some(serde_json::json!({ "weight": "20%" }))).await;
    weir.post("/releases/shop/weight", Some(serde_json::json!({ "weight": "30%" }))).await;
    weir.signal("KILL");
    weir.ended().await;
    let journal = weir.dir.path().join("state/journal.jsonl");
    let text = std::fs::read_to_string(&journal).expect("there is a journal");
    std::fs::write(&journal, &text[..text.len() - 20]).expect("the folder is ours");
    let weir = weir.restart().await;
    assert_eq!(weir.release("shop").await["weight"], "20%");
    assert!(weir.log().contains("journal"), "the loss is not told:\n{}", weir.log());
}

#[tokio::test]
async fn what_the_journal_holds_is_told_by_history_and_explain() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    canary.fail(500);
    let weir = Weir::start(&shop(&stable, &canary, 2, QUICK)).await;
    let visitors = Visitors::start(weir.address("web"), 16, Duration::from_millis(5));
    weir.wait_for_phase("shop", "aborted").await;
    visitors.stop().await;
    let (code, out, _) = weir.cli(&["history", "shop"]).await;
    assert_eq!(code, 0);
    assert!(out.lines().count() >= 2 && out.contains("shop-v2"), "{out}");
    let (code, out, _) = weir.cli(&["explain", "shop"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("shop-v2") && out.contains('%'), "{out}");
}

#[tokio::test]
async fn commands_move_the_rollout_from_another_terminal() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
    for (arguments, phase, weight) in [
        (&["set-weight", "shop", "25%"][..], "paused", "25%"),
        (&["resume", "shop"], "progressing", "10%"),
        (&["pause", "shop"], "paused", "10%"),
        (&["abort"], "aborted", "0%"),
        (&["retry"], "progressing", "10%"),
        (&["promote"], "promoted", "100%"),
    ] {
        let (code, out, err) = weir.cli(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        let status = weir.release("shop").await;
        assert_eq!((&status["phase"], &status["weight"]), (&phase.into(), &weight.into()), "after {arguments:?}");
    }
    let (code, _, err) = weir.cli(&["abort"]).await;
    assert_eq!(code, 1, "a promoted rollout is final: {err}");
    assert!(err.contains("promoted"), "{err}");
}

#[tokio::test]
async fn a_configuration_that_is_wrong_ends_the_start_with_78_and_every_error() {
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    std::fs::write(
        dir.path().join("weir.yaml"),
        "listeners: [{name: web, address: 127.0.0.1:0, colour: red}]\nroutes: [{release: nope}]\n",
    )
    .expect("the folder is ours");
    let output = weir::command(dir.path())
        .args(["run", "--config", "weir.yaml", "--state-dir", "state"])
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("colour") && text.contains("nope") && text.contains("weir.yaml:1:"), "{text}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let config = format!("listeners: [{{name: web, address: \"{address}\"}}]\nadmin: {{address: \"127.0.0.1:0\"}}\n");
    std::fs::write(dir.path().join("weir.yaml"), config).expect("the folder is ours");
    let output = weir::command(dir.path())
        .args(["run", "--config", "weir.yaml", "--state-dir", "state"])
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(&address), "{text}");
}

#[tokio::test]
async fn a_hangup_reads_the_configuration_again() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
    weir.signal("HUP");
    // The file has not changed, so nothing but the signal can be the cause.
    weir.wait_for_metric("weir_config_reloads_total{result=\"success\"} 1").await;
}

#[tokio::test]
async fn readiness_goes_before_the_listeners_do() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let config = shop(&stable, &canary, 1, QUICK).replace("proxy:\n", "proxy:\n  drainDelay: 30s\n");
    let mut weir = Weir::start(&config).await;
    assert_eq!(weir.ready().await, 200);
    let mut before = weir.client().await;
    assert_eq!(before.get("/").await.headers.get("connection"), None);
    weir.signal("TERM");
    let deadline = std::time::Instant::now() + weir::PATIENCE;
    while weir.ready().await != 503 {
        assert!(std::time::Instant::now() < deadline, "{}", weir.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(weir.client().await.get("/").await.status, 200, "the listener was closed first");
    while weir.client().await.get("/").await.headers.get("connection").is_none_or(|value| value != "close") {
        assert!(std::time::Instant::now() < deadline, "clients are not told:\n{}", weir.log());
    }
    // Who was connected before is told, too.
    let last = before.get("/").await;
    assert_eq!(last.status, 200);
    assert!(last.headers.get("connection").is_some_and(|value| value == "close"), "{:?}", last.headers);
    // Nobody has to wait for the rest of the delay: told again, it ends at once.
    weir.signal("TERM");
    assert!(!weir.ended().await.success());
}
