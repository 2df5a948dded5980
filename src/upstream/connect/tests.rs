use super::*;

#[test]
fn the_name_to_verify_is_the_host_of_the_authority() {
    for (authority, name) in
        [("shop.test:443", "shop.test"), ("10.0.0.1:8443", "10.0.0.1"), ("[2001:db8::1]:443", "2001:db8::1")]
    {
        assert_eq!(server_name(authority).unwrap().to_str(), name);
    }
    let error = server_name("under_score!:1").unwrap_err();
    assert_eq!(error.fault(), Fault::TlsFailed);
    assert!(error.to_string().contains("set serverName"));
}
