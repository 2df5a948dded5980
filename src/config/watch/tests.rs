use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Longer than anything here takes: only a failure waits for it.
const FOREVER: Duration = Duration::from_secs(20);

async fn told(watch: &mut Watch) {
    timeout(FOREVER, watch.changed()).await.expect("the change is told");
}

fn watching(path: &Path) -> Watch {
    Watch::new([path.to_owned()].into())
}

#[tokio::test]
async fn a_rewritten_file_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.yaml");
    fs::write(&path, "a").unwrap();
    let mut watch = watching(&path);
    fs::write(&path, "b").unwrap();
    told(&mut watch).await;
}

#[tokio::test]
async fn a_file_put_in_the_place_of_another_is_told_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, new) = (directory.path().join("weir.yaml"), directory.path().join("new"));
    fs::write(&path, "0").unwrap();
    let mut watch = watching(&path);
    for round in 1..4 {
        fs::write(&new, round.to_string()).unwrap();
        fs::rename(&new, &path).unwrap();
        told(&mut watch).await;
    }
}

#[tokio::test]
async fn the_swap_of_a_link_two_levels_up_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for version in ["1", "2", "3"] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("weir.yaml"), version).unwrap();
    }
    symlink("1", at("..data")).unwrap();
    symlink("..data/weir.yaml", at("weir.yaml")).unwrap();
    let mut watch = watching(&at("weir.yaml"));
    for version in ["2", "3"] {
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        told(&mut watch).await;
    }
}

#[tokio::test]
async fn a_file_that_appears_later_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.crt");
    let mut watch = watching(&path);
    fs::write(&path, "a").unwrap();
    told(&mut watch).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_contents_are_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.yaml");
    fs::write(&path, "a").unwrap();
    let mut watch = watching(&path);
    fs::write(&path, "a").unwrap();
    fs::write(directory.path().join("other"), "b").unwrap();
    let minute = Duration::from_secs(60);
    assert!(timeout(minute, watch.changed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn without_events_a_change_is_found_by_looking() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.yaml");
    fs::write(&path, "a").unwrap();
    let mut watch = Watch { watcher: None, ..watching(&path) };
    fs::write(&path, "b").unwrap();
    told(&mut watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_set_of_files_forgets_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let mut watch = watching(&old);
    watch.follow([new.clone()].into());
    fs::write(&old, "a").unwrap();
    assert!(timeout(Duration::from_secs(60), watch.changed()).await.is_err());
    fs::write(&new, "a").unwrap();
    told(&mut watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_reload_is_told_by_the_next_call() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.yaml");
    let mut watch = watching(&path);
    fs::write(&path, "a").unwrap();
    watch.follow([path.clone()].into());
    told(&mut watch).await;
}

#[test]
fn all_files_of_a_configuration_are_watched() {
    let file: File = serde_json::from_value(serde_json::json!({
            "listeners": [{ "name": "a", "address": "127.0.0.1:1",
                "tls": { "certificates": [{ "certificate": "a.crt", "key": "/keys/a.key" }] } }],
            "backends": { "b": { "endpoints": ["127.0.0.1:2"],
                "tls": { "ca": "ca.crt", "clientCertificate": { "certificate": "c.crt", "key": "c.key" } } } },
            "releases": { "r": { "stable": "b", "canary": "c",
                "overrides": [{ "to": "canary", "header": "x", "valueFile": "secret" }] } },
            "admin": { "tokenFile": "token" },
    }))
    .unwrap();
    let loaded = Loaded::from_file(file, "/etc/weir/weir.yaml");
    let names: Vec<_> = files(&loaded).into_iter().map(|path| path.display().to_string()).collect();
    let expected = [
        "/etc/weir/a.crt",
        "/etc/weir/c.crt",
        "/etc/weir/c.key",
        "/etc/weir/ca.crt",
        "/etc/weir/secret",
        "/etc/weir/token",
        "/etc/weir/weir.yaml",
        "/keys/a.key",
    ];
    assert_eq!(names, expected);
}
