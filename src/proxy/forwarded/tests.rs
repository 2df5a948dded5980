use super::*;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn client(peer: &str, xff: &[&str], trusted: &[&str]) -> Client {
    let fields: Vec<_> = xff.iter().map(|value| ("x-forwarded-for", *value)).collect();
    Client::of(peer.parse().unwrap(), &headers(&fields), &nets(trusted))
}

fn applied(trust: Trust, fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = headers(fields);
    let authority = HeaderValue::from_static("shop.example.com");
    let peer = address_value("192.0.2.7".parse().unwrap());
    let origin = Origin { peer: &peer, scheme: "https", authority: &authority };
    let seen = Seen::of(&headers);
    apply(&mut headers, seen, trust, &origin);
    headers
}

#[test]
fn nobody_is_believed_by_default() {
    let client = client("192.0.2.7", &["203.0.113.9"], &[]);
    assert_eq!(client, Client { address: "192.0.2.7".parse().unwrap(), trust: Trust::Stranger });
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let client = client("10.0.0.1", &["203.0.113.9"], &["10.0.0.0/8"]);
    assert_eq!(client, Client { address: "203.0.113.9".parse().unwrap(), trust: Trust::Proxy });
}

#[test]
fn what_stands_left_of_the_first_stranger_may_be_invented() {
    let client = client("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], &["10.0.0.0/8"]);
    assert_eq!(client.address.to_string(), "203.0.113.9");
}

#[test]
fn the_last_field_is_the_latest() {
    let client = client("10.0.0.1", &["1.1.1.1", "203.0.113.9"], &["10.0.0.0/8"]);
    assert_eq!(client.address.to_string(), "203.0.113.9");
}

#[test]
fn an_entry_that_is_no_address_ends_the_search() {
    let client = client("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], &["10.0.0.0/8"]);
    assert_eq!(client.address.to_string(), "10.0.0.2");
}

#[test]
fn addresses_may_have_ports_brackets_and_be_mapped() {
    for text in ["203.0.113.9:80", "::ffff:203.0.113.9", "[::ffff:203.0.113.9]:80", "[::ffff:203.0.113.9]"] {
        assert_eq!(client("10.0.0.1", &[text], &["10.0.0.0/8"]).address.to_string(), "203.0.113.9", "{text}");
    }
    assert_eq!(client("::ffff:10.0.0.1", &["203.0.113.9"], &["10.0.0.0/8"]).trust, Trust::Proxy);
}

#[test]
fn a_strangers_claims_are_replaced() {
    let headers = applied(
        Trust::Stranger,
        &[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
        ],
    );
    assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), ["192.0.2.7"]);
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "shop.example.com");
    assert!(!headers.contains_key("forwarded") && !headers.contains_key("x-real-ip"));
}

#[test]
fn a_trusted_proxys_claims_are_kept_and_the_peer_is_appended() {
    let headers = applied(
        Trust::Proxy,
        &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"), ("x-forwarded-proto", "http")],
    );
    assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), ["1.1.1.1, 2.2.2.2, 192.0.2.7"]);
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-host"], "shop.example.com");
}

#[test]
fn a_request_id_is_kept_from_a_trusted_proxy_alone() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut from_proxy = headers(&[("x-request-id", "abc")]);
    assert_eq!(request_id(&mut from_proxy, Trust::Proxy, &mut rng), "abc");
    let mut from_stranger = headers(&[("x-request-id", "abc")]);
    let made = request_id(&mut from_stranger, Trust::Stranger, &mut rng);
    assert_ne!(made, "abc");
    assert_eq!(from_stranger["x-request-id"], made);
    let mut long = headers(&[("x-request-id", &"x".repeat(129))]);
    assert_eq!(request_id(&mut long, Trust::Proxy, &mut rng).len(), 36);
}

#[test]
fn a_new_id_is_a_random_uuid() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let id = new_id(&mut rng);
        let text = id.to_str().unwrap();
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&text[14..15], "4");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    }
}
