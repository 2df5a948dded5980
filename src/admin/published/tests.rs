use super::*;

fn token() -> Token {
    Token::generate().unwrap()
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _published = Published::write(dir.path(), "127.0.0.1:9180".parse().unwrap(), &token(), None).unwrap();
    let mode = fs::metadata(Secret::path(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file is left");
}

#[test]
fn the_command_line_reads_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let token = token();
    let _published = Published::write(dir.path(), "0.0.0.0:9180".parse().unwrap(), &token, None).unwrap();
    let secret = Secret::read(dir.path()).unwrap();
    assert_eq!(secret.address, "127.0.0.1:9180".parse().unwrap());
    assert_eq!(secret.token.as_deref(), Some(token.reveal()));
}

#[test]
fn a_token_from_a_file_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let token = token();
    let _published = Published::write(dir.path(), "127.0.0.1:1".parse().unwrap(), &token, Some(&file)).unwrap();
    let text = fs::read_to_string(Secret::path(dir.path())).unwrap();
    assert!(!text.contains(token.reveal()), "{text}");
    assert_eq!(Secret::read(dir.path()).unwrap().token_file, Some(file));
}

#[test]
fn it_goes_with_the_one_who_wrote_it_and_not_with_another() {
    let dir = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:1".parse().unwrap();
    let first = Published::write(dir.path(), address, &token(), None).unwrap();
    let second = Published::write(dir.path(), address, &token(), None).unwrap();
    drop(first);
    assert!(Secret::path(dir.path()).exists());
    drop(second);
    assert!(!Secret::path(dir.path()).exists());
}

#[test]
fn tokens_are_long_and_never_the_same() {
    let (one, other) = (token(), token());
    assert_eq!(one.reveal().len(), 43);
    assert_ne!(one, other);
    assert!(!format!("{one:?}").contains(one.reveal()));
}

#[test]
fn a_short_token_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    for (text, good) in
        [("too short", false), ("", false), ("0123456789abcdef\nrest", true), ("  0123456789abcdef \n", true)]
    {
        fs::write(&file, text).unwrap();
        assert_eq!(Token::read(&file).is_ok(), good, "{text:?}");
    }
}
