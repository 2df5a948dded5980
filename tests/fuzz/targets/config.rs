//! Whatever a configuration file holds: an answer, and no panic on the way to it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: String| {
    if let Err(problems) = weir::config::parse(Path::new("weir.yaml"), text) {
        assert!(!problems.to_string().is_empty());
    }
});
