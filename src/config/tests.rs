use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::snapshot::Leaves;

/// The catalogue of everything that can be wrong: titles, texts and what is said about them.
const CATALOGUE: &str = "src/config/tests/problems.txt";

/// Sections for what a case leaves out.
const BASE: [(&str, &str); 4] = [
    ("listeners", "[{ name: web, address: \"127.0.0.1:8080\" }]"),
    ("routes", "[{ release: shop }]"),
    ("backends", "{ v1: { endpoints: [\"127.0.0.1:9001\"] }, v2: { endpoints: [\"127.0.0.1:9002\"] } }"),
    ("releases", "{ shop: { stable: v1, canary: v2 } }"),
];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether golden files are to be written instead of compared: `WEIR_BLESS=1 cargo test config`.
fn blessing() -> bool {
    std::env::var_os("WEIR_BLESS").is_some()
}

/// A directory with certificates, keys and secrets of all kinds.
fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let year = |year: i32| rcgen::date_time_ymd(year, 1, 1);
    let pair = |name: &str, from: i32, to: i32| {
        let mut params = rcgen::CertificateParams::new(vec!["shop.example.com".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (year(from), year(to));
        let key = rcgen::KeyPair::generate().unwrap();
        write(&format!("{name}.crt"), &params.self_signed(&key).unwrap().pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    };
    for name in ["tls/shop", "tls/wildcard", "tls/ca", "tls/client", "good", "other"] {
        pair(name, 2020, 2120);
    }
    pair("expired", 2020, 2021);
    pair("future", 2119, 2120);
    write("empty.pem", "");
    write("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    write("secrets/canary", "0123456789abcdef\n");
    write("secrets/admin", "0123456789abcdef\n");
    write("short", "abc\n");
    directory
}

/// Everything that is said about `text` in `directory`.
fn said(directory: &Path, text: &str) -> String {
    let problems = match parse(&directory.join("weir.yaml"), text.to_owned()) {
        Ok(loaded) => match compile(&loaded, &Leaves::new(1), &Resolved::new(), 1) {
            Ok(compiled) => compiled.warnings,
            Err(problems) => problems,
        },
        Err(problems) => problems,
    };
    problems.to_string().replace(&format!("{}/", directory.display()), "")
}

/// A case of the catalogue, completed.
fn completed(case: &str) -> String {
    let mut text = case.to_owned();
    if case.starts_with("# alone") {
        return text;
    }
    for (key, value) in BASE {
        if !case.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            text.push_str(&format!("{key}: {value}\n"));
        }
    }
    text
}

#[test]
fn every_problem_is_told_as_in_the_catalogue() {
    let directory = files();
    let catalogue = fs::read_to_string(source(CATALOGUE)).unwrap();
    let mut fresh = String::new();
    for case in catalogue.split_inclusive("\n~~~~\n").filter(|case| case.trim() != "") {
        let (title, rest) = case.trim_end_matches("~~~~\n").split_once('\n').unwrap();
        let (text, _) = rest.split_once("----\n").unwrap_or((rest, ""));
        let said = said(directory.path(), &completed(text));
        fresh.push_str(&format!("{title}\n{text}----\n{said}\n~~~~\n"));
    }
    if blessing() {
        fs::write(source(CATALOGUE), &fresh).unwrap();
    }
    similar(&catalogue, &fresh);
}

/// Compares case by case, so that a failure shows the one that differs.
fn similar(expected: &str, found: &str) {
    if blessing() {
        return;
    }
    for (expected, found) in expected.split("~~~~\n").zip(found.split("~~~~\n")) {
        assert_eq!(expected, found, "\n--- expected\n{expected}\n--- found\n{found}");
    }
    assert_eq!(expected.len(), found.len());
}

#[test]
fn no_case_of_the_catalogue_passes_unnoticed() {
    let catalogue = fs::read_to_string(source(CATALOGUE)).unwrap();
    for case in catalogue.split("~~~~\n").filter(|case| case.trim() != "") {
        let said = case.split_once("----\n").unwrap().1;
        assert!(case.starts_with("## fine: ") == said.starts_with("no problems"), "{case}");
    }
}

fn examples() -> Vec<PathBuf> {
    let entries = fs::read_dir(source("config")).unwrap().map(|entry| entry.unwrap().path());
    let mut yaml: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    yaml.sort();
    assert!(yaml.len() >= 7);
    yaml
}

#[test]
fn every_example_can_be_put_in_force_without_a_warning() {
    let directory = files();
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(said(directory.path(), &text), "no problems", "{}", path.display());
    }
}

/// All keys of all structures in the schema.
fn keys(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                into.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        _ => {}
    }
}

