//! Listeners: whose they are, and which cannot be.

use serde_json::json;

use super::{CLASS, GATEWAY, GATEWAY_SERVICE};
use crate::kubernetes::testing::{conditions, listener_conditions, listener_status, plan, status, world};

#[test]
fn a_listener_set_adds_to_a_gateway_that_lets_it_and_gives_way_to_what_was_there() {
    let set = "
kind: ListenerSet
metadata: { name: more, namespace: infra }
spec:
  parentRef: { name: web }
  listeners:
    - { name: same, port: 80, protocol: HTTP }
    - { name: own, port: 80, protocol: HTTP, hostname: own.example.com }
    - { name: tls, port: 80, protocol: HTTPS }
    - { name: raw, port: 80, protocol: TCP }
";
    let closed = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, set]));
    assert_eq!(
        conditions(&closed, "ListenerSet", "infra/more"),
        ["Accepted=False NotAllowed", "Programmed=False NotAllowed"]
    );
    assert_eq!(status(&closed, "Gateway", "infra/web")["attachedListenerSets"], 0);

    let gateway = GATEWAY.replace("  listeners:", "  allowedListeners: { namespaces: { from: Same } }\n  listeners:");
    let open = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, set]));
    assert_eq!(
        conditions(&open, "ListenerSet", "infra/more"),
        ["Accepted=True ListenersNotValid", "Programmed=True Programmed"]
    );
    let conditions_of = |listener: &str| listener_conditions(&open, "ListenerSet", "infra/more", listener);
    assert_eq!(conditions_of("same")[0], "Accepted=False HostnameConflict");
    assert_eq!(conditions_of("same")[3], "Conflicted=True HostnameConflict");
    assert_eq!(conditions_of("tls")[0], "Accepted=False ProtocolConflict");
    assert_eq!(conditions_of("raw")[0], "Accepted=False ProtocolConflict", "whatever weir speaks, the port is taken");
    assert_eq!(conditions_of("own")[0], "Accepted=True Accepted");
    let names: Vec<_> = open.file().listeners.iter().map(|listener| listener.name.to_string()).collect();
    assert_eq!(names, ["infra/web/http", "infra/web/infra/more/own"]);
    assert_eq!(status(&open, "Gateway", "infra/web")["attachedListenerSets"], 1);

    let bare = "
kind: ListenerSet
metadata: { name: more, namespace: infra }
spec: { parentRef: { name: web }, listeners: [{ name: tls, port: 443, protocol: HTTPS }] }
";
    let bare = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE, bare]));
    assert_eq!(
        conditions(&bare, "ListenerSet", "infra/more"),
        ["Accepted=False ListenersNotValid", "Programmed=False ListenersNotValid"]
    );
}

#[test]
fn unknown_protocols_and_kinds_are_told() {
    let gateway = GATEWAY.replace(
        "  listeners:\n",
        "  listeners:\n    - { name: tcp, port: 90, protocol: TCP }\n    - { name: odd, port: 91, protocol: HTTP, allowedRoutes: { kinds: [{ kind: OddRoute }] } }\n",
    );
    let plan = plan(&world(&[CLASS, &gateway, GATEWAY_SERVICE]));
    assert_eq!(conditions(&plan, "Gateway", "infra/web")[0], "Accepted=True ListenersNotValid");
    assert_eq!(listener_conditions(&plan, "Gateway", "infra/web", "tcp")[0], "Accepted=False UnsupportedProtocol");
    assert_eq!(listener_status(&plan, "Gateway", "infra/web", "tcp")["supportedKinds"], json!([]));
    assert_eq!(listener_conditions(&plan, "Gateway", "infra/web", "odd")[2], "ResolvedRefs=False InvalidRouteKinds");
}
