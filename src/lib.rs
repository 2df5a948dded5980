//! weir, the WEighted Ingress Router: a proxy that sends an exact share of the traffic to a canary, watches every response
//! itself, and promotes or aborts the canary.
//!
//! # A request
//!
//! [`proxy`] accepts the client, and takes each request along one straight line (`proxy/handle.rs`): load the
//! [`snapshot`] once → find the [`route`] → let the [`split`] choose the backend → for each attempt that [`retry`] allows
//! let the [`balancer`] pick an endpoint and [`upstream`] forward the request → classify by [`outcome`] → answer →
//! count once, at the end, into [`stats`].
//!
//! # A decision
//!
//! [`engine`] drives every release: read what the workers counted → [`analysis::Judge::observe`] → [`rollout::step`] →
//! write the journal → put the weight in force. The judge and the state machine are pure: the running proxy, `weir replay`
//! and the tests are hosts of the same two functions, and give the same answer to the same evidence, to the last bit.
//!
//! # Which way dependencies point
//!
//! A module uses only what stands below it; `tests/structure.rs` holds them to it.
//!
//! ```text
//! cli, demo, import  what a person types and sees; the canaries of other tools
//! app                wiring: configuration (a file, or a cluster) -> snapshot -> workers, admin, engine; reload; drain
//! kubernetes         objects of a cluster -> file; statuses, Services; releases of Deployments
//! admin              the control surface                telemetry   metrics, logs
//! engine             the loop, the journal, checks      proxy       listeners, requests, answers
//! config             file -> snapshot                   upstream    pools, connections, TLS, DNS; health::probe
//! snapshot           the compiled picture, one ArcSwap; leaves that outlive it
//! socket, http2      bytes of a connection, bodies of an HTTP/2 stream: the same on either side
//! ------------------ below here everything is pure: told the time, told the chance, no I/O ------------------
//! balancer, retry, endpoint, failures, route, cors, split, outcome, http1, log_template, health::outlier
//! rollout            the state machine
//! analysis           the statistics and the judge
//! stats              counts that workers write and others read
//! clock, types       time; names, shares, instants that cannot be wrong
//! ```
//!
//! # Threads
//!
//! Each worker is a thread with a runtime of its own: its sockets (`SO_REUSEPORT`), its connections, its pools, its random
//! numbers. Workers share the snapshot and nothing they write on the same cache line. One further thread controls: engine,
//! admin, watching, DNS, probes, checks.

pub mod admin;
pub mod analysis;
pub mod app;
pub mod balancer;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cors;
pub mod demo;
pub mod endpoint;
pub mod engine;
pub mod failures;
pub mod health;
pub mod http1;
pub mod http2;
pub mod import;
pub mod kubernetes;
pub mod log_template;
pub mod outcome;
pub mod proxy;
pub mod retry;
pub mod rollout;
pub mod route;
pub mod simulate;
pub mod snapshot;
pub mod socket;
pub mod split;
pub mod stats;
pub mod telemetry;
pub mod types;
pub mod upstream;
