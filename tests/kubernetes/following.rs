//! What changes in the cluster is what weir goes by, within a second and without a request lost.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::harness::{Namespace, Result, connect, demo_app, eventually, get};
use crate::manifests::{gateway, route};
use crate::releases::Visitors;
use crate::weir::{self, pods};

pub async fn endpoints_that_come_and_go_are_followed_within_a_second(ns: Namespace) -> Result {
    ns.apply(&gateway(&ns)).await?;
    ns.apply(&demo_app("shop", "v1", 2)).await?;
    ns.apply(GATED).await?;
    ns.apply(&route("shop")).await?;
    weir::install(&ns, 2).await?;
    let address = ns.address("gateway.networking.k8s.io/v1", "gateways/shop", "/status/addresses/0/value").await?;
    eventually("it answers", async || Ok(get(address, 80, "/").await?.status == 200)).await?;

    let mut seen = vec![Sight::default()];
    let mut watching = vec![watch_slices(&ns, seen[0].clone())];
    for pod in pods(&ns).await? {
        let sight = Sight::default();
        watching.push(poll(&ns, pod, sight.clone()));
        seen.push(sight);
    }
    let followed = async |count: usize| {
        let all = async || {
            Ok(seen.iter().all(|sight| sight.present().len() == count && sight.present() == seen[0].present()))
        };
        eventually(&format!("all know {count} endpoints"), all).await
    };
    followed(2).await?;
    seen.iter().for_each(Sight::begin);
    let visitors = Visitors::come(address);
    for (replicas, open) in [(4, true), (3, false), (5, true), (2, false)] {
        ns.kubectl(&format!("scale deployment/shop --replicas={replicas}")).await?;
        followed(replicas + usize::from(!open)).await?;
        open_gate(&ns, open).await?;
        followed(replicas + usize::from(open)).await?;
    }
    for _ in 0..2 {
        let names = Cell::new(Vec::new());
        eventually("nobody else is on the way out", async || {
            let told = ns.run("kubectl", &["get", "pods", "-l", "app=shop,pod-template-hash", "-o", NAMES], "").await?;
            let all: Vec<_> = told.split_whitespace().map(str::to_owned).collect();
            let two = all.len() == 2;
            names.set(all);
            Ok(two)
        })
        .await?;
        let victim = names.take().swap_remove(0);
        ns.kubectl(&format!("delete pod {victim}")).await?;
        let gone = async || Ok(ns.try_run("kubectl", &["get", "pod", &victim], "").await?.stdout.is_empty());
        eventually("it is gone", gone).await?;
        followed(2).await?;
    }
    watching.iter().for_each(AbortHandle::abort);
    let (told, replicas) = seen.split_first().context("somebody looked")?;
    let mut took = Vec::new();
    for replica in replicas {
        took.extend(replica.behind(told)?);
    }
    within_a_second("a change of an endpoint was followed", took, 2 * 16)?;
    let (visits, failed) = (visitors.seen.v1.get(), visitors.seen.failed.get());
    ensure!(failed == 0, "{failed} of {visits} requests failed, the first by {}", visitors.seen.trouble.borrow());
    ensure!(visits > 100, "only {visits} visits");
    Ok(())
}

