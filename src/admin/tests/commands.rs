//! What is asked for happens, or it is said why not.

use super::*;

#[tokio::test]
async fn commands_move_the_release_and_say_what_happened() {
    let surface = Surface::start().await;
    let reply = surface.post("/releases/shop/weight", r#"{"weight":"12.5%"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    assert_eq!(answer["release"]["weight"], "12.5%");
    assert_eq!(answer["message"], "shop is paused: its canary shop-v2 has 12.5% of the traffic now, 5% before");
    assert_eq!(surface.post("/releases/shop/abort", "").await.json()["release"]["phase"], "aborted");
    assert_eq!(surface.post("/releases/shop/retry", "{}").await.status, 200);
    assert_eq!(surface.post("/releases/shop/promote", "").await.json()["release"]["weight"], "100%");
}

#[tokio::test]
async fn a_command_that_does_not_fit_is_409_with_the_reason() {
    let surface = Surface::start().await;
    surface.post("/releases/shop/promote", "").await;
    let reply = surface.post("/releases/shop/abort", "").await;
    assert_eq!(reply.status, 409);
    assert!(reply.json()["error"].as_str().unwrap().contains("promoted"), "{}", reply.body);
}

#[tokio::test]
async fn a_wrong_body_is_400_with_an_example() {
    let surface = Surface::start().await;
    for body in ["", "{", "[]", r#"{"weight":"101%"}"#, r#"{"weight":5}"#, r#"{"weight":"5%","more":1}"#] {
        let reply = surface.post("/releases/shop/weight", body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(reply.json()["hint"], r#"send {"weight": "10%"}"#);
    }
    assert_eq!(surface.post("/releases/shop/abort", r#"{"weight":"5%"}"#).await.status, 400);
    assert_eq!(surface.weight(), "5%");
}

#[tokio::test]
async fn reload_answers_what_became_of_it() {
    let mut surface = Surface::start().await;
    let mut reloads = std::mem::replace(&mut surface.reloads, mpsc::channel(1).1);
    tokio::spawn(async move {
        for result in [Ok(2), Err("weir.yaml:3:1: no backend `shop-v3`".to_owned())] {
            reloads.recv().await.unwrap().send(result).unwrap();
        }
    });
    assert_eq!(surface.post("/reload", "").await.status, 200);
    let bad = surface.post("/reload", "").await;
    assert_eq!(bad.status, 422);
    assert!(bad.json()["error"].as_str().unwrap().contains("shop-v3"), "{}", bad.body);
    let gone = surface.post("/reload", "").await;
    assert_eq!(gone.status, 503);
}
