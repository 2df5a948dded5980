//! Several listeners at one address, told apart by their hosts.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::backend::{Backend, nobody};
use super::gateway::{Gateway, eventually, everything_to};
use super::wire::{Reply, Wire};

/// A redirect for each listener that tells its name.
const ROUTES: &str = "routes:
  - { name: any, listeners: [any], redirect: { host: any.test } }
  - { name: wild, listeners: [wild], redirect: { host: wild.test } }
  - { name: one, listeners: [one], match: { path: /one }, redirect: { host: one.test } }";

/// The status for `host` and `path`, and whose route answered.
fn ask(address: SocketAddr, host: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    told(&Wire::connect(address).send(request).reply())
}

fn told(reply: &Reply) -> (u16, String) {
    let location = reply.field("location").unwrap_or_default();
    (
        reply.status,
        location.split('/').nth(2).unwrap_or_default().split(['.', ':']).next().unwrap_or_default().to_owned(),
    )
}

/// Three listeners at `address`.
fn listeners(address: SocketAddr, tls: &str) -> String {
    format!(
        "[{{ name: any, address: '{address}'{tls} }}, {{ name: wild, host: '*.shop.test', address: '{address}'{tls} }},
  {{ name: one, host: one.shop.test, address: '{address}'{tls} }}]"
    )
}

#[test]
fn a_request_belongs_to_the_listener_with_the_most_specific_host_alone() {
    let gateway = Gateway::with_listeners(&listeners(nobody(), ""), ROUTES);
    let ask = |host, path| ask(gateway.address(), host, path);
    let found = |name: &str| (302, name.to_owned());
    assert_eq!(ask("other.test", "/"), found("any"));
    assert_eq!(ask("shop.test", "/"), found("any"));
    assert_eq!(ask("a.b.shop.test", "/"), found("wild"));
    assert_eq!(ask("One.Shop.test:81", "/one"), found("one"));
    assert_eq!(ask("one.shop.test", "/").0, 404, "its routes alone serve it, even if none does");
    let refused = |listener: &str| gateway.classes(&format!("{listener}//"))[3];
    eventually(|| (refused("one") == 1).then_some(()));
    assert_eq!(refused("any"), 0, "counted where it belongs");
    let addresses = gateway.addresses();
    assert_eq!(addresses.len(), 3);
    assert!(addresses.iter().all(|(_, address)| *address == gateway.address()));
}

#[test]
fn a_host_that_no_listener_has_is_404() {
    let address = nobody();
    let listeners = format!("[{{ name: web, host: shop.test, address: '{address}' }}]");
    let gateway = Gateway::with_listeners(&listeners, "routes: [{ redirect: { host: x.test } }]");
    assert_eq!(ask(gateway.address(), "shop.test", "/").0, 302);
    assert_eq!(ask(gateway.address(), "other.test", "/").0, 404);
}

#[test]
fn listeners_join_and_leave_an_address_without_a_lost_connection() {
    let address = nobody();
    let mut gateway = Gateway::with_listeners(&listeners(address, ""), ROUTES);
    let mut wire = Wire::connect(address);
    let mut ask = |host: &str| told(&wire.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).reply());
    assert_eq!(ask("a.shop.test").1, "wild");
    let one = format!("[{{ name: renamed, address: '{address}' }}]");
    gateway.reload(&one, "routes: [{ redirect: { host: renamed.test } }]").unwrap();
    assert_eq!(ask("a.shop.test").1, "renamed");
    gateway.reload(&listeners(address, ""), ROUTES).unwrap();
    assert_eq!(ask("a.shop.test").1, "wild");
}

#[test]
fn redirects_lead_to_the_port_that_clients_connect_to() {
    let location = |port: &str, redirect: &str| {
        let listeners = format!("[{{ name: web, address: '127.0.0.1:0'{port} }}]");
        let gateway = Gateway::with_listeners(&listeners, &format!("routes: [{{ redirect: {{ {redirect} }} }}]"));
        let request = "GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
        let reply = Wire::connect(gateway.address()).send(request).reply();
        reply.field("location").unwrap().replace(&gateway.address().port().to_string(), "BOUND")
    };
    assert_eq!(location("", "host: a.test"), "http://a.test:BOUND/x");
    assert_eq!(location(", publicPort: 80", "host: a.test"), "http://a.test/x");
    assert_eq!(location(", publicPort: 8080", "path: { full: /y }"), "http://shop.test:8080/y");
    assert_eq!(location(", publicPort: 8080", "scheme: https"), "https://shop.test/x");
    assert_eq!(location(", publicPort: 8080", "port: 81"), "http://shop.test:81/x");
}