#[test]
fn the_full_example_mentions_every_key() {
    let text = fs::read_to_string(source("config/full.yaml")).unwrap();
    let mut all = BTreeSet::new();
    keys(&json_schema(), &mut all);
    assert!(all.len() > 100, "{all:?}");
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let missing: Vec<_> = all.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_schema_file_is_the_schema() {
    let fresh = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    let path = source("config/weir.schema.json");
    if blessing() {
        fs::write(&path, &fresh).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    assert!(there == fresh, "config/weir.schema.json is out of date: run `WEIR_BLESS=1 cargo test config`");
}

#[test]
fn nothing_is_lost_between_the_file_and_its_typed_form() {
    let directory = files();
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = parse(&directory.path().join("weir.yaml"), text).unwrap();
        let json = serde_json::to_string(&loaded.file).unwrap();
        let again = parse(&directory.path().join("weir.yaml"), json.clone()).unwrap();
        assert_eq!(serde_json::to_string(&again.file).unwrap(), json, "{}", path.display());
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let problems = load(Path::new("/nowhere/weir.yaml")).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "/nowhere/weir.yaml: error: cannot be opened: no such file or directory\n\n1 error"
    );
}

#[test]
fn a_file_that_is_not_text_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.yaml");
    fs::write(&path, b"listeners:\n  - \xff\n").unwrap();
    let problems = load(&path).unwrap_err();
    assert_eq!(problems.list[0].message, "is not UTF-8 text: line 2 has a byte that cannot be there");
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(load(&path).unwrap_err().list[0].message, "is larger than 1 MiB, the most that is read");
}

#[test]
fn aliases_of_aliases_are_refused_before_they_fill_the_memory() {
    let mut text = "x-a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("x-a{level}: &a{level} [{refs}]\n"));
    }
    let problems = parse(Path::new("weir.yaml"), text).unwrap_err();
    assert_eq!(problems.list[0].message, "the configuration has more than 200000 values, aliases written out");
}

#[test]
fn deep_nesting_is_refused() {
    for text in [format!("a: {}", "[".repeat(100_000)), format!("a: {}", "{a: ".repeat(1000)), deep_block()] {
        assert!(parse(Path::new("weir.yaml"), text).is_err());
    }
}

fn deep_block() -> String {
    (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()
}

#[test]
fn problems_come_in_the_order_of_the_file() {
    let text =
        "listeners: [{ name: web, address: x, foo: 1 }, { name: web }]\nroutes: [{ backend: a, timeout: 5 }]\nfoo: 1\n";
    let problems = parse(Path::new("weir.yaml"), text.to_owned()).unwrap_err();
    let places: Vec<_> = problems.list.iter().filter_map(|p| p.place.as_ref()).map(|p| (p.line, p.column)).collect();
    assert!(places.is_sorted() && places.len() >= 5, "{places:?}");
}

/// Texts that look like configuration: pieces of it, in any order, cut anywhere.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("listeners:\n".to_owned()),
        Just("  - name: web\n".to_owned()),
        Just("    address: 127.0.0.1:8080\n".to_owned()),
        Just("routes: [{ release: shop, match: { path: { exact: /a } } }]\n".to_owned()),
        Just("backends: { a: &a { endpoints: [\"127.0.0.1:1\"] }, b: { <<: *a } }\n".to_owned()),
        Just("releases:\n  shop: { stable: a, canary: b, steps: [1%, { weight: 5% }] }\n".to_owned()),
        "[ \\t\\n:\\-?&*!|>'\"%@`{}\\[\\],#a-z0-9]{0,12}",
        ".{0,8}",
    ];
    (proptest::collection::vec(pieces, 0..12), any::<prop::sample::Index>()).prop_map(|(pieces, cut)| {
        let text = pieces.concat();
        let end = cut.index(text.len() + 1);
        let end = (end..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        if end % 2 == 0 { text[..end].to_owned() } else { text }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_loading_panic(text in nearly_yaml()) {
        match parse(Path::new("weir.yaml"), text) {
            Ok(loaded) => {
                let _ = compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).map_err(|problems| problems.to_string());
                let _ = effective(&loaded).to_string();
            }
            Err(problems) => {
                prop_assert!(problems.errors() > 0);
                let _ = problems.to_string();
            }
        }
    }
}
