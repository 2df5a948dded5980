use std::path::PathBuf;

use tokio::io::AsyncWriteExt;

use super::super::testing::{Authority, Bench, endpoint, read_head, run};
use super::*;
use crate::outcome::Fault;

/// An HTTPS endpoint whose certificate is for `host`.
async fn https(authority: &Authority, host: &str, ask: bool) -> std::net::SocketAddr {
    let acceptor = authority.server(host, &[b"http/1.1"], ask);
    endpoint(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while read_head(&mut stream).await.is_some() {
                let identity = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
                let name = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
                let body = format!("{name} {identity}");
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

fn pem((path, bytes): &(PathBuf, Vec<u8>)) -> Pem<'_> {
    Pem { path, bytes }
}

#[test]
fn a_trusted_certificate_with_the_right_name_will_do() {
    run(async {
        let authority = Authority::new();
        let address = https(&authority, "shop.test", false).await;
        let bench = Bench::over_tls(address, authority.client(Alpn::Any), "shop.test");
        for _ in 0..2 {
            assert_eq!(bench.get_text("/").await, (200, "shop.test 0".to_owned()));
        }
        assert_eq!(bench.counts(), (1, 1));
    });
}

#[test]
fn without_a_name_the_endpoints_own_host_is_verified_addresses_too() {
    run(async {
        let authority = Authority::new();
        let address = https(&authority, "127.0.0.1", false).await;
        let tls = crate::snapshot::BackendTls { config: authority.client(Alpn::Any), server_name: None };
        let backend = crate::snapshot::Backend { tls: Some(tls), ..super::super::testing::backend(address) };
        assert_eq!(Bench::new(backend).get_text("/").await, (200, "- 0".to_owned()));
    });
}

#[test]
fn a_wrong_name_or_an_unknown_authority_ends_before_anything_is_sent() {
    run(async {
        let (ours, other) = (Authority::new(), Authority::new());
        let address = https(&ours, "shop.test", false).await;
        for (client, name) in [(ours.client(Alpn::Any), "other.test"), (other.client(Alpn::Any), "shop.test")] {
            let bench = Bench::over_tls(address, client, name);
            let error = bench.get("/").await.unwrap_err();
            assert_eq!((error.fault, error.sent), (Fault::TlsFailed, crate::retry::Sent::Nothing));
            assert!(error.source.unwrap().to_string().contains("certificate"), "the log says why");
            assert_eq!(bench.counts(), (0, 0));
        }
    });
}

#[test]
fn an_endpoint_that_asks_gets_our_certificate() {
    run(async {
        let authority = Authority::new();
        let address = https(&authority, "shop.test", true).await;
        authority.issue("weir", "weir.test");
        let [ca, certificate, key] = ["ca.pem", "weir.pem", "weir.key"].map(|name| authority.read(name));
        let client = client_config(Some(pem(&ca)), Some((pem(&certificate), pem(&key))), &[], Alpn::Any).unwrap();
        assert_eq!(Bench::over_tls(address, client, "shop.test").get_text("/").await.1, "shop.test 1");

        let nobody = Bench::over_tls(address, authority.client(Alpn::Any), "shop.test");
        assert!(nobody.get("/").await.is_err());
    });
}

#[test]
fn a_certificate_with_one_of_the_expected_names_will_do_whatever_the_server_name() {
    run(async {
        let authority = Authority::new();
        let address = https(&authority, "shop.test", false).await;
        let ca = authority.read("ca.pem");
        let expecting = |names: &[SubjectName]| {
            let client = client_config(Some(pem(&ca)), None, names, Alpn::Any).unwrap();
            Bench::over_tls(address, client, "sni.test")
        };
        let host = |name: &'static str| SubjectName::Host(name.try_into().unwrap());
        let uri = |uri: &str| SubjectName::Uri(uri.to_owned());
        for names in [vec![host("other.test"), host("shop.test")], vec![uri("spiffe://shop.test/server")]] {
            assert_eq!(expecting(&names).get_text("/").await, (200, "sni.test 0".to_owned()));
        }
        for names in [vec![host("sni.test")], vec![uri("spiffe://shop.test/serve")]] {
            assert_eq!(expecting(&names).get("/").await.unwrap_err().fault, Fault::TlsFailed);
        }
        let stranger = Authority::new().read("ca.pem");
        let distrusting = client_config(Some(pem(&stranger)), None, &[host("shop.test")], Alpn::Any).unwrap();
        assert!(Bench::over_tls(address, distrusting, "shop.test").get("/").await.is_err());
    });
}

#[test]
fn errors_name_the_file_and_what_is_wrong_with_it() {
    let authority = Authority::new();
    authority.issue("one", "one.test");
    authority.issue("two", "two.test");
    std::fs::write(authority.file("empty.pem"), "").unwrap();
    std::fs::write(authority.file("torn.pem"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let of_ca = |name: &str| client_config(Some(pem(&authority.read(name))), None, &[], Alpn::Any).unwrap_err();
    assert!(matches!(of_ca("empty.pem"), TlsError::NoCertificate { .. }));
    assert!(matches!(of_ca("torn.pem"), TlsError::Unreadable { .. }));
    assert!(matches!(of_ca("one.key"), TlsError::NoCertificate { .. }), "a key where a certificate should be");

    let [ca, one, key_of_two] = ["ca.pem", "one.pem", "two.key"].map(|name| authority.read(name));
    let mixed = client_config(Some(pem(&ca)), Some((pem(&one), pem(&key_of_two))), &[], Alpn::Any);
    assert!(matches!(mixed.unwrap_err(), TlsError::BadIdentity { .. }));
    if machine_roots().is_ok() {
        let error = client_config(None, Some((pem(&one), pem(&one))), &[], Alpn::Any).unwrap_err();
        assert!(matches!(error, TlsError::Unreadable { path, .. } if path.ends_with("one.pem")));
    }
}

#[test]
fn alpn_offers_what_is_asked_for() {
    let authority = Authority::new();
    assert_eq!(authority.client(Alpn::Any).alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    let any = authority.client(Alpn::Any);
    assert_eq!(offering(&any, Alpn::Http1).alpn_protocols, [b"http/1.1".to_vec()]);
    assert!(Arc::ptr_eq(&offering(&any, Alpn::Any), &any));
}
