use std::os::unix::fs::PermissionsExt;

use super::*;

/// A rollout in which these clients have failed.
fn live(clients: &[u64]) -> ReleaseLive {
    let live = ReleaseLive::new(1, Default::default());
    clients.iter().for_each(|&client| assert!(live.failed_clients().insert(client)));
    live
}

/// Who has failed, by the file alone.
fn read(trace: &Path) -> Vec<u64> {
    let live = live(&[]);
    ClientsFile::resume(trace, &live);
    live.failed_clients().after(0).to_vec()
}

#[test]
fn clients_are_known_again_after_a_restart_and_nobody_else_may_read_who() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("shop-0123456789abcdef-1.csv");
    let mut file = ClientsFile::begin(&trace);
    file.write(&live(&[]));
    assert!(!dir.path().join("shop-0123456789abcdef-1.clients").exists(), "nobody has failed");
    file.write(&live(&[7]));
    file.write(&live(&[7, 8, u64::MAX]));
    let mode = fs::metadata(&file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = live(&[]);
    let mut file = ClientsFile::resume(&trace, &again);
    assert!(again.failed_clients().insert(9) && !again.failed_clients().insert(8));
    file.write(&again);
    assert_eq!(read(&trace), [7, 8, u64::MAX, 9]);
    // A rollout that knows more than its file.
    let mut file = ClientsFile::resume(&trace, &live(&[1]));
    file.write(&live(&[1, 7, 8, u64::MAX, 9]));
    assert_eq!(read(&trace), [7, 8, u64::MAX, 9, 1]);
}

#[test]
fn a_torn_line_costs_that_line() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("shop.csv");
    fs::write(path(&trace), "0000000000000007\nnot a client\n00000").unwrap();
    assert_eq!(read(&trace), [7]);
    let again = live(&[]);
    let mut file = ClientsFile::resume(&trace, &again);
    assert!(again.failed_clients().insert(8));
    file.write(&again);
    assert_eq!(read(&trace), [7, 8]);
}

#[test]
fn another_attempt_begins_with_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("shop.csv");
    ClientsFile::begin(&trace).write(&live(&[7]));
    assert_eq!(read(&trace), [7]);
    ClientsFile::begin(&trace);
    assert!(read(&trace).is_empty());
}
