//! What is in `deploy/`: it is what the code says, and it is consistent in itself. What needs a cluster is tried in one.

mod examples;
mod manifests;
mod monitoring;
mod roles;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// `deploy/PATH`.
fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every document of a YAML file.
fn documents(file: &Path) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The YAML files of a folder and the folders in it.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The objects of the kustomize base.
fn base() -> Vec<Value> {
    let file = |value: &Value| value.as_str().map(|name| path("kustomize/base").join(name)).expect("a name");
    let resources = documents(&path("kustomize/base/kustomization.yaml"))[0]["resources"].clone();
    resources.as_array().expect("a list").iter().flat_map(|name| documents(&file(name))).collect()
}

/// The object of the base with this kind and name.
fn object(kind: &str, name: &str) -> Value {
    let all = base();
    let found = all.into_iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("the base has no {kind} {name}"))
}
