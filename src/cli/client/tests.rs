use super::*;

#[test]
fn addresses_are_read_as_people_write_them() {
    for (text, expected) in [
        ("http://127.0.0.1:9180", Ok("127.0.0.1:9180")),
        ("http://localhost:9180/", Ok("localhost:9180")),
        ("localhost:9180", Ok("localhost:9180")),
        ("http://weir.example.com", Ok("weir.example.com:9180")),
        ("http://[::1]:9180", Ok("[::1]:9180")),
        ("http://me:pw@localhost:9180", Err(())),
        ("http://localhost:9180/releases", Err(())),
        ("ftp://localhost", Err(())),
        ("", Err(())),
    ] {
        assert_eq!(authority(text).as_deref().map_err(|_| ()), expected, "{text:?}");
    }
    assert!(authority("https://localhost:9180").unwrap_err().contains("tunnel"));
}

#[test]
fn nothing_running_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Client::in_state_dir(dir.path(), None).unwrap_err();
    assert!(error.is_not_running());
    assert!(error.to_string().contains("weir run --config FILE"), "{error}");
}

#[tokio::test]
async fn a_file_left_by_a_crash_is_not_a_running_weir() {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secret = format!(r#"{{"address":"{free}","token":"0123456789abcdef"}}"#);
    std::fs::write(Secret::path(dir.path()), secret).unwrap();
    let client = Client::in_state_dir(dir.path(), None).unwrap();
    let error = client.overview().await.unwrap_err();
    assert!(error.is_not_running());
    assert!(error.to_string().contains("admin.json"), "{error}");
}

#[test]
fn whoever_types_is_named_in_plain_characters() {
    let name = user();
    assert!((1..=64).contains(&name.len()));
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte)), "{name}");
}
