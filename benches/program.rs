//! Which weir is measured.

use std::path::{Path, PathBuf, absolute};
use std::process::Command;
use std::sync::LazyLock;

/// The program that `WEIR` names; without it, weir built as it is installed: what cargo builds for a bench has the features
/// that tests need, such as a clock that can be stopped, and is slower for it.
///
/// # Panics
/// When it cannot be built.
pub(crate) fn weir() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::var_os("WEIR").map_or_else(build, |named| absolute(named).expect("WEIR is a path")));
    &PROGRAM
}

fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--profile", "dist", "--locked", "--bin", "weir"]);
    let built = cargo.status().is_ok_and(|status| status.success());
    assert!(built, "cargo build --profile dist failed: build weir yourself, and set WEIR to where it is");
    let beside = Path::new(env!("CARGO_BIN_EXE_weir")).parent().and_then(Path::parent);
    beside.expect("cargo builds into target/release").join("dist/weir")
}
