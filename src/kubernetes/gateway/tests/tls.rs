//! TLS on either side: certificates of listeners, authorities of Services.

use serde_json::json;

use super::{CLASS, GATEWAY, GATEWAY_SERVICE, ROUTE, SHOP, file};
use crate::kubernetes::testing::{compiled, conditions, listener_conditions, listener_status, plan, put, world};

/// A certificate for `names` in a Secret of the namespace `infra`.
fn secret(name: &str, names: &[&str]) -> String {
    use base64::Engine as _;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let (chain, key) = (encode(made.cert.pem()), encode(made.signing_key.serialize_pem()));
    format!(
        "kind: Secret\nmetadata: {{ name: {name}, namespace: infra }}\ntype: kubernetes.io/tls\ndata: {{ tls.crt: {chain}, tls.key: {key} }}\n"
    )
}

const HTTPS: &str = "
kind: Gateway
metadata: { name: web, namespace: infra, uid: abc }
spec:
  gatewayClassName: weir
  listeners:
    - name: https
      port: 443
      protocol: HTTPS
      hostname: shop.example.com
      tls: { certificateRefs: [{ name: shop-tls }] }
      allowedRoutes: { namespaces: { from: All } }
";

#[test]
fn https_shows_the_certificate_of_the_secret() {
    let secret = secret("shop-tls", &["shop.example.com"]);
    let plan = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, SHOP, ROUTE, &secret]));
    let listener = &file(&plan)["listeners"][0];
    assert_eq!(listener["tls"]["certificates"][0]["key"], "secret:infra/shop-tls/tls.key");
    assert_eq!(
        listener_conditions(&plan, "Gateway", "infra/web", "https"),
        [
            "Accepted=True Accepted",
            "Programmed=True Programmed",
            "ResolvedRefs=True ResolvedRefs",
            "Conflicted=False NoConflicts"
        ]
    );
    compiled(&plan).expect("it compiles");
}

#[test]
fn a_renewed_certificate_is_another_configuration() {
    let before = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, &secret("shop-tls", &["shop.example.com"])]));
    let after = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, &secret("shop-tls", &["shop.example.com"])]));
    assert_ne!(before.digest(), after.digest());
}

#[test]
fn https_without_a_good_certificate_is_not_served() {
    let broken = "kind: Secret\nmetadata: { name: shop-tls, namespace: infra }\ndata: { tls.crt: aGVsbG8=, tls.key: aGVsbG8= }\n";
    for secrets in ["", broken] {
        let plan = plan(&world(&[CLASS, HTTPS, GATEWAY_SERVICE, SHOP, ROUTE, secrets]));
        assert!(plan.file().listeners.is_empty());
        assert_eq!(
            listener_conditions(&plan, "Gateway", "infra/web", "https")[1..3],
            ["Programmed=False Invalid", "ResolvedRefs=False InvalidCertificateRef"]
        );
        assert_eq!(listener_status(&plan, "Gateway", "infra/web", "https")["attachedRoutes"], 1);
    }
}

#[test]
fn a_certificate_of_another_namespace_needs_a_grant() {
    let elsewhere = HTTPS.replace("{ name: shop-tls }", "{ name: shop-tls, namespace: certs }");
    let secret = secret("shop-tls", &["shop.example.com"]).replace("namespace: infra", "namespace: certs");
    let without = plan(&world(&[CLASS, &elsewhere, GATEWAY_SERVICE, &secret]));
    assert_eq!(listener_conditions(&without, "Gateway", "infra/web", "https")[2], "ResolvedRefs=False RefNotPermitted");
    let grant = "
kind: ReferenceGrant
metadata: { name: gateways, namespace: certs }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: infra }]
  to: [{ group: '', kind: Secret }]
";
    let with = plan(&world(&[CLASS, &elsewhere, GATEWAY_SERVICE, &secret, grant]));
    assert_eq!(listener_conditions(&with, "Gateway", "infra/web", "https")[2], "ResolvedRefs=True ResolvedRefs");
}

#[test]
fn a_policy_says_with_which_tls_a_service_is_spoken_to() {
    let policy = "
kind: BackendTLSPolicy
metadata: { name: shop, namespace: shop }
spec:
  targetRefs: [{ group: '', kind: Service, name: shop }]
  validation: { hostname: shop.internal, caCertificateRefs: [{ group: '', kind: ConfigMap, name: ca }] }
";
    let made = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).expect("a certificate can be made");
    let map = json!({ "kind": "ConfigMap", "metadata": { "name": "ca", "namespace": "shop" }, "data": { "ca.crt": made.cert.pem() } });
    let mut with = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, SHOP, ROUTE, policy]);
    let without = plan(&with);
    assert_eq!(
        conditions(&without, "BackendTLSPolicy", "shop/shop"),
        ["Accepted=False NoValidCACertificate", "ResolvedRefs=False InvalidCACertificateRef"]
    );
    assert_eq!(file(&without)["routes"][0]["backends"][0]["name"], "unresolved", "nothing is sent in the clear");
    put(&mut with, map);
    let plan = plan(&with);
    assert_eq!(file(&plan)["backends"]["shop/shop/8080"]["tls"]["serverName"], "shop.internal");
    assert_eq!(
        conditions(&plan, "BackendTLSPolicy", "shop/shop"),
        ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"]
    );
    compiled(&plan).expect("it compiles");
}
