//! How weir's cost grows: with routes, endpoints, releases, connections and workers. weir alone, one size after the other.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::backend::Backends;
use crate::job::{Dialler, Job, Pem};
use crate::load::{self, Pace};
use crate::proxies::Proxy;
use crate::report;

/// One measured size of everything.
#[derive(Clone, Copy)]
struct Size {
    routes: usize,
    endpoints: usize,
    releases: usize,
    connections: u32,
    workers: usize,
}

/// What is there of each thing while another one grows.
const USUAL: Size = Size { routes: 1, endpoints: 2, releases: 1, connections: 64, workers: 2 };

type Dimension = (&'static str, &'static [usize], fn(usize) -> Size);

const DIMENSIONS: [Dimension; 5] = [
    ("routes", &[1, 100, 10_000], |routes| Size { routes, ..USUAL }),
    ("endpoints", &[2, 100, 5_000], |endpoints| Size { endpoints, ..USUAL }),
    ("releases", &[1, 1_000], |releases| Size { releases, ..USUAL }),
    ("connections", &[10, 100, 1_000, 10_000], |count| Size { connections: count as u32, ..USUAL }),
    ("workers", &[1, 2, 4], |workers| Size { workers, ..USUAL }),
];

/// Measures every size for as long as `lasts`, and prints a table as it comes.
///
/// # Errors
/// When weir does not start, or connections cannot be opened.
pub fn tables(folder: &Path, pem: &Pem, lasts: Duration) -> anyhow::Result<()> {
    println!("| | CPU s per million requests | requests/s | p99 us | memory MiB |\n|---|---:|---:|---:|---:|");
    for (name, sizes, size_of) in DIMENSIONS {
        for &count in sizes {
            let row = measure(size_of(count), folder, pem, lasts)?;
            println!("| {count} {} {row}", if count == 1 { &name[..name.len() - 1] } else { name });
        }
    }
    Ok(())
}

fn measure(size: Size, folder: &Path, pem: &Pem, lasts: Duration) -> anyhow::Result<String> {
    let backends = Backends::start(128, size.endpoints.max(2))?;
    let proxy = Proxy::weir(folder, |address| config(size, address, backends.addresses()))?;
    let dialler = Dialler::new(proxy.address, Job::Plain, pem)?;
    load::run(&dialler, size.connections, Pace::Saturate, Duration::from_millis(300))?;
    let before = proxy.usage()?;
    let load = load::run(&dialler, size.connections, Pace::Saturate, lasts)?;
    let cpu = proxy.usage()?.cpu.saturating_sub(before.cpu).as_secs_f64();
    let memory = load::idle(&dialler, size.connections, || proxy.usage())?.memory;
    let requests = load.answers.len().max(1) as f64;
    anyhow::ensure!(load.failed == 0, "{} requests failed", load.failed);
    Ok(format!(
        "| {:.1} | {:.0} | {} | {:.1} |",
        cpu / requests * 1e6,
        requests / lasts.as_secs_f64(),
        load.summary().p99.as_micros(),
        report::mebibytes(memory),
    ))
}

/// The route that matches is the last one, and the release that it leads to is the last one too.
fn config(size: Size, address: SocketAddr, endpoints: &[SocketAddr]) -> String {
    let mut text = format!(
        "listeners:\n  - {{ name: web, address: {address} }}\nadmin:\n  address: 127.0.0.1:0\nproxy:\n  workers: {}\nroutes:\n",
        size.workers
    );
    let last = size.releases - 1;
    for number in 1..size.routes {
        let _ = writeln!(text, "  - {{ match: {{ host: h{number}.example, path: /p{number} }}, release: r{last} }}");
    }
    for number in 0..last {
        let _ = writeln!(text, "  - {{ match: {{ host: r{number}.example }}, release: r{number} }}");
    }
    let _ = writeln!(text, "  - {{ match: {{ host: compare.example, path: /hello }}, release: r{last} }}\nbackends:");
    let list = |addresses: &[SocketAddr]| {
        addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", ")
    };
    let (stable, canary) = endpoints.split_at(endpoints.len() / 2);
    for number in 0..size.releases {
        for (side, endpoints) in [("s", stable), ("c", canary)] {
            // As many may wait for a connection as there are clients.
            let _ = writeln!(text, "  {side}{number}: {{ endpoints: [{}], maxPending: 20000 }}", list(endpoints));
        }
    }
    text.push_str("releases:\n");
    for number in 0..size.releases {
        let steps = "steps: [{ weight: 10%, atLeast: 24h }]";
        let _ = writeln!(text, "  r{number}: {{ stable: s{number}, canary: c{number}, {steps} }}");
    }
    text
}