pub async fn a_certificate_is_rotated_within_a_second_and_without_a_failed_handshake(ns: Namespace) -> Result {
    let certificates: Vec<Certificate> = (0..=ROTATIONS).map(|_| Certificate::new()).collect::<Result<_>>()?;
    ns.apply(&certificates[0].secret()).await?;
    ns.apply(&gateway(&ns).replace(PLAIN, SECURE)).await?;
    ns.apply(&demo_app("shop", "v1", 2)).await?;
    ns.apply(&route("shop")).await?;
    weir::install(&ns, 2).await?;
    let address = ns.address("gateway.networking.k8s.io/v1", "gateways/shop", "/status/addresses/0/value").await?;
    let client = tls_client(&certificates)?;
    let shown = async || Ok(handshake(&client, (address, 443)).await? == certificates[0].der);
    eventually("the first one is shown", shown).await?;

    let (failed, stop) = (Rc::<RefCell<Vec<String>>>::default(), Rc::new(Cell::new(false)));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (client, failed, stop) = (client.clone(), failed.clone(), stop.clone());
            spawn_local(async move {
                let mut visits = 0_u32;
                while !stop.get() {
                    visits += 1;
                    if let Err(error) = handshake(&client, (address, 443)).await {
                        failed.borrow_mut().push(format!("{error:#}"));
                    }
                    sleep(Duration::from_millis(5)).await;
                }
                visits
            })
        })
        .collect();
    let (replicas, port) = (pods(&ns).await?, weir::port(&ns).await?);
    let mut took = Vec::new();
    for certificate in &certificates[1..] {
        let rotated = rotate(&ns, certificate).await?;
        took.extend(
            futures_util::future::try_join_all(replicas.iter().map(async |replica| {
                while handshake(&client, (replica.address, port)).await? != certificate.der {
                    ensure!(rotated.elapsed() < PATIENCE, "{} shows the old one", replica.name);
                    sleep(POLL).await;
                }
                Ok(rotated.elapsed())
            }))
            .await?,
        );
    }
    stop.set(true);
    for visitor in visitors {
        ensure!(visitor.await? > 10, "nobody came");
    }
    within_a_second("a new certificate was shown", took, 2 * ROTATIONS)?;
    ensure!(failed.borrow().is_empty(), "{:#?}", failed.borrow());
    Ok(())
}

/// Writes the certificate into the Secret; when the API server had it.
async fn rotate(ns: &Namespace, certificate: &Certificate) -> Result<Instant> {
    let secrets: Api<Secret> = Api::default_namespaced(ns.client.clone());
    let patch = Patch::Merge(serde_json::from_str::<serde_json::Value>(&certificate.secret())?);
    secrets.patch("shop-tls", &PatchParams::default(), &patch).await?;
    Ok(Instant::now())
}

/// Which endpoints somebody sees, and when each came or went.
#[derive(Clone, Default)]
struct Sight(Rc<RefCell<Log>>);

#[derive(Default)]
struct Log {
    present: BTreeSet<String>,
    /// By endpoint, one after the other.
    changes: BTreeMap<String, Vec<Instant>>,
}

impl Sight {
    fn sees(&self, now: BTreeSet<String>) {
        let mut log = self.0.borrow_mut();
        let changed: Vec<String> = now.symmetric_difference(&log.present).cloned().collect();
        for endpoint in changed {
            log.changes.entry(endpoint).or_default().push(Instant::now());
        }
        log.present = now;
    }

    fn present(&self) -> BTreeSet<String> {
        self.0.borrow().present.clone()
    }

    /// What has been is forgotten.
    fn begin(&self) {
        self.0.borrow_mut().changes.clear();
    }

    /// How much later each change was seen here.
    fn behind(&self, told: &Self) -> Result<Vec<Duration>> {
        let (here, there) = (self.0.borrow(), told.0.borrow());
        let mut behind = Vec::new();
        for (endpoint, changes) in &there.changes {
            let followed = here.changes.get(endpoint).map(Vec::as_slice).unwrap_or_default();
            ensure!(followed.len() == changes.len(), "{endpoint} changed {changes:?} and was followed {followed:?}");
            behind.extend(followed.iter().zip(changes).map(|(seen, told)| seen.saturating_duration_since(*told)));
        }
        Ok(behind)
    }
}

/// Notes which endpoints of `shop` are ready, as soon as the API server tells.
fn watch_slices(ns: &Namespace, sight: Sight) -> AbortHandle {
    let slices: Api<EndpointSlice> = Api::default_namespaced(ns.client.clone());
    let of_shop = watcher::Config::default().labels("kubernetes.io/service-name=shop");
    spawn_local(async move {
        let mut events = std::pin::pin!(watcher(slices, of_shop));
        while let Some(event) = events.next().await {
            if let Ok(Event::Apply(slice) | Event::InitApply(slice)) = event {
                sight.sees(ready(&slice));
            }
        }
    })
    .abort_handle()
}

