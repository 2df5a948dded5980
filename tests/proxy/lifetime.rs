//! Draining and reloading: nothing is lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::backend::{Backend, ok};
use super::gateway::{Gateway, eventually, everything_to};
use super::wire::{Wire, get};

const LONG: Duration = Duration::from_secs(20);

/// A backend that answers when it is told to.
fn held() -> (Backend, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::serving(move |_, stream| {
        use std::io::Write;
        let _ = wait.lock().unwrap().recv();
        stream.write_all(&ok("done")).is_err()
    });
    (backend, go)
}

#[test]
fn a_request_under_way_is_finished_while_draining_and_says_that_it_is_the_last() {
    let (backend, go) = held();
    let gateway = Gateway::to(backend.address);
    let address = gateway.address();
    let mut wire = Wire::connect(address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(|| backend.seen().first().cloned());
    let draining = std::thread::spawn(move || gateway.drain(LONG));
    eventually(|| std::net::TcpStream::connect(address).is_err().then_some(()));
    go.send(()).unwrap();
    let reply = wire.reply();
    assert_eq!((reply.text().as_str(), reply.field("connection").as_deref()), ("done", Some("close")));
    assert!(wire.is_closed());
    draining.join().unwrap();
}

#[test]
fn while_weir_leaves_everybody_is_served_and_told_to_connect_anew() {
    let backend = Backend::saying("ok");
    let gateway = Gateway::to(backend.address);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut idle = Wire::connect(gateway.address());
    assert_eq!(idle.send(request).reply().field("connection"), None);
    gateway.workers.as_ref().unwrap().leave();
    let mut told = eventually(|| {
        let mut wire = Wire::connect(gateway.address());
        let reply = wire.send(request).reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
        (reply.field("connection").as_deref() == Some("close")).then_some(wire)
    });
    assert!(told.is_closed(), "as it said");
    // Nobody is cut off: who was idle is told by the answer to what it asks next.
    let reply = idle.send(request).reply();
    assert_eq!((reply.text().as_str(), reply.field("connection").as_deref()), ("ok", Some("close")));
    assert!(idle.is_closed());
    assert_eq!(get(gateway.address(), "/").status, 200, "the listener is open");
}

#[test]
fn draining_ends_at_its_deadline() {
    let (backend, _go) = held();
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(|| backend.seen().first().cloned());
    gateway.drain(Duration::from_millis(50));
    assert!(wire.try_reply(true).is_none_or(|reply| reply.status == 503));
}

#[test]
fn draining_under_load_loses_nothing() {
    let backend = Backend::saying("ok");
    let gateway = Gateway::to(backend.address);
    let address = gateway.address();
    let served = Arc::new(AtomicUsize::new(0));
    let visitors: Vec<_> = (0..8)
        .map(|_| {
            let served = served.clone();
            std::thread::spawn(move || {
                let mut wire = Wire::connect(address);
                loop {
                    let reply = wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
                    assert_eq!(reply.status, 200);
                    served.fetch_add(1, Ordering::Relaxed);
                    if reply.field("connection").as_deref() == Some("close") {
                        return;
                    }
                }
            })
        })
        .collect();
    eventually(|| (served.load(Ordering::Relaxed) > 200).then_some(()));
    gateway.drain(LONG);
    for visitor in visitors {
        visitor.join().expect("every request is answered, and the last says so");
    }
}

#[test]
fn several_workers_answer_and_count_every_request_of_a_load_once() {
    let backend = Backend::saying("ok");
    let log = "proxy: { workers: 4, accessLog: { format: text, template: '%REQ(:PATH)%' } }";
    let gateway = Gateway::to_with(backend.address, log);
    let address = gateway.address();
    let visitors: Vec<_> = (0..16)
        .map(|visitor| {
            std::thread::spawn(move || {
                for connection in 0..5 {
                    let mut wire = Wire::connect(address);
                    for request in 0..20 {
                        let path = format!("/{visitor}/{connection}/{request}");
                        let reply = wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).reply();
                        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
                    }
                }
            })
        })
        .collect();
    for visitor in visitors {
        visitor.join().expect("every request is answered");
    }
    let mut lines = gateway.log.lines(1600);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 1600, "a request was logged twice");
    let mut seen: Vec<_> = backend.seen().iter().map(|seen| seen.line.clone()).collect();
    assert_eq!(seen.len(), 1600);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1600, "a request was sent twice");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_drain() {
    let backend = Backend::saying("ok");
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    gateway.drain(LONG);
    assert!(wire.is_closed());
}

