//! Whatever path a request has: normalising it does not panic, and doing it again changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::route::normalise_path;

fuzz_target!(|path: &str| {
    if let Ok(once) = normalise_path(path) {
        let twice = normalise_path(&once).expect("a normal path is allowed");
        assert_eq!(once, twice);
        assert!(!once.split('/').any(|segment| segment == ".."), "{once}");
    }
});
