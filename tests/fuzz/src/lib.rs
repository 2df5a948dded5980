//! weir's parsers, from weir's own sources, and nothing else: the whole of weir takes many minutes to build with a fuzzer's
//! instrumentation, and none of the rest is fuzzed.

#![allow(dead_code, unused_imports, reason = "what the rest of weir uses of them is not here to use it")]

#[path = "../../../src/analysis/mod.rs"]
pub mod analysis;
#[path = "../../../src/http1/mod.rs"]
pub mod http1;
#[path = "../../../src/route/mod.rs"]
pub mod route;
#[path = "../../../src/stats/mod.rs"]
pub mod stats;
#[path = "../../../src/types.rs"]
pub mod types;

/// The configuration file as far as it is read; what it means is not asked.
#[path = "../../../src/config"]
pub mod config {
    mod defaults;
    mod load;
    mod problem;
    pub mod schema;
    mod suggest;
    mod tree;

    pub use load::{Loaded, parse};

    mod compile {
        pub(super) fn check(_: &super::Loaded, _: &mut super::problem::Report) {}
    }

    fn json_schema() -> serde_json::Value {
        schemars::schema_for!(schema::File).to_value()
    }
}
