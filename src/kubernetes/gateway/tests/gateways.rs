//! Gateways, and the Services that lead to them.

use serde_json::json;

use super::{CLASS, GATEWAY, GATEWAY_SERVICE, ROUTE, SHOP, file};
use crate::kubernetes::plan::Plan;
use crate::kubernetes::testing::{conditions, listener_conditions, plan, plan_without, status, world};

#[test]
fn a_gateway_gets_a_service_whose_ports_lead_to_ports_of_weirs_pods() {
    let plan = plan(&world(&[CLASS, GATEWAY]));
    let [service] = plan.applies() else { panic!("one Service: {:?}", plan.applies()) };
    assert_eq!(service.key.to_string(), "infra/weir-web");
    assert_eq!(
        service.object["spec"]["ports"],
        json!([{ "name": "port-80", "port": 80, "targetPort": 20000, "protocol": "TCP" }])
    );
    assert_eq!(service.object["spec"]["type"], "LoadBalancer");
    assert_eq!(service.object["metadata"]["ownerReferences"][0]["uid"], "abc");
    assert!(plan.file().listeners.is_empty(), "nobody knows the port before the Service says it");
    assert_eq!(
        conditions(&plan, "Gateway", "infra/web"),
        ["Accepted=True Accepted", "Programmed=False AddressNotAssigned"]
    );
}

#[test]
fn a_gateway_is_served_at_the_port_that_its_service_leads_to() {
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE]));
    let listener = &file(&plan)["listeners"][0];
    assert_eq!(listener["name"], "infra/web/http");
    assert_eq!(listener["address"], "0.0.0.0:20007");
    assert_eq!(listener["publicPort"], 80);
    assert_eq!(conditions(&plan, "Gateway", "infra/web"), ["Accepted=True Accepted", "Programmed=True Programmed"]);
    let status = status(&plan, "Gateway", "infra/web");
    assert_eq!(status["addresses"], json!([{ "type": "IPAddress", "value": "192.0.2.10" }]));
    assert_eq!(status["conditions"][0]["observedGeneration"], 7);
}

#[test]
fn an_address_that_is_asked_for_is_there_or_not_usable() {
    let asks = |addresses: &str| GATEWAY.replace("spec:", &format!("spec:\n  addresses: [{addresses}]"));
    let programmed = |addresses: &str, service: &[&str]| {
        let gateway = asks(addresses);
        let plan = plan(&world(&[&[CLASS, gateway.as_str()][..], service].concat()));
        conditions(&plan, "Gateway", "infra/web")[1].clone()
    };
    let one = |address: &str| format!("{{ type: IPAddress, value: {address} }}");
    assert_eq!(programmed(&one("192.0.2.10"), &[GATEWAY_SERVICE]), "Programmed=True Programmed");
    let both = format!("{}, {}", one("192.0.2.99"), one("192.0.2.10"));
    for (addresses, service) in
        [(one("192.0.2.99"), &[GATEWAY_SERVICE][..]), (both, &[GATEWAY_SERVICE]), (one("192.0.2.99"), &[])]
    {
        assert_eq!(programmed(&addresses, service), "Programmed=False AddressNotUsable", "{addresses}");
    }
}

#[test]
fn a_gateway_that_is_refused_programs_no_listener() {
    let asks = GATEWAY.replace("spec:", "spec:\n  addresses: [{ type: Hostname, value: shop.example.com }]");
    let plan = plan(&world(&[CLASS, &asks, GATEWAY_SERVICE]));
    assert!(conditions(&plan, "Gateway", "infra/web").contains(&"Accepted=False UnsupportedAddress".to_owned()));
    let listener = listener_conditions(&plan, "Gateway", "infra/web", "http");
    assert!(listener.contains(&"Programmed=False Invalid".to_owned()), "{listener:?}");
}

