use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use super::*;
use crate::config::{self, Resolved};
use crate::snapshot::TrafficKey;
use crate::stats::bump;
use crate::telemetry::names::Kind;
use crate::types::{Name, Ratio};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Of a release `shop` on listeners `web` and `tls`, which has moved three times.
fn metrics() -> (Metrics, Arc<Leaves>, Arc<Current>) {
    let leaves = Arc::new(Leaves::new(2));
    let loaded = config::parse(Path::new("weir.yaml"), CONFIG.to_owned()).unwrap();
    let compiled = config::compile(&loaded, &leaves, &Resolved::new(), 1).unwrap();
    let current = Arc::new(Current::new(compiled.snapshot));
    let decisions = || Decisions::from([((name("shop"), "errors"), 1), ((name("shop"), "step_passed"), 2)]);
    (Metrics::new(current.clone(), leaves.clone(), decisions, || true), leaves, current)
}

fn traffic(leaves: &Leaves, listener: &str) -> Arc<crate::snapshot::Traffic> {
    let key = TrafficKey { listener: listener.into(), route: "r".into(), backend: "shop-v1".into() };
    leaves.traffic(key)
}

/// Samples of a scrape: the whole series text to its value.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line:?}")))
        .map(|(series, value)| (series, value.parse().unwrap_or_else(|_| panic!("not a number: {value:?}"))))
        .collect()
}

