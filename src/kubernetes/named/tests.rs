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

const RELEASE: &str = "
apiVersion: weir.dev/v1alpha1
kind: CanaryRelease
metadata: { name: app, namespace: shop }
spec:
  targetRef: { kind: Deployment, name: app }
  overrides: [{ to: canary, header: x-tester, valueFrom: { name: testers, key: word } }]
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
    let world = world(&[RELEASE]);
    assert_eq!(named(&world, "any"), [Named::Secret(Key::new("shop", "testers"))].into());
}

#[test]
fn what_names_something_unheard_of_is_held_back_as_it_was_and_nothing_else() {
    let before = world(&[CLASS, &GATEWAY.replace("clients", "known")]);
    let now = world(&[
        CLASS,
        GATEWAY,
        &GATEWAY.replace("name: web", "name: other").replace("clients", "known"),
        POLICY,
        RELEASE,
    ]);
    let maps = ["clients", "backends"].map(|name| Named::ConfigMap(Key::new("shop", name)));
    let unheard = maps.into_iter().chain([Named::Secret(Key::new("shop", "testers"))]).collect();
    let held = held_back(&now, &before, "weir.dev/gateway-controller", &unheard);
    let gateway = |name: &str| format!("{:?}", held.gateways.get("shop", name));
    assert!(gateway("web").contains("known") && !gateway("web").contains("clients"), "as it was");
    assert!(gateway("other").contains("known"), "it names nothing that is unheard of");
    assert!(held.backend_tls_policies.is_empty() && held.canary_releases.is_empty(), "they were not there");
    let told = held_back(&now, &before, "weir.dev/gateway-controller", &BTreeSet::new());
    assert_eq!((told.gateways.len(), told.backend_tls_policies.len(), told.canary_releases.len()), (2, 1, 1));
}
