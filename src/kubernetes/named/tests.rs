use super::*;
use crate::kubernetes::testing::world;

const CLASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weir }
spec: { controllerName: weir.dev/gateway-controller }
";

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: weir
  listeners: []
  tls:
    frontend:
      default: { validation: { caCertificateRefs: [{ group: '', kind: ConfigMap, name: clients }] } }
      perPort:
        - port: 8443
          tls: { validation: { caCertificateRefs: [{ group: '', kind: ConfigMap, name: far, namespace: certs }] } }
";

const POLICY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: tls, namespace: shop }
spec:
  targetRefs: [{ group: '', kind: Service, name: app }]
  validation: { hostname: app.test, caCertificateRefs: [{ group: '', kind: ConfigMap, name: backends }] }
";

const GRANT: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: grant, namespace: certs }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: shop }]
  to: [{ group: '', kind: ConfigMap }]
";

fn maps(documents: &[&str]) -> Vec<String> {
    let named = named(&world(documents), "weir.dev/gateway-controller");
    let key = |one: Named| match one {
        Named::ConfigMap(key) | Named::Secret(key) => key.to_string(),
    };
    named.into_iter().map(key).collect()
}

#[test]
fn authorities_are_followed_where_they_are_named_and_may_be() {
    assert_eq!(maps(&[CLASS, GATEWAY, POLICY]), ["shop/backends", "shop/clients"]);
    assert_eq!(maps(&[CLASS, GATEWAY, POLICY, GRANT]), ["certs/far", "shop/backends", "shop/clients"]);
}

#[test]
fn what_others_gateways_name_is_not_weirs_business() {
    assert_eq!(maps(&[&CLASS.replace("weir.dev/", "example.com/"), GATEWAY]), [""; 0]);
}

#[test]
fn the_secret_of_a_releases_testers_is_followed() {
    let release = "
apiVersion: weir.dev/v1alpha1
kind: CanaryRelease
metadata: { name: app, namespace: shop }
spec:
  targetRef: { kind: Deployment, name: app }
  overrides: [{ to: canary, header: x-tester, valueFrom: { name: testers, key: word } }]
";
    let world = world(&[release]);
    assert_eq!(named(&world, "any"), [Named::Secret(Key::new("shop", "testers"))].into());
}
