//! The whole of weir as its users have it: the binary, a file, real HTTP.

pub mod app;
mod client;
mod demo;
mod lifecycle;
mod release;
mod share;
mod tls;
pub mod weir;

use self::app::App;

/// A listener `web`, a release `shop` of two backends for every request, and `rest` appended to the release.
pub fn shop(stable: &App, canary: &App, workers: usize, rest: &str) -> String {
    let (stable, canary) = (stable.address, canary.address);
    let rest = rest.replace('\n', "\n    ");
    format!(
        r#"
listeners:
  - name: web
    address: 127.0.0.1:0
admin:
  address: 127.0.0.1:0
proxy:
  workers: {workers}
routes:
  - release: shop
backends:
  shop-v1: {{ endpoints: ["{stable}"] }}
  shop-v2: {{ endpoints: ["{canary}"] }}
releases:
  shop:
    stable: shop-v1
    canary: shop-v2
    {rest}
"#
    )
}

/// A policy that decides in seconds of test traffic, with the usual error bounds.
pub const QUICK: &str = "steps: [10%, 50%]
analysis:
  minimumTime: 1s
  warmUp: 0s
  errorRate: { tolerable: 1.25x + 1%, bad: 2x + 10% }
  latency: { tolerable: 1.25x + 2%, bad: 2x + 20%, bounds: [50ms, 200ms, 1s] }";
