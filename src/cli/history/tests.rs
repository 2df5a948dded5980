use super::*;

const LINE: &str = r#"{"time":"2026-11-21T14:00:00.000Z","release":"shop","stable":"shop-v1","canary":"shop-v2","reason":{"kind":"started"},"from":"0%","state":{"rollout":"r","attempt":1,"phase":"progressing","step":0,"weight":"1%","started":"2026-11-21T14:00:00.000Z","stepStarted":"2026-11-21T14:00:00.000Z","ended":null},"report":{},"message":"the rollout of shop-v2 began"}"#;

#[test]
fn a_torn_last_line_costs_that_line_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("journal.jsonl"), format!("{LINE}\n{}", &LINE[..90])).unwrap();
    let entries = read_journal(dir.path(), None).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].message, "the rollout of shop-v2 began");
}

#[test]
fn only_the_release_that_was_asked_for_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let other = LINE.replace(r#""release":"shop""#, r#""release":"cart""#);
    std::fs::write(dir.path().join("journal.jsonl"), format!("{LINE}\n{other}\n")).unwrap();
    assert_eq!(read_journal(dir.path(), Some("cart")).unwrap().len(), 1);
    assert_eq!(read_journal(dir.path(), None).unwrap().len(), 2);
    assert!(read_journal(dir.path(), Some("nope")).unwrap_err().to_string().contains("nope"));
}

#[test]
fn no_journal_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read_journal(dir.path(), None).unwrap_err().to_string().contains("journal.jsonl"));
}
