use std::path::Path;

use super::*;
use crate::config::parse;

fn of(yaml: &str) -> Effective {
    effective(&parse(Path::new("weir.yaml"), yaml.to_owned()).unwrap())
}

fn line<'a>(shown: &'a str, path: &str) -> &'a str {
    let mut lines = shown.lines().filter(|line| line.split(' ').next() == Some(path));
    let line = lines.next().unwrap_or_else(|| panic!("no {path} in\n{shown}"));
    assert_eq!(lines.next(), None, "{path} twice");
    line
}

const YAML: &str = "\
listeners:
  - name: web
    address: 127.0.0.1:8080
routes:
  - release: shop
    retry: { attempts: 3 }
backends:
  v1: { endpoints: [\"127.0.0.1:9001\"], timeouts: { connect: 500ms } }
  v2: { endpoints: [\"127.0.0.1:9002\"] }
releases:
  shop:
    stable: v1
    canary: v2
    steps: [5%, { weight: 50%, pause: true }]
";

#[test]
fn every_value_has_its_line_or_its_reason() {
    let shown = of(YAML).to_string();
    let words = |path| line(&shown, path).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("listeners[0].address"), "listeners[0].address 127.0.0.1:8080 weir.yaml:3");
    assert_eq!(words("routes[0].retry.attempts"), "routes[0].retry.attempts 3 weir.yaml:6");
    assert_eq!(words("backends.v1.timeouts.connect"), "backends.v1.timeouts.connect 500ms weir.yaml:8");
    assert!(words("backends.v2.timeouts.connect").starts_with("backends.v2.timeouts.connect 2s default: "));
    assert!(words("backends.v2.balancer").starts_with("backends.v2.balancer leastLatency default: "));
    assert_eq!(words("releases.shop.steps[1].pause"), "releases.shop.steps[1].pause true weir.yaml:14");
    assert!(words("releases.shop.analysis.errorRate.bad").contains("1.5x + 0.5% default: "));
    assert!(words("proxy.workers").contains("(one for each core) default: "));
    assert!(words("routes[0].retry.statuses").contains("[502, 503, 504] default: "));
}

#[test]
fn a_preset_shows_the_numbers_that_it_stands_for() {
    let analysis = "    analysis: { preset: fast, falseAbort: 1 in 200 releases, errorRate: { tolerable: 2 times stable + 0.1 points } }\n";
    let shown = of(&format!("{YAML}{analysis}").replace("1.5x", "2x")).to_string();
    let words = |path| line(&shown, path).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("releases.shop.analysis.minimumTime"), "releases.shop.analysis.minimumTime 1m preset fast");
    assert_eq!(
        words("releases.shop.analysis.errorRate.bad"),
        "releases.shop.analysis.errorRate.bad 2x + 1% preset fast"
    );
    assert!(words("releases.shop.analysis.errorRate.tolerable").contains("tolerable 2x + 0.1% weir.yaml:15"));
    assert!(words("releases.shop.analysis.falseAbort").contains("falseAbort 0.5% weir.yaml:15"));
    assert!(words("releases.shop.analysis.onNoEvidence").contains("hold default"));
}

#[test]
fn what_is_switched_off_has_no_defaults() {
    let shown = of(YAML).to_string();
    for absent in ["healthCheck", "mirror", "tls", "cookie", "checks", "redirect"] {
        assert!(!shown.contains(&format!(".{absent}")), "{absent} in\n{shown}");
    }
}

#[test]
fn columns_are_aligned() {
    let shown = of(YAML).to_string();
    let at = |path: &str, text: &str| line(&shown, path).find(text).unwrap();
    assert_eq!(at("proxy.drainTimeout", "default"), at("backends.v1.timeouts.connect", "weir.yaml"));
}

#[test]
fn json_tells_what_was_written_from_what_was_not() {
    let json = serde_json::to_value(of(YAML)).unwrap();
    let entry = |path: &str| json.as_array().unwrap().iter().find(|e| e["path"] == path).unwrap().clone();
    assert_eq!(entry("routes[0].retry.attempts")["origin"]["written"], "weir.yaml:6");
    assert_eq!(entry("routes[0].retry.attempts")["value"], 3);
    assert!(entry("proxy.drainTimeout")["origin"]["default"].is_string());
}

#[test]
fn secrets_are_left_out() {
    let yaml = format!(
        "{YAML}    overrides: [{{ to: canary, header: x-c, value: 0123456789abcdef }}]
    checks: [{{ name: p, webhook: {{ url: \"http://user:hunter22@example.com/hook\" }} }}]
"
    )
    .replace(
        "retry: { attempts: 3 }",
        "filters: { requestHeaders: { set: { Authorization: Bearer-of-secrets, x-plain: S3CRET } } }",
    );
    let shown = of(&yaml).to_string();
    for secret in ["0123456789abcdef", "hunter22", "Bearer-of-secrets", "S3CRET"] {
        assert!(!shown.contains(secret), "{secret} in\n{shown}");
    }
    assert!(shown.contains("http://example.com/(redacted)"), "{shown}");
}

#[test]
fn a_configuration_without_a_text_has_values_too() {
    let loaded = parse(Path::new("weir.yaml"), YAML.to_owned()).unwrap();
    let loaded = Loaded::from_file(loaded.file, "cluster");
    let shown = effective(&loaded).to_string();
    assert!(line(&shown, "listeners[0].address").ends_with("cluster"));
    assert!(line(&shown, "backends.v2.timeouts.connect").contains("default"));
}