/// The endpoints that are to get requests.
fn ready(slice: &EndpointSlice) -> BTreeSet<String> {
    let ports = slice.ports.iter().flatten().filter_map(|port| port.port);
    let of_port = |port: i32| {
        let ready = slice.endpoints.iter().filter(|endpoint| {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            conditions.ready.unwrap_or(true) && !conditions.terminating.unwrap_or(false)
        });
        ready.filter_map(move |endpoint| Some(format!("{}:{port}", endpoint.addresses.first()?)))
    };
    ports.flat_map(of_port).collect()
}

/// Notes which endpoints of `shop` a replica of weir has.
fn poll(ns: &Namespace, pod: weir::Pod, sight: Sight) -> AbortHandle {
    let ns = ns.clone();
    spawn_local(async move {
        loop {
            if let Ok(endpoints) = pod.endpoints(&ns, "shop").await {
                sight.sees(endpoints);
            }
            sleep(POLL).await;
        }
    })
    .abort_handle()
}

/// Lets the pod with a gate become ready, or not ready any more.
async fn open_gate(ns: &Namespace, open: bool) -> Result {
    let status = if open { "True" } else { "False" };
    let patch = json!({ "status": { "conditions": [{ "type": "weir.test/open", "status": status }] } }).to_string();
    let arguments = ["patch", "pod", "gated", "--subresource=status", "-p", &patch];
    ns.run("kubectl", &arguments, "").await.map(drop)
}

/// Prints how long something took, `least` times or more. Half of it within a second: the machine is busy with other trials.
fn within_a_second(what: &str, mut took: Vec<Duration>, least: usize) -> Result {
    took.sort_unstable();
    ensure!(took.len() >= least, "only {} were seen", took.len());
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{what} {} times: half of them within {median:?}, all within {most:?}", took.len());
    ensure!(median <= Duration::from_secs(1), "{what} half of the times within {median:?} only: {took:?}");
    ensure!(most <= Duration::from_secs(10), "{what} only after {most:?}: {took:?}");
    Ok(())
}

/// A certificate for shop.test and its key.
struct Certificate {
    der: CertificateDer<'static>,
    pem: String,
    key: String,
}

impl Certificate {
    fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["shop.test".to_owned()])?;
        Ok(Self { der: made.cert.der().clone(), pem: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    fn secret(&self) -> String {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "shop-tls" }, "type": "kubernetes.io/tls",
            "stringData": { "tls.crt": self.pem, "tls.key": self.key },
        })
        .to_string()
    }
}

fn tls_client(trusted: &[Certificate]) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.der.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // Every connection has to show a certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificate that is shown to a new connection.
async fn handshake(client: &TlsConnector, (address, port): (Ipv4Addr, u16)) -> Result<CertificateDer<'static>> {
    let stream = connect(address, port).await?;
    let stream = timeout(Duration::from_secs(10), client.connect("shop.test".try_into()?, stream)).await??;
    let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first()).context("one is shown")?;
    Ok(shown.clone().into_owned())
}

/// Between two looks at a replica.
const POLL: Duration = Duration::from_millis(20);

/// The longest that one thing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the certificate changes.
const ROTATIONS: usize = 5;

/// The first of some objects.
const NAMES: &str = "jsonpath={.items[*].metadata.name}";

const PLAIN: &str = "{name: http, port: 80, protocol: HTTP}";
const SECURE: &str = "{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-tls}]}}";

/// A pod of the Service `shop` that is ready when the trial says so.
const GATED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: gated, labels: {app: shop}}
spec:
  readinessGates: [{conditionType: weir.test/open}]
  containers:
    - name: app
      image: weir/demo-app:v1
      ports: [{name: http, containerPort: 8080}]
"#;
