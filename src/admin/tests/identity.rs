//! Who may ask for what.

use super::*;

#[tokio::test]
async fn everything_else_needs_the_token() {
    let surface = Surface::start().await;
    for line in [
        "GET /releases",
        "GET /releases/shop",
        "GET /releases/shop/history",
        "GET /releases?watch=1",
        "GET /config",
        "GET /routes",
        "GET /backends",
        "GET /listeners",
        "GET /nowhere",
        "POST /releases/shop/abort",
        "POST /reload",
        "DELETE /releases/shop",
    ] {
        let reply = surface.anonymous(line).await;
        assert_eq!(reply.status, 401, "{line}");
        assert_eq!(reply.field("www-authenticate"), Some("Bearer realm=\"weir\""), "{line}");
        assert!(reply.json()["hint"].as_str().unwrap().contains("admin.json"), "{line}: {}", reply.body);
    }
    assert_eq!(surface.weight(), "5%");
}

#[tokio::test]
async fn metrics_and_version_are_open_on_loopback() {
    let surface = Surface::start().await;
    let metrics = surface.anonymous("GET /metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.field("content-type"), Some("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("\nweir_build_info{version="), "{}", metrics.body);
    let version = surface.anonymous("GET /version").await.json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn from_afar_metrics_need_the_token_too() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let mut surface = Surface::start().await;
    surface.address.set_port(listener.local_addr().unwrap().port());
    let serving = tokio::spawn(serve(listener, surface.state.clone(), surface.cancel.clone()));
    assert_eq!(surface.anonymous("GET /metrics").await.status, 401);
    assert_eq!(surface.get("/metrics").await.status, 200);
    assert_eq!(surface.anonymous("GET /livez").await.status, 200);
    surface.cancel.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_after_ten_must_wait() {
    let surface = Surface::start().await;
    let wrong = format!("GET /releases HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer wrong", surface.address);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(surface.raw(&wrong, "").await.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    let good = surface.get("/releases").await.status;
    assert_eq!(good, 200, "on loopback another user's guesses must not lock the operator out");
}

#[tokio::test]
async fn a_token_in_another_scheme_or_in_the_url_is_none() {
    let surface = Surface::start().await;
    let (address, token) = (surface.address, &surface.token);
    let basic = format!("GET /releases HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {token}");
    let query = format!("GET /releases?token={token} HTTP/1.1\r\nhost: {address}");
    assert_eq!(surface.raw(&basic, "").await.status, 401);
    assert_eq!(surface.raw(&query, "").await.status, 401);
}

#[test]
fn an_address_that_others_reach_needs_a_token_of_its_own() {
    let public: SocketAddr = "0.0.0.0:9180".parse().unwrap();
    let refused = Access::open(public, None).unwrap_err();
    assert!(refused.to_string().contains("tokenFile"), "{refused}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    assert!(Access::open(public, Some(&file)).is_ok());
}

#[test]
fn the_token_is_the_one_in_the_file_and_the_last_good_one_while_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let (first, second) = ("0123456789abcdef", "fedcba9876543210");
    std::fs::write(&file, first).unwrap();
    let access = Access::open("0.0.0.0:9180".parse().unwrap(), Some(&file)).unwrap();
    let now = || access.token().reveal().to_owned();
    assert_eq!(now(), first);
    std::fs::write(&file, second).unwrap();
    assert_eq!(now(), second);
    std::fs::write(&file, "short").unwrap();
    assert_eq!(now(), second);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(now(), second);
}

#[tokio::test]
async fn no_answer_carries_a_secret() {
    let surface = Surface::start().await;
    for path in ["/config", "/routes", "/releases", "/metrics", "/backends", "/listeners", "/releases/shop/history"] {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        let whole = reply.head + &reply.body;
        assert!(!whole.contains("S3CRET") && !whole.contains(&surface.token), "{path}: {whole}");
    }
    assert_eq!(surface.get("/routes").await.json()[0]["release"], "shop");
    assert_eq!(surface.get("/listeners").await.json(), json!([{ "name": "web", "address": "127.0.0.1:8080" }]));
}
