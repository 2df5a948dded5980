//! Certificates that are renewed while weir runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::app::App;
use super::weir::{PATIENCE, Weir};
use super::{QUICK, shop};

/// Writes a new certificate for `shop.test` and its key, as a renewal does: new files renamed over the old ones.
fn renew(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).expect("a certificate");
    for (name, text) in [("key.pem", made.signing_key.serialize_pem()), ("cert.pem", made.cert.pem())] {
        let new = dir.join("new.pem");
        std::fs::write(&new, text).expect("the folder is ours");
        std::fs::rename(new, dir.join(name)).expect("the folder is ours");
    }
    made.cert.der().clone()
}

async fn connect(address: SocketAddr, trusted: &[CertificateDer<'static>]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("shop.test").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

fn presented(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("it was shown")[0].clone().into_owned()
}

/// One request on a connection that stays open.
async fn get(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").await.expect("it is open");
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_at_once_and_open_connections_stay() {
    let (stable, canary) = (App::start("v1").await, App::start("v2").await);
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let old = renew(dir.path());
    let files = ["cert.pem", "key.pem"].map(|name| dir.path().join(name).display().to_string());
    let tls = format!(
        "address: 127.0.0.1:0\n    tls: {{ certificates: [{{ certificate: {}, key: {} }}] }}\nadmin:",
        files[0], files[1]
    );
    let config = shop(&stable, &canary, 1, QUICK).replacen("address: 127.0.0.1:0\nadmin:", &tls, 1);
    let weir = Weir::start(&config).await;

    let mut open = connect(weir.address("web"), std::slice::from_ref(&old)).await;
    assert_eq!(presented(&open), old);
    assert!(get(&mut open).await.starts_with("HTTP/1.1 200 "));

    let new = renew(dir.path());
    let trusted = [old, new.clone()];
    let deadline = Instant::now() + PATIENCE;
    while presented(&connect(weir.address("web"), &trusted).await) != new {
        assert!(Instant::now() < deadline, "the old certificate is still shown:\n{}", weir.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(get(&mut open).await.starts_with("HTTP/1.1 200 "), "the open connection was lost");
}
