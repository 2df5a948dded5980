//! The house keeps its shape: which way dependencies point, and what the pure layers may not touch.

use std::path::{Path, PathBuf};

/// Modules from the ground up. A module uses only modules in rows below its own; a longer name is more particular.
const LAYERS: &[&[&str]] = &[
    &["types"],
    &["clock"],
    &["stats"],
    &["analysis"],
    &["rollout"],
    &["simulate"],
    &["outcome", "http1", "log_template", "split", "route", "cors"],
    &["endpoint", "failures"],
    &["balancer", "retry", "health::outlier"],
    &["snapshot", "socket", "http2"],
    &["upstream"],
    &["config", "health::probe"],
    &["engine", "proxy", "telemetry"],
    &["admin", "cli::render"],
    &["kubernetes"],
    &["app"],
    &["cli::render"],
    &["demo", "import"],
    &["cli"],
];

/// The first row that may do I/O; everything below is pure.
const FIRST_IMPURE: &str = "snapshot";

/// Modules above that row which are pure all the same.
const PURE_ABOVE: &[&str] = &[
    "kubernetes::endpoints",
    "kubernetes::gateway",
    "kubernetes::named",
    "kubernetes::plan",
    "kubernetes::services",
    "kubernetes::settings",
    "kubernetes::world",
];

#[test]
fn every_dependency_points_down() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some((from, rank)) = layer(&module_of(&file)) else { continue };
        for (line, used) in uses(&text) {
            match layer(&used) {
                None => wrong.push(format!("{}:{line}: `{used}` has no layer", file.display())),
                Some((to, used_rank)) if to != from && used_rank >= rank => {
                    wrong.push(format!(
                        "{}:{line}: `{from}` uses `{to}`, which does not stand below it",
                        file.display()
                    ));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_layer() {
    let missing: Vec<_> = sources()
        .map(|(file, _)| module_of(&file))
        .filter(|module| !matches!(module.as_str(), "lib" | "main" | "health") && layer(module).is_none())
        .collect();
    assert!(missing.is_empty(), "give these a row in LAYERS: {missing:?}");
}

#[test]
fn the_pure_layers_know_no_runtime_and_no_clock() {
    let (_, first_impure) = layer(FIRST_IMPURE).expect("it is in LAYERS");
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        let pure = PURE_ABOVE.iter().any(|name| module == *name || module.starts_with(&format!("{name}::")));
        if module == "clock" || !pure && layer(&module).is_none_or(|(_, rank)| rank >= first_impure) {
            continue;
        }
        for (number, line) in production(&text) {
            for word in
                ["tokio::", "hyper::", "hyper_util::", "Instant::now", "SystemTime::now", "std::fs", "std::net::Tcp"]
            {
                if line.contains(word) {
                    wrong.push(format!("{}:{number}: {word}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "pure code is told the time and does no I/O:\n{}", wrong.join("\n"));
}

/// The layer of a module path such as `health::outlier::tests`: its name and its row.
fn layer(module: &str) -> Option<(&'static str, usize)> {
    let rows = LAYERS.iter().enumerate();
    let named = rows.flat_map(|(rank, row)| row.iter().map(move |name| (*name, rank)));
    named
        .filter(|(name, _)| module == *name || module.starts_with(&format!("{name}::")))
        .max_by_key(|(name, _)| name.len())
}

/// The modules that `use crate::...` lines of production code name, with their line numbers.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in production(text) {
        for part in line.split("crate::").skip(1) {
            let path = part.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap_or("");
            found.push((number, path.trim_end_matches(':').to_owned()));
        }
    }
    found
}

/// Lines of code: no comments, and nothing from the tests at the end.
fn production(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// `src/health/outlier.rs` is `health::outlier`.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).expect("sources() walks src");
    let text = inside.with_extension("").to_string_lossy().replace('/', "::");
    text.trim_end_matches("::mod").to_owned()
}

/// Every source file that is not a test, with its text.
fn sources() -> impl Iterator<Item = (PathBuf, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.into_iter().map(|file| {
        let text = std::fs::read_to_string(&file).expect("a source file is readable");
        (file, text)
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(&path, files);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
