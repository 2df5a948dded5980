//! Who is in the demo: the two versions of the application, the visitors, and weir's configuration for them.

use std::net::SocketAddr;
use std::time::Duration;

use super::DemoArgs;
use super::app::{Behaviour, Faults, Outage};
use super::visitors::Plan;
use crate::types::{Ratio, Side};

/// What the stable and the canary version greet with.
pub(crate) const GREETINGS: [&str; 2] = ["Hello World!", "Howdy World!"];

/// The release in the configuration.
pub(crate) const RELEASE: &str = "hello";

/// How one version of the application behaves.
pub(crate) fn behaviour(side: Side, args: &DemoArgs) -> Behaviour {
    let faults = match side {
        Side::Stable => Faults::default(),
        Side::Canary => {
            let begin = args.canary_breaks_at.map(|span| span.0);
            Faults::ordered(args.canary_error_rate, args.canary_latency.0, begin)
        }
    };
    Behaviour {
        greeting: GREETINGS[side as usize].to_owned(),
        version: ["v1", "v2"][side as usize].to_owned(),
        jitter: JITTER,
        faults,
        outage: args.shared_outage_at.map(|at| Outage::new(at.0, args.shared_outage_for.0)),
        // Each version fails requests of its own.
        seed: args.seed.wrapping_mul(2).wrapping_add(side as u64),
    }
}

/// The visitors.
pub(crate) fn visitors(address: SocketAddr, args: &DemoArgs) -> Plan {
    Plan { address, rate: f64::from(args.rps), posts: POSTS, greetings: GREETINGS.map(str::to_owned), seed: args.seed }
}

/// weir's configuration, as a user would write it.
///
/// The judge is the usual one, with its usual promises: at most 1 in 100 good canaries aborted, at most 1 in 100 bad ones
/// promoted. Only the waiting is shortened, because nobody watches a demo for `minimumTime`'s usual four minutes.
pub(crate) fn configuration([stable, canary]: [SocketAddr; 2]) -> String {
    format!(
        r#"# Written by `weir demo`.
listeners:
  - name: web
    address: 127.0.0.1:0
routes:
  - release: {RELEASE}
backends:
  hello-v1: {{ endpoints: ["{stable}"] }}
  hello-v2: {{ endpoints: ["{canary}"] }}
releases:
  {RELEASE}:
    stable: hello-v1
    canary: hello-v2
    steps:
      - {{ weight: 1%, atLeast: 10s }}
      - {{ weight: 5%, atLeast: 10s }}
      - {{ weight: 25%, atLeast: 10s }}
      - {{ weight: 50%, atLeast: 10s }}
    analysis:
      warmUp: 3s
      minimumTime: 45s
admin:
  address: 127.0.0.1:0
proxy:
  workers: 2
  drainTimeout: 2s
"#
    )
}

/// Answers take up to this long, as those of an application that works for them.
const JITTER: Duration = Duration::from_millis(25);

/// A few visitors order something.
const POSTS: Ratio = Ratio::percent(5);
