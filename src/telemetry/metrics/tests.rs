use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::analysis::Verdict;
use crate::balancer::Balancer;
use crate::health::outlier::OutlierPolicy;
use crate::retry::RetryBudget;
use crate::route::Router;
use crate::snapshot::{Backend, ClientPolicy, Protocol, TrafficKey};
use crate::stats::{PerWorker, bump};
use crate::telemetry::names::Kind;
use crate::types::{Name, Ratio};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn backend(leaves: &Leaves, text: &str) -> Arc<Backend> {
    let address: SocketAddr = "127.0.0.1:9001".parse().unwrap();
    let second = Duration::from_secs(1);
    Arc::new(Backend {
        name: name(text),
        endpoints: vec![leaves.endpoint(&name(text), address, "localhost:9001")],
        protocol: Protocol::Http1,
        tls: None,
        balancer: Balancer::RoundRobin,
        cursor: PerWorker::<AtomicUsize>::new(leaves.workers),
        outlier: OutlierPolicy {
            enabled: false,
            consecutive_failures: 1,
            ejection: second,
            max_ejected: Ratio::percent(50),
        },
        probe: None,
        connect_timeout: second,
        response_timeout: second,
        idle_timeout: second,
        keep_alive: second,
        max_connections: 1,
        max_pending: 1,
        budget: Arc::new(RetryBudget::default()),
    })
}

fn metrics() -> (Metrics, Arc<Leaves>, Arc<Current>) {
    let leaves = Arc::new(Leaves::new(2));
    let second = Duration::from_secs(1);
    let snapshot = Snapshot {
        generation: 1,
        listeners: Vec::new(),
        router: Router::new(Vec::new()),
        backends: BTreeMap::from([(name("shop-v1"), backend(&leaves, "shop-v1"))]),
        releases: BTreeMap::new(),
        client: ClientPolicy {
            connections: 1,
            header_bytes: 1,
            header_count: 1,
            body_bytes: None,
            http2_streams: 1,
            handshake: second,
            header: second,
            keep_alive: second,
            drain_timeout: second,
            drain_delay: second,
        },
        access_log: None,
    };
    let current = Arc::new(Current::new(snapshot));
    (Metrics::new(current.clone(), leaves.clone()), leaves, current)
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
    let (metrics, leaves, _) = metrics();
    traffic(&leaves, "web");
    metrics.decisions.watch(&name("shop"), &["started"]);
    let text = metrics.scrape();
    assert_eq!(text.matches("weir_requests_total{").count(), 6, "{text}");
    assert!(text.contains("weir_release_transitions_total{release=\"shop\",reason=\"started\"} 0"), "{text}");
    assert!(text.contains("weir_config_reloads_total{result=\"failure\"} 0"), "{text}");
}

#[test]
fn every_documented_metric_is_in_a_scrape_and_nothing_else_is() {
    let (metrics, leaves, current) = metrics();
    traffic(&leaves, "web");
    metrics.decisions.count(&name("shop"), "started", Verdict::Inconclusive);
    let text = metrics.scrape();
    drop(current);
    let kinds = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let documented: BTreeSet<_> = ALL
        .iter()
        .filter(|metric| **metric != RELEASE_WEIGHT) // this snapshot has no release
        .map(|metric| format!("# TYPE {} {}", metric.name, kinds(metric.kind)))
        .collect();
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