/// An authority with certificates in a folder.
struct Authority {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: rcgen::Issuer::new(params, key) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes NAME.crt and NAME.key for `hosts`, and gives them as `certificates` of a listener.
    fn issue(&self, name: &str, hosts: &[&str]) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path().join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(self.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        let path = self.path().display();
        format!("[{{ certificate: '{path}/{name}.crt', key: '{path}/{name}.key' }}]")
    }

    /// The status that a client of this authority's servers gets for `host` after asking for `name` by TLS, showing the
    /// certificate `identity`; `None` when the connection comes to nothing.
    fn ask(&self, address: SocketAddr, name: &str, host: &str, identity: Option<(&Self, &str)>) -> Option<u16> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path().join("ca.crt")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((authority, identity)) => {
                let file = |kind: &str| authority.path().join(format!("{identity}.{kind}"));
                let chain = vec![CertificateDer::from_pem_file(file("crt")).unwrap()];
                let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let mut stream = connector.connect(name, TcpStream::connect(address).await.unwrap()).await.ok()?;
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).get(9..12)?.parse().ok()
        })
    }
}

#[test]
fn a_host_of_another_listener_than_the_one_of_the_handshake_is_misdirected() {
    let authority = Authority::new();
    let certificates = authority.issue("all", &["other.test", "unknown.test", "*.shop.test"]);
    let tls = format!(", tls: {{ certificates: {certificates} }}");
    let backend = Backend::saying("");
    let rest = everything_to(backend.address);
    let gateway = Gateway::with_listeners(&listeners(nobody(), &tls), &rest);
    let ask = |name, host| authority.ask(gateway.address(), name, host, None);
    for (name, host, expected) in [
        ("other.test", "other.test", 200),
        ("other.test", "unknown.test", 200),
        ("other.test", "one.shop.test", 421),
        ("a.shop.test", "b.shop.test", 200),
        ("a.shop.test", "one.shop.test", 421),
        ("a.shop.test", "other.test", 421),
        ("one.shop.test", "one.shop.test", 200),
        ("one.shop.test", "a.shop.test", 421),
    ] {
        assert_eq!(ask(name, host), Some(expected), "{name} asked for, then {host}");
    }
}

#[test]
fn a_name_that_no_listener_has_comes_to_nothing() {
    let authority = Authority::new();
    let certificates = authority.issue("all", &["shop.test", "other.test"]);
    let listeners =
        format!("[{{ name: web, host: shop.test, address: '{}', tls: {{ certificates: {certificates} }} }}]", nobody());
    let gateway = Gateway::with_listeners(&listeners, "routes: [{ redirect: { host: x.test } }]");
    assert_eq!(authority.ask(gateway.address(), "shop.test", "shop.test", None), Some(302));
    assert_eq!(authority.ask(gateway.address(), "other.test", "shop.test", None), None);
}

#[test]
fn clients_must_show_a_certificate_of_the_listeners_authority_unless_it_is_optional() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let certificates = ours.issue("server", &["open.test", "closed.test", "lax.test"]);
    ours.issue("client", &["client.test"]);
    strangers.issue("client", &["client.test"]);
    let (address, ca) = (nobody(), ours.path().join("ca.crt"));
    let listener = |name: &str, more: &str| {
        format!(
            "{{ name: {name}, host: {name}.test, address: '{address}', tls: {{ certificates: {certificates}{more} }} }}"
        )
    };
    let asking = |mode: &str| format!(", clientCertificates: {{ ca: '{}', mode: {mode} }}", ca.display());
    let all = [listener("open", ""), listener("closed", &asking("required")), listener("lax", &asking("optional"))];
    let gateway = Gateway::with_listeners(&format!("[{}]", all.join(", ")), "routes: [{ redirect: { host: x.test } }]");
    let ask = |name, identity| ours.ask(gateway.address(), name, name, identity);
    let (known, unknown) = (Some((&ours, "client")), Some((&strangers, "client")));
    assert_eq!([None, known, unknown].map(|identity| ask("open.test", identity)), [Some(302); 3]);
    assert_eq!([None, known, unknown].map(|identity| ask("closed.test", identity)), [None, Some(302), None]);
    assert_eq!([None, known, unknown].map(|identity| ask("lax.test", identity)), [Some(302); 3]);
}
