//! No caller takes more than its share.

use super::*;

#[tokio::test]
async fn a_body_too_large_is_cut() {
    let surface = Surface::start().await;
    let body = format!(r#"{{"weight":"{}"}}"#, "9".repeat(17 * 1024));
    assert_eq!(surface.post("/releases/shop/weight", &body).await.status, 413);
}

#[tokio::test]
async fn a_head_too_large_is_cut() {
    let surface = Surface::start().await;
    let large = format!("x: {}\r\n", "y".repeat(20 * 1024));
    assert_eq!(surface.call("GET /releases", &large, "").await.status, 431);
    let many = "x: y\r\n".repeat(80);
    assert_eq!(surface.call("GET /releases", &many, "").await.status, 431);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_cut() {
    let surface = Surface::start().await;
    let mut stream = TcpStream::connect(surface.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: local").await.unwrap();
    let mut answer = Vec::new();
    let before = tokio::time::Instant::now();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(before.elapsed() <= Duration::from_secs(11), "{:?}", before.elapsed());
}

#[tokio::test]
async fn callers_beyond_the_limit_are_dropped_and_the_others_served() {
    let surface = Surface::start().await;
    let mut idle = Vec::new();
    for _ in 0..128 {
        let mut stream = TcpStream::connect(surface.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        read_until(&mut stream, "ok\n").await;
        idle.push(stream);
    }
    let mut further = TcpStream::connect(surface.address).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, further.read_to_end(&mut answer)).await.expect("it is dropped at once");
    assert!(answer.is_empty());
    idle[0].write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut idle[0], "ok\n").await;
}
