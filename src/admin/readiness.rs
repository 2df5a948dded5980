//! Whether weir takes traffic.

use std::sync::atomic::{AtomicU8, Ordering};

/// Not ready, then ready, then draining: never back.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// The start is over. Without effect once draining.
    pub fn ready(&self) {
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// New traffic should go elsewhere.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    /// Whether traffic is welcome; else why not.
    pub fn check(&self) -> Result<(), &'static str> {
        match self.0.load(Ordering::Relaxed) {
            READY => Ok(()),
            STARTING => Err("starting"),
            _ => Err("draining"),
        }
    }
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;