#[test]
fn a_gateway_of_another_class_is_left_alone() {
    let foreign = GATEWAY.replace("gatewayClassName: weir", "gatewayClassName: other");
    let plan = plan(&world(&[CLASS, &foreign, SHOP, ROUTE]));
    assert!(plan.statuses().iter().all(|write| write.kind == "GatewayClass" && write.key.name == "weir"));
    assert!(plan.applies().is_empty() && plan.file().routes.is_empty());
}

#[test]
fn a_gateway_whose_port_cannot_be_had_keeps_no_other_from_being_served() {
    let taken = GATEWAY.replace("name: web", "name: taken").replace("port: 80,", "port: 8080,");
    let service = GATEWAY_SERVICE.replace("weir-web", "weir-taken").replace("20007", "20017").replace("20008", "20018");
    let service = service.replace("port: 80,", "port: 8080,");
    let world = world(&[CLASS, GATEWAY, GATEWAY_SERVICE, &taken, &service, SHOP, ROUTE]);
    let first = plan(&world);
    let of = |plan: &Plan, port: u16| {
        let listeners = &plan.file().listeners;
        listeners.iter().find(|listener| listener.address.port() == port).map(|listener| listener.name.clone())
    };
    let rejected = first.blame_listener(&of(&first, 20_017).unwrap(), "10.0.0.1:20017 is taken");
    assert_eq!(rejected.keys().map(|origin| origin.key.to_string()).collect::<Vec<_>>(), ["infra/taken"]);
    let second = plan_without(&world, &rejected);
    assert!(of(&second, 20_017).is_none() && of(&second, 20_007).is_some());
    let told = conditions(&second, "Gateway", "infra/taken");
    assert!(told.iter().any(|condition| condition.starts_with("Programmed=False")), "{told:?}");
}

#[test]
fn the_services_of_gateways_lead_to_the_pods_of_weir_that_are_ready() {
    let pod = |name: &str, ip: &str, ready: &str| {
        format!(
            "kind: Pod\nmetadata: {{ name: {name}, namespace: weir-system, labels: {{ app.kubernetes.io/name: weir }} }}\n\
             spec: {{ nodeName: n1, containers: [] }}\nstatus: {{ podIP: {ip}, conditions: [{{ type: Ready, status: '{ready}' }}] }}\n"
        )
    };
    let pods = [pod("a", "10.1.0.1", "True"), pod("b", "10.1.0.2", "False")];
    let plan = plan(&world(&[CLASS, GATEWAY, GATEWAY_SERVICE, &pods[0], &pods[1]]));
    let slice = plan.applies().iter().find(|apply| apply.kind == "EndpointSlice").expect("a slice");
    let endpoints = slice.object["endpoints"].as_array().expect("endpoints");
    assert_eq!(endpoints.iter().map(|e| e["addresses"][0].clone()).collect::<Vec<_>>(), ["10.1.0.1"]);
    assert_eq!(endpoints[0]["nodeName"], "n1");
    assert_eq!(slice.object["ports"][0], json!({ "name": "port-80", "port": 20007, "protocol": "TCP" }));
}

#[test]
fn the_service_of_a_gateway_that_is_anothers_now_is_deleted() {
    let unknown = plan(&world(&[GATEWAY, GATEWAY_SERVICE]));
    assert!(unknown.deletes().is_empty(), "a class that cannot be read costs nobody an address");
    let foreign = GATEWAY.replace("gatewayClassName: weir", "gatewayClassName: other");
    let made = |by: &str| {
        GATEWAY_SERVICE.replace("labels:", &format!("annotations: {{ weir.dev/controller: {by} }}, labels:"))
    };
    let others = plan(&world(&[CLASS, &foreign, &made("example.com/other")]));
    assert!(others.deletes().is_empty(), "two controllers do not fight");
    let plan = plan(&world(&[CLASS, &foreign, &made("weir.dev/gateway-controller")]));
    assert_eq!(plan.deletes().iter().map(ToString::to_string).collect::<Vec<_>>(), ["infra/weir-web"]);
}