#[test]
fn a_reload_keeps_sockets_and_connections_and_changes_routes_at_once() {
    let (old, new) = (Backend::saying("old"), Backend::saying("new"));
    let web = "[{ name: web, address: '127.0.0.1:0' }]";
    let mut gateway = Gateway::with_listeners(web, &everything_to(old.address));
    let address = gateway.address();
    let mut wire = Wire::connect(address);
    assert_eq!(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().text(), "old");
    gateway.reload(web, &everything_to(new.address)).unwrap();
    assert_eq!(gateway.address(), address);
    assert_eq!(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().text(), "new");
}

#[test]
fn a_reload_binds_what_is_new_and_drains_what_is_gone() {
    let backend = Backend::saying("ok");
    let rest = everything_to(backend.address);
    let mut gateway = Gateway::with_listeners("[{ name: one, address: '127.0.0.1:0' }]", &rest);
    let first = gateway.address();
    let mut wire = Wire::connect(first);
    assert_eq!(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().status, 200);
    gateway.reload("[{ name: two, address: '127.0.0.1:0' }]", &rest).unwrap();
    let second = gateway.address();
    assert_ne!(first, second);
    assert_eq!(get(second, "/").status, 200);
    let last = wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").try_reply(true);
    assert!(last.is_none_or(|reply| reply.status == 200 && reply.field("connection").is_some()));
    eventually(|| std::net::TcpStream::connect(first).is_err().then_some(()));
}

#[test]
fn a_reload_to_a_port_that_is_taken_changes_nothing() {
    let backend = Backend::saying("ok");
    let rest = everything_to(backend.address);
    let mut gateway = Gateway::with_listeners("[{ name: one, address: '127.0.0.1:0' }]", &rest);
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("[{{ name: two, address: '{}' }}]", stranger.local_addr().unwrap());
    let error = gateway.reload(&taken, &rest).unwrap_err();
    assert!(error.to_string().contains("is taken"), "{error}");
    assert_eq!(get(gateway.address(), "/").status, 200);
}

#[test]
fn reloads_under_load_lose_nothing() {
    let (old, new) = (Backend::saying("old"), Backend::saying("new"));
    let web = "[{ name: web, address: '127.0.0.1:0' }]";
    let mut gateway = Gateway::with_listeners(web, &everything_to(old.address));
    let (address, stop) = (gateway.address(), Arc::new(AtomicBool::new(false)));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut wire = Wire::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().status, 200);
                }
            })
        })
        .collect();
    for round in 0..20 {
        let backend = if round % 2 == 0 { &new } else { &old };
        let before = backend.seen().len();
        gateway.reload(web, &everything_to(backend.address)).unwrap();
        eventually(|| (backend.seen().len() > before + 5).then_some(()));
    }
    stop.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.join().expect("no request failed");
    }
}

#[test]
fn a_client_that_goes_away_ends_the_work_for_it() {
    let (gone, is_gone) = mpsc::channel();
    let gone = Mutex::new(gone);
    let backend = Backend::serving(move |_, stream| {
        use std::io::Read;
        let _ = gone.lock().unwrap().send(stream.read(&mut [0; 1]).unwrap_or(0));
        true
    });
    let gateway = Gateway::to_with(
        backend.address,
        "proxy: { workers: 1, accessLog: { format: text, template: '%RESPONSE_CODE% %RESPONSE_FLAGS%' } }",
    );
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(|| backend.seen().first().cloned());
    wire.abort();
    assert_eq!(is_gone.recv_timeout(LONG).unwrap(), 0);
    assert_eq!(gateway.log.lines(1), ["0 DC"]);
}
