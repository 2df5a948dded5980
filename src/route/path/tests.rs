use proptest::prelude::*;

use super::*;

fn normal(path: &str) -> String {
    normalise_path(path).unwrap().into_owned()
}

#[test]
fn a_normal_path_is_borrowed() {
    for path in ["/", "/shop", "/shop/", "/a//b", "/a.b/..c/.well-known", "/a;v=1/b:c@d,e!$&'()*+=~"] {
        assert!(matches!(normalise_path(path), Ok(Cow::Borrowed(same)) if same == path), "{path}");
    }
}

#[test]
fn unreserved_characters_are_decoded_and_nothing_else() {
    assert_eq!(normal("/%73hop/%7Euser/%2d"), "/shop/~user/-");
    assert_eq!(normal("/a%20b/%3a/%c3%A9"), "/a%20b/%3A/%C3%A9");
    assert_eq!(normal("/%252e%252e/x"), "/%252e%252e/x", "decoded once");
}

#[test]
fn what_is_not_allowed_plain_is_encoded() {
    assert_eq!(normal("/café"), "/caf%C3%A9");
    assert_eq!(normal("/{id}|x"), "/%7Bid%7D%7Cx");
    assert_eq!(normal("/%7Bid%7D%7Cx"), "/%7Bid%7D%7Cx");
}

#[test]
fn dot_segments_are_removed() {
    for (path, expected) in [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/.", "/"),
        ("/a/..", "/"),
        ("/a/%2E%2e/b", "/b"),
        ("/a/%2e", "/a/"),
        ("/a/b/c/../../d", "/a/d"),
        ("/.../..a/a..", "/.../..a/a.."),
    ] {
        assert_eq!(normal(path), expected, "{path}");
    }
}

#[test]
fn what_backends_disagree_about_is_refused() {
    use PathError::*;
    for (path, error) in [
        ("", NotAbsolute),
        ("*", NotAbsolute),
        ("a", NotAbsolute),
        ("/%", BadEscape),
        ("/%4", BadEscape),
        ("/%zz", BadEscape),
        ("/%+1", BadEscape),
        ("/%é", BadEscape),
        ("/a%2fb", EncodedSlash),
        ("/a%2Fb", EncodedSlash),
        ("/a\\b", Backslash),
        ("/a%5cb", Backslash),
        ("/a%00", Zero),
        ("/a\0", Zero),
        ("/a/..;/b", DotParameter),
        ("/a/..;x=1/b", DotParameter),
        ("/a/.;/b", DotParameter),
        ("/a/%2e%2e;/b", DotParameter),
        ("/a/..%3b/b", DotParameter),
        ("/..", AboveRoot),
        ("/a/../../b", AboveRoot),
        ("/%2e%2e/b", AboveRoot),
        ("/a//../b", DotsAfterEmpty),
        ("//..", DotsAfterEmpty),
    ] {
        assert_eq!(normalise_path(path), Err(error), "{path}");
    }
}

/// Paths of the pieces that matter.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "//", ".", "..", ";", "a", "b", "%2e", "%2E", "%2f", "%5c", "%61", "%25", "%3b", "%20", " ", "é", "\\",
        "%", "%0",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn a_normal_form_is_its_own(path in prop_oneof![tricky(), "/.{0,30}"]) {
        if let Ok(normal) = normalise_path(&path) {
            prop_assert_eq!(normalise_path(&normal), Ok(Cow::Borrowed(&*normal)));
        }
    }

    #[test]
    fn a_normal_form_has_no_dot_segments_and_no_doubt(path in tricky()) {
        if let Ok(normal) = normalise_path(&path) {
            prop_assert!(normal.starts_with('/'));
            prop_assert!(normal.bytes().all(|b| is_plain(b) || b == b'%'), "{}", normal);
            prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".." && !segment.starts_with("..;")));
            let lower = normal.to_ascii_lowercase();
            prop_assert!(!["%2e", "%2f", "%5c", "%00"].iter().any(|bad| lower.contains(bad)), "{}", normal);
        }
    }

    #[test]
    fn encoding_unreserved_characters_changes_nothing(path in "(/[a-z0-9~_-]{1,5}){1,4}", which: prop::sample::Index) {
        let at = which.index(path.len() - 1) + 1;
        prop_assume!(path.as_bytes()[at] != b'/');
        let encoded = format!("{}%{:02x}{}", &path[..at], path.as_bytes()[at], &path[at + 1..]);
        prop_assert_eq!(normal(&encoded), path);
    }
}
