//! The Gateway API's own conformance suite, run against weir as it is deployed; with `WEIR_CONFORMANCE_TEST=NAME` one test of it.
//!
//! What all of it reports is in `deploy/conformance`; with `WEIR_BLESS` that file is written instead of compared.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::timeout;

use crate::harness::{Namespace, Result};
use crate::weir::{self, Class};

pub async fn the_gateway_api_is_implemented_as_its_own_suite_wants_it(ns: Namespace) -> Result {
    let class = Class { name: "weir".to_owned(), controller: "weir.dev/gateway-controller".to_owned() };
    weir::install_as(&ns, 1, &class, &[]).await?;
    ns.kubectl("wait --for=condition=Accepted gatewayclass/weir --timeout=180s").await?;
    let report = report();
    std::fs::create_dir_all(report.parent().unwrap_or(Path::new(".")))?;
    let options = report.with_extension("options");
    std::fs::write(&options, OPTIONS)?;
    let mut suite = ns.command("conformance");
    // The suite's own `--run-test` would leave out the features that the GatewayClass has, and then count nothing as passed.
    let one = std::env::var(ONE).ok().filter(|name| !name.is_empty());
    let chosen =
        one.as_ref().map_or_else(|| "^TestConformance$".to_owned(), |name| format!("^TestConformance$/^{name}$"));
    suite.args([&format!("-test.run={chosen}"), "-test.v", "-test.timeout=60m", "--gateway-class=weir"]);
    suite.args(["--conformance-profiles=GATEWAY-HTTP,GATEWAY-GRPC", "--organization=weir", "--project=weir"]);
    suite.args(["--url=https://weir.dev", "--contact=https://weir.dev", "--cleanup-base-resources=false"]);
    suite.arg(concat!("--version=v", env!("CARGO_PKG_VERSION")));
    suite.arg(format!("--conformance-options-file={}", options.display()));
    suite.arg(format!("--report-output={}", report.display()));
    let output = timeout(LONGEST, suite.output()).await.context("the suite did not end")??;
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::write(report.with_extension("log"), &log)?;
    let failed: Vec<_> = log.lines().filter(|line| line.contains("--- FAIL")).collect();
    let end = log.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>();
    let all = report.with_extension("log");
    ensure!(
        output.status.success(),
        "{}\n{}\nall of it: {}\n{}",
        failed.join("\n"),
        end.join("\n"),
        all.display(),
        ns.kubectl("logs deployment/weir --tail=40").await.unwrap_or_default()
    );
    match one {
        Some(name) => ran(&log, &name),
        None => is_published(&report),
    }
}

/// Compares what was reported with the file that says so to people, all but the day; or writes it.
fn is_published(report: &Path) -> Result {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PUBLISHED);
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::copy(report, &file).with_context(|| format!("{PUBLISHED} can be written"))?;
    }
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Result::Ok(text.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect::<Vec<_>>())
    };
    let (is, said) = (read(report)?, read(&file)?);
    let differs = (0..is.len().max(said.len())).find(|&at| is.get(at) != said.get(at));
    let line =
        |lines: &[String]| differs.and_then(|at| lines.get(at)).map_or("nothing more", |line| line.trim()).to_owned();
    ensure!(
        differs.is_none(),
        "{PUBLISHED} is out of date: it has `{}` first where {} has `{}`; look at it, then run \
         `WEIR_BLESS=1 cargo test --test kubernetes conformance`",
        line(&said),
        report.display(),
        line(&is)
    );
    Ok(())
}

/// Fails when the test `name` was not run, and says why.
fn ran(log: &str, name: &str) -> Result {
    let ended = |how: &str| log.contains(&format!("--- {how}: TestConformance/{name} "));
    ensure!(!ended("SKIP"), "{ONE}={name}: weir does not say that it has the features which this test is about");
    ensure!(
        ended("PASS"),
        "{ONE}={name}: the suite has no such test; its names are those of the Gateway API's `ShortName`"
    );
    Ok(())
}

/// The variable that names the only test to run.
const ONE: &str = "WEIR_CONFORMANCE_TEST";

/// The report that the README shows.
const PUBLISHED: &str = "deploy/conformance/gateway-api-v1.6.3.yaml";

/// Where the suite writes its report; its output is beside it.
fn report() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance/report.yaml")
}

/// Addresses that this cluster gives to Services which ask for them, and does not give.
const OPTIONS: &str = "
usableNetworkAddresses: [{ type: IPAddress, value: 10.245.255.10 }]
unusableNetworkAddresses: [{ type: IPAddress, value: 192.0.2.1 }]
";

const LONGEST: Duration = Duration::from_secs(3600);
