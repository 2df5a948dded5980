//! h2spec, a conformance test suite for HTTP/2, against both kinds of listeners.

use std::net::SocketAddr;
use std::process::Command;

use crate::e2e::app::App;
use crate::e2e::weir::Weir;
use crate::e2e::{QUICK, shop};

/// Runs h2spec with `arguments` against `address`; skips where it is not installed.
async fn is_clean(address: SocketAddr, arguments: &'static [&'static str]) {
    let port = address.port().to_string();
    let run =
        move || Command::new("h2spec").args(["-h", "127.0.0.1", "-p", &port, "-o", "10"]).args(arguments).output();
    match tokio::task::spawn_blocking(run).await.expect("no panic") {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => eprintln!("skipped: h2spec not found"),
        output => {
            let output = output.expect("h2spec starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[tokio::test]
async fn h2spec_finds_nothing_without_tls() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
    // All but 3.5/2: whatever begins unlike HTTP/2 is taken for HTTP/1.1 here, and answered as such before the end.
    const CHAPTERS: &[&str] =
        &["generic", "hpack", "http2/3.5/1", "http2/4", "http2/5", "http2/6", "http2/7", "http2/8", "--strict"];
    is_clean(weir.address("web"), CHAPTERS).await;
}

#[tokio::test]
async fn h2spec_finds_nothing_over_tls() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let made = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).expect("a certificate");
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).expect("the folder is ours");
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).expect("the folder is ours");
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name).display().to_string());
    let tls = format!(
        "address: 127.0.0.1:0\n    tls: {{ certificates: [{{ certificate: {certificate}, key: {key} }}] }}\nadmin:"
    );
    let config = shop(&stable, &canary, 1, QUICK).replacen("address: 127.0.0.1:0\nadmin:", &tls, 1);
    let weir = Weir::start(&config).await;
    is_clean(weir.address("web"), &["--tls", "--insecure", "--strict"]).await;
}
