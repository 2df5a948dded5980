//! Against a name server of our own, over UDP.

use std::cell::RefCell;
use std::rc::Rc;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;

use super::super::testing::run;
use super::*;

/// What the server says: to each name its addresses with a TTL, or a failure. Unknown names do not exist.
type Zone = Rc<RefCell<HashMap<&'static str, Result<(Vec<&'static str>, u32), ResponseCode>>>>;

/// A resolver, its server's zone, and the names that were asked for.
async fn resolver(search: &[&str]) -> (Resolver, Zone, Rc<RefCell<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut connection = ConnectionConfig::udp();
    connection.port = socket.local_addr().unwrap().port();
    let server = NameServerConfig::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true, vec![connection]);
    let (zone, asked) = (Zone::default(), Rc::new(RefCell::new(Vec::new())));
    tokio::task::spawn_local(serve(socket, zone.clone(), asked.clone()));
    let search = search.iter().map(|name| name.parse().unwrap()).collect();
    let mut options = ResolverOpts::default();
    options.attempts = 0;
    (Resolver::with(ResolverConfig::from_parts(None, search, vec![server]), options), zone, asked)
}

async fn serve(socket: UdpSocket, zone: Zone, asked: Rc<RefCell<Vec<String>>>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let mut message = Message::from_vec(&buffer[..length]).unwrap();
        let query = message.queries[0].clone();
        let name = query.name().to_string().to_lowercase();
        asked.borrow_mut().push(name.clone());
        message.metadata.message_type = MessageType::Response;
        match zone.borrow().get(name.as_str()) {
            None => message.metadata.response_code = ResponseCode::NXDomain,
            Some(Err(code)) => message.metadata.response_code = *code,
            Some(Ok((addresses, ttl))) => {
                let addresses = addresses.iter().map(|text| RData::from(text.parse::<IpAddr>().unwrap()));
                let fitting = addresses.filter(|data| data.record_type() == query.query_type());
                message.answers = fitting.map(|data| Record::from_rdata(query.name().clone(), *ttl, data)).collect();
            }
        }
        socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
    }
}

fn hosts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn literals_and_localhost_need_no_server() {
    run(async {
        let (mut resolver, _, asked) = resolver(&[]).await;
        let resolved = resolver.resolve(hosts(&["10.0.0.1", "::1", "[::1]", "localhost"])).await;
        assert_eq!(resolved["10.0.0.1"], ips(&["10.0.0.1"]));
        assert_eq!(resolved["::1"], ips(&["::1"]));
        assert_eq!(resolved["[::1]"], ips(&["::1"]));
        assert_eq!(resolved["localhost"], ips(&["127.0.0.1"]));
        assert_eq!(*asked.borrow(), [""; 0]);
    });
}

#[test]
fn a_name_has_all_its_addresses_in_one_order() {
    run(async {
        let (mut resolver, zone, _) = resolver(&[]).await;
        let addresses = vec!["10.0.0.2", "10.0.0.1", "2001:db8::1", "10.0.0.2"];
        zone.borrow_mut().insert("shop.test.", Ok((addresses, 60)));
        let resolved = resolver.resolve(hosts(&["shop.test", "gone.test"])).await;
        assert_eq!(resolved["shop.test"], ips(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]));
        assert_eq!(resolved["gone.test"], ips(&[]));
    });
}

#[test]
fn search_domains_are_tried_after_the_name_itself() {
    run(async {
        let (mut resolver, zone, asked) = resolver(&["corp.test."]).await;
        zone.borrow_mut().insert("api.v1.corp.test.", Ok((vec!["10.0.0.1"], 60)));
        zone.borrow_mut().insert("api.v2.", Ok((vec!["10.0.0.2"], 60)));
        let resolved = resolver.resolve(hosts(&["api.v1", "api.v2"])).await;
        assert_eq!((&resolved["api.v1"], &resolved["api.v2"]), (&ips(&["10.0.0.1"]), &ips(&["10.0.0.2"])));
        assert!(!asked.borrow().contains(&"api.v2.corp.test.".to_owned()));
    });
}

#[test]
fn a_name_is_asked_for_again_when_its_ttl_ends_and_only_a_change_is_told() {
    run(async {
        let (mut resolver, zone, asked) = resolver(&[]).await;
        zone.borrow_mut().insert("shop.test.", Ok((vec!["10.0.0.1", "10.0.0.2"], 1)));
        resolver.resolve(hosts(&["shop.test"])).await;
        let first = asked.borrow().len();
        // The other way round is the same.
        zone.borrow_mut().insert("shop.test.", Ok((vec!["10.0.0.2", "10.0.0.1"], 1)));
        let change = async {
            while asked.borrow().len() < first + 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            zone.borrow_mut().insert("shop.test.", Ok((vec!["10.0.0.3"], 1)));
        };
        let (changed, ()) = tokio::join!(resolver.changed(), change);
        assert_eq!(changed["shop.test"], ips(&["10.0.0.3"]));
        assert!(asked.borrow().len() >= first + 4);
    });
}

#[test]
fn a_failing_server_takes_no_address_away_but_an_absent_name_has_none() {
    run(async {
        // The search domain knows nothing of it; that is no reason to believe that it is gone.
        let (mut resolver, zone, asked) = resolver(&["corp.test."]).await;
        zone.borrow_mut().insert("shop.test.", Ok((vec!["10.0.0.1"], 1)));
        resolver.resolve(hosts(&["shop.test"])).await;
        zone.borrow_mut().insert("shop.test.", Err(ResponseCode::ServFail));
        let before = asked.borrow().len();
        let fail = async {
            while asked.borrow().len() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = resolver.changed() => panic!("a failure is not a change"),
            () = fail => {}
        }
        let kept = resolver.resolve(hosts(&["shop.test"])).await;
        assert_eq!(kept["shop.test"], ips(&["10.0.0.1"]));
        zone.borrow_mut().remove("shop.test.");
        assert_eq!(resolver.changed().await["shop.test"], ips(&[]));
    });
}

#[test]
fn names_that_are_not_wanted_any_more_are_forgotten() {
    run(async {
        let (mut resolver, zone, _) = resolver(&[]).await;
        zone.borrow_mut().insert("a.test.", Ok((vec!["10.0.0.1"], 60)));
        zone.borrow_mut().insert("b.test.", Ok((vec!["10.0.0.2"], 60)));
        assert_eq!(resolver.resolve(hosts(&["a.test"])).await.len(), 1);
        let resolved = resolver.resolve(hosts(&["b.test"])).await;
        assert_eq!(resolved, HashMap::from([("b.test".to_owned(), ips(&["10.0.0.2"]))]));
    });
}