#[test]
fn workers_are_summed_at_the_scrape() {
    let (metrics, leaves, _) = metrics();
    let web = traffic(&leaves, "web");
    for worker in [0, 0, 1] {
        let live = web.of(worker);
        bump(&live.begun);
        bump(&live.classes[1]);
        bump(&live.durations[2]);
        live.duration_micros.fetch_add(12_500, Ordering::Relaxed);
    }
    bump(&web.of(1).begun);
    let text = metrics.scrape();
    let samples = samples(&text);
    let labels = r#"listener="web",route="r",backend="shop-v1",code="2xx""#;
    assert_eq!(samples[format!("weir_requests_total{{{labels}}}").as_str()], 3.0);
    assert_eq!(samples[r#"weir_requests_in_flight{route="r",backend="shop-v1"}"#], 1.0);
    assert_eq!(samples[r#"weir_request_duration_seconds_bucket{route="r",backend="shop-v1",le="0.01"}"#], 0.0);
    assert_eq!(samples[r#"weir_request_duration_seconds_bucket{route="r",backend="shop-v1",le="0.015"}"#], 3.0);
    assert_eq!(samples[r#"weir_request_duration_seconds_bucket{route="r",backend="shop-v1",le="+Inf"}"#], 3.0);
    assert_eq!(samples[r#"weir_request_duration_seconds_count{route="r",backend="shop-v1"}"#], 3.0);
    assert!((samples[r#"weir_request_duration_seconds_sum{route="r",backend="shop-v1"}"#] - 0.0375).abs() < 1e-9);
}

#[test]
fn listeners_are_apart_in_requests_and_together_in_durations() {
    let (metrics, leaves, _) = metrics();
    for listener in ["web", "tls"] {
        let live = traffic(&leaves, listener);
        bump(&live.of(0).classes[4]);
        bump(&live.of(0).durations[0]);
    }
    let text = metrics.scrape();
    assert_eq!(text.matches(r#"code="5xx"} 1"#).count(), 2, "{text}");
    assert_eq!(samples(&text)[r#"weir_request_duration_seconds_count{route="r",backend="shop-v1"}"#], 2.0);
}

#[test]
fn series_are_there_before_the_first_request() {
    let (metrics, ..) = metrics();
    let text = metrics.scrape();
    for series in [
        r#"weir_requests_total{listener="tls",route="r",backend="shop-v2",code="5xx"} 0"#,
        r#"weir_requests_total{listener="web",route="",backend="",code="4xx"} 0"#,
        r#"weir_upstream_duration_seconds_count{route="r",backend="shop-v1"} 0"#,
        r#"weir_release_transitions_total{release="shop",reason="latency"} 0"#,
        r#"weir_config_reloads_total{result="failure"} 0"#,
    ] {
        assert!(text.contains(&format!("\n{series}\n")), "{series}\n{text}");
    }
}

#[test]
fn decisions_are_counted_by_reason_and_by_verdict() {
    let (metrics, ..) = metrics();
    let text = metrics.scrape();
    let samples = samples(&text);
    assert_eq!(samples[r#"weir_release_transitions_total{release="shop",reason="step_passed"}"#], 2.0);
    assert_eq!(samples[r#"weir_release_verdicts_total{release="shop",verdict="pass"}"#], 2.0);
    assert_eq!(samples[r#"weir_release_verdicts_total{release="shop",verdict="fail"}"#], 1.0);
    assert_eq!(samples[r#"weir_release_verdicts_total{release="shop",verdict="inconclusive"}"#], 0.0);
}

#[test]
fn the_weight_in_force_is_a_ratio() {
    let (metrics, _, current) = metrics();
    current.load().releases[&name("shop")].live.set_weight(Ratio::percent(5));
    assert_eq!(samples(&metrics.scrape())[r#"weir_release_weight_ratio{release="shop"}"#], 0.05);
}

#[test]
fn every_documented_metric_is_in_a_scrape_and_nothing_else_is() {
    let (metrics, ..) = metrics();
    let text = metrics.scrape();
    let word = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let documented: BTreeSet<_> =
        ALL.iter().map(|metric| format!("# TYPE {} {}", metric.name, word(metric.kind))).collect();
    let scraped: BTreeSet<_> = text.lines().filter(|line| line.starts_with("# TYPE")).map(str::to_owned).collect();
    assert_eq!(scraped, documented);
}

#[test]
fn names_follow_the_conventions() {
    for metric in ALL {
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert!(metric.name.starts_with("weir_") || metric.name.starts_with("process_"), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
        for forbidden in ["path", "url", "user", "host"] {
            assert!(!metric.labels.contains(&forbidden), "{}", metric.name);
        }
    }
}

#[test]
fn a_refused_file_shows_until_a_good_one() {
    let (metrics, ..) = metrics();
    let now = Timestamp::from_secs(1_795_269_600);
    metrics.reloads.failed("weir.yaml:3:1: no backend `shop-v3`", now);
    let text = metrics.scrape();
    assert!(text.contains("\nweir_config_last_reload_successful 0\n"), "{text}");
    assert!(text.contains("weir_config_reloads_total{result=\"failure\"} 1"), "{text}");
    assert!(metrics.reloads.last().problems.is_some_and(|problems| problems.contains("shop-v3")));
    metrics.reloads.succeeded(2, now);
    let text = metrics.scrape();
    assert!(text.contains("\nweir_config_last_reload_successful 1\n"), "{text}");
    assert!(text.contains("\nweir_config_last_reload_success_timestamp_seconds 1795269600\n"), "{text}");
    assert_eq!(metrics.reloads.last().problems, None);
}

#[test]
fn an_endpoint_whose_probes_fail_is_not_healthy() {
    let (metrics, _, current) = metrics();
    let series = r#"weir_endpoint_healthy{backend="shop-v1",endpoint="127.0.0.1:9001"}"#;
    assert_eq!(samples(&metrics.scrape())[series], 1.0);
    let snapshot = current.load_full();
    snapshot.backends[&name("shop-v1")].endpoints[0].probed_healthy.store(false, Ordering::Relaxed);
    assert_eq!(samples(&metrics.scrape())[series], 0.0);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let (metrics, ..) = metrics();
    let text = metrics.scrape();
    let samples = samples(&text);
    assert!(samples["process_resident_memory_bytes"] > 1e5);
    assert!(samples["process_open_fds"] >= 3.0 && samples["process_max_fds"] >= samples["process_open_fds"]);
    assert!(samples["process_cpu_seconds_total"] >= 0.0);
}

const CONFIG: &str = r#"
listeners:
  - { name: web, address: "127.0.0.1:8080" }
  - { name: tls, address: "127.0.0.1:8443" }
routes:
  - { name: r, release: shop }
backends:
  shop-v1: { endpoints: ["127.0.0.1:9001"] }
  shop-v2: { endpoints: ["127.0.0.1:9002"] }
releases:
  shop: { stable: shop-v1, canary: shop-v2 }
"#;
