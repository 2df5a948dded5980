use std::fs;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;
use crate::config::{Resolved, compile, parse};
use crate::snapshot::Leaves;

/// Writes a certificate for `names`, and gives it back.
fn make(directory: &std::path::Path, file: &str, names: &[&str]) -> CertificateDer<'static> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(directory.join(format!("{file}.crt")), made.cert.pem()).unwrap();
    fs::write(directory.join(format!("{file}.key")), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A server with the certificates `first` (first.example.com), `exact` (a.example.com) and `wildcard` (*.example.com).
fn server(leaves: &Leaves, min_version: &str) -> (Arc<ServerConfig>, [CertificateDer<'static>; 3]) {
    let directory = tempfile::tempdir().unwrap();
    let certificates = [
        make(directory.path(), "first", &["first.example.org"]),
        make(directory.path(), "exact", &["a.example.com"]),
        make(directory.path(), "wildcard", &["*.example.com"]),
    ];
    let list = ["first", "wildcard", "exact"].map(|name| format!("{{ certificate: {name}.crt, key: {name}.key }}"));
    let text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ minVersion: {min_version}, certificates: [{}] }} }}]",
        list.join(", ")
    );
    let loaded = parse(&directory.path().join("weir.yaml"), text).unwrap();
    let compiled = compile(&loaded, leaves, &Resolved::new(), 1).unwrap();
    (compiled.snapshot.listeners[0].tls.clone().unwrap(), certificates)
}

fn client(
    trusted: &[CertificateDer<'static>],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A handshake in memory. The client's end of it, or what went wrong.
fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Result<ClientConnection, String> {
    let mut server = ServerConnection::new(server.clone()).unwrap();
    let mut client = ClientConnection::new(client.clone(), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let failed = |error: rustls::Error| error.to_string();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().map_err(failed)?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().map_err(failed)?;
        }
    }
    assert!(!client.is_handshaking());
    Ok(client)
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

fn shown(server: &Arc<ServerConfig>, name: &str, all: &[CertificateDer<'static>]) -> CertificateDer<'static> {
    let connection = handshake(server, &client(all, BOTH), name).unwrap();
    connection.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn an_exact_name_comes_before_a_wildcard() {
    let (server, all) = server(&Leaves::new(1), "1.2");
    assert_eq!(shown(&server, "a.example.com", &all), all[1]);
    assert_eq!(shown(&server, "b.example.com", &all), all[2]);
    assert_eq!(shown(&server, "first.example.org", &all), all[0]);
}

#[test]
fn an_unknown_name_gets_the_first_certificate() {
    let (server, all) = server(&Leaves::new(1), "1.2");
    for name in ["x.example.net", "a.b.example.com", "example.com", "127.0.0.1"] {
        let error = handshake(&server, &client(&all, BOTH), name).unwrap_err();
        assert!(error.contains("first.example.org"), "{name}: {error}");
    }
}

#[test]
fn http2_is_offered_before_http1() {
    let (server, all) = server(&Leaves::new(1), "1.2");
    let connection = handshake(&server, &client(&all, BOTH), "a.example.com").unwrap();
    assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
}

#[test]
fn older_versions_of_tls_are_refused_when_told_so() {
    let old = &[&rustls::version::TLS12][..];
    let (lenient, all) = server(&Leaves::new(1), "1.2");
    assert!(handshake(&lenient, &client(&all, old), "a.example.com").is_ok());
    let (strict, all) = server(&Leaves::new(1), "1.3");
    assert!(handshake(&strict, &client(&all, old), "a.example.com").is_err());
    assert!(handshake(&strict, &client(&all, BOTH), "a.example.com").is_ok());
}

#[test]
fn a_session_is_resumed_after_a_reload() {
    let leaves = Leaves::new(1);
    let (before, all) = server(&leaves, "1.2");
    let (after, _) = server(&leaves, "1.2");
    let client = client(&all, BOTH);
    let first = handshake(&before, &client, "a.example.com").unwrap();
    assert_eq!(first.handshake_kind(), Some(rustls::HandshakeKind::Full));
    let second = handshake(&after, &client, "a.example.com").unwrap();
    assert_eq!(second.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}
