//! Whatever a trace holds: an answer, and no panic on the way to it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = weir::analysis::trace::parse(text);
});
