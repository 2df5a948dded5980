use super::super::parse;
use super::*;

/// Everything that is said about `yaml`.
fn said(yaml: &str) -> String {
    let loaded = match parse(std::path::Path::new("weir.yaml"), yaml.to_owned()) {
        Ok(loaded) => loaded,
        Err(problems) => return problems.to_string(),
    };
    match compile(&loaded, &Leaves::new(1), &Resolved::new(), 1) {
        Ok(compiled) => compiled.warnings.to_string(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn look() {
    for text in std::fs::read_to_string("/tmp/bad.txt").unwrap().split("=====\n") {
        println!("-------------------------------------------------------\n{text}-----------\n{}", said(text));
    }
}
