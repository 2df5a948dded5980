//! Nothing that another site has a browser send gets through.

use super::*;

#[tokio::test]
async fn a_foreign_host_is_refused_even_with_the_token() {
    let surface = Surface::start().await;
    for (host, expected) in [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.1", 421),
        ("user@localhost", 400),
        ("", 400),
        ("localhost", 200),
        ("LOCALHOST:9180", 200),
        ("127.0.0.1", 200),
        ("weir.example.com:443", 200),
    ] {
        let head = format!("GET /version HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}", surface.token);
        assert_eq!(surface.raw(&head, "").await.status, expected, "{host:?}");
    }
    let twice = "GET /version HTTP/1.1\r\nhost: localhost\r\nhost: localhost";
    assert_eq!(surface.raw(twice, "").await.status, 400);
}

#[tokio::test]
async fn requests_from_other_sites_are_refused() {
    let surface = Surface::start().await;
    for fields in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
    ] {
        for line in ["POST /releases/shop/promote", "GET /releases", "OPTIONS /releases/shop/promote"] {
            let reply = surface.call(line, fields, "").await;
            assert_eq!(reply.status, 403, "{line} with {fields}");
            assert!(!reply.head.contains("access-control"), "{}", reply.head);
        }
    }
    assert_eq!(surface.weight(), "5%");
    let own = format!("origin: http://{}\r\nsec-fetch-site: same-origin\r\n", surface.address);
    assert_eq!(surface.call("GET /releases", &own, "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_a_form_could_send_is_refused() {
    let surface = Surface::start().await;
    let body = r#"{"weight":"50%"}"#;
    for fields in ["content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n", ""] {
        assert_eq!(surface.call("POST /releases/shop/weight", fields, body).await.status, 415, "{fields:?}");
    }
    assert_eq!(surface.weight(), "5%");
    let charset = "content-type: application/json; charset=utf-8\r\n";
    assert_eq!(surface.call("POST /releases/shop/weight", charset, body).await.status, 200);
    assert_eq!(surface.weight(), "50%");
}

#[tokio::test]
async fn get_never_changes_anything() {
    let surface = Surface::start().await;
    for action in ["promote", "abort", "pause", "resume", "retry", "weight"] {
        let reply = surface.get(&format!("/releases/shop/{action}")).await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("POST")), "{action}");
    }
    assert_eq!(surface.get("/reload").await.status, 405);
    assert_eq!(surface.weight(), "5%");
}

#[tokio::test]
async fn answers_are_not_stored_nor_sniffed_and_have_the_callers_id() {
    let surface = Surface::start().await;
    let reply = surface.call("GET /releases", "x-request-id: abc-1\r\n", "").await;
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    assert_eq!(reply.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.field("x-request-id"), Some("abc-1"));
    let own = surface.get("/releases").await;
    assert_eq!(own.field("x-request-id").map(str::len), Some(16));
}
