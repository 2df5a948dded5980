use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

#[test]
fn the_folder_is_made_for_its_owner_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("state/weir");
    let state = StateDir::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(state.traces().is_dir());
    assert_eq!(state.path(), path);
}

#[test]
fn two_weirs_do_not_share_a_folder() {
    let dir = TempDir::new().unwrap();
    let first = StateDir::open(dir.path()).unwrap();
    let error = StateDir::open(dir.path()).unwrap_err().to_string();
    let process = std::process::id();
    assert!(error.contains(&format!("in use by another weir (process {process}): stop that one")), "{error}");
    drop(first);
    StateDir::open(dir.path()).expect("the lock ends with its holder");
}

#[test]
fn a_folder_that_cannot_be_used_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = StateDir::open(&file.join("state")).unwrap_err();
    assert!(matches!(&error, StateError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().ends_with("give weir its rights, or another one with --state-dir"), "{error}");
    let nowhere = dir.path().join("nowhere");
    symlink("/proc/self/does-not-exist", &nowhere).unwrap();
    assert!(StateDir::open(&nowhere).is_err());
}
