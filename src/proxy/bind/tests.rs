use std::sync::Arc;

use super::*;
use crate::snapshot::Leaves;

fn listener(address: &str) -> Listener {
    Listener {
        name: "web".parse().unwrap(),
        address: address.parse().unwrap(),
        host: Default::default(),
        public_port: None,
        tls: None,
        trusted_proxies: Arc::new([]),
        unrouted: Leaves::new(1).traffic(Default::default()),
    }
}

#[test]
fn port_zero_gives_every_worker_the_same_port() {
    let bound = bind([&listener("127.0.0.1:0")], 3).unwrap();
    assert_ne!(bound[0].address.port(), 0);
    assert_eq!(bound[0].place.address.port(), 0);
    assert_eq!(bound[0].sockets.len(), 3);
    for socket in &bound[0].sockets {
        assert_eq!(socket.local_addr().unwrap(), bound[0].address);
    }
}

#[test]
fn every_socket_of_a_group_takes_connections() {
    let bound = bind([&listener("127.0.0.1:0")], 2).unwrap();
    let clients: Vec<_> = (0..64).map(|_| std::net::TcpStream::connect(bound[0].address).unwrap()).collect();
    let taken: Vec<usize> =
        bound[0].sockets.iter().map(|socket| std::iter::from_fn(|| socket.accept().ok()).count()).collect();
    assert_eq!(taken.iter().sum::<usize>(), clients.len());
    assert!(taken.iter().all(|&count| count > 0), "64 connections on two sockets: {taken:?}");
}

#[test]
fn a_port_that_a_stranger_holds_is_an_error() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap();
    let error = bind([&listener(&address.to_string())], 2).unwrap_err();
    assert!(matches!(error, BindError::Taken { .. }));
    assert!(error.to_string().contains(&format!("{address} is taken")), "{error}");
}

#[test]
fn a_port_that_another_weir_holds_is_an_error_although_it_shares_its_ports() {
    let other = bind([&listener("127.0.0.1:0")], 2).unwrap();
    let error = bind([&listener(&other[0].address.to_string())], 2).unwrap_err();
    assert!(matches!(error, BindError::Taken { .. }), "{error}");
}

#[test]
fn a_port_can_be_bound_again_once_its_sockets_are_closed() {
    let first = bind([&listener("127.0.0.1:0")], 2).unwrap();
    let address = first[0].address.to_string();
    drop(first);
    bind([&listener(&address)], 2).unwrap();
}

#[test]
fn an_address_of_another_machine_is_an_error_with_its_cause() {
    let error = bind([&listener("192.0.2.1:0")], 1).unwrap_err();
    assert!(matches!(error, BindError::Other { .. }), "{error}");
}
