//! Which backend takes the request: exact shares, and sides that clients keep. Pure.

use std::fmt;
use std::str::FromStr;

use crate::types::{Ratio, Side, Weight};

/// One worker's place in a share between two sides. Written by that worker alone.
#[derive(Debug, Default)]
pub struct SharePhase {}

impl SharePhase {
    /// Whether the next request belongs to `share`.
    pub fn next(&self, share: Ratio, rng: &mut fastrand::Rng) -> bool {
        let _ = (share, rng);
        false
    }
}

/// One worker's place in a split among many.
#[derive(Debug, Default)]
pub struct SplitPhase {}

/// A split by weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedSplit {}

impl WeightedSplit {
    /// A split by `weights`; `None` when nobody has any.
    pub fn new(weights: &[Weight]) -> Option<Self> {
        let _ = weights;
        Some(Self {})
    }

    /// The index of the backend that takes the next request.
    pub fn pick(&self, phase: &SplitPhase, rng: &mut fastrand::Rng) -> usize {
        let _ = (phase, rng);
        0
    }
}

/// Where a client stands between 0 and 1 in one rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point(u64);

impl Point {
    /// The point of a client known by `key` (the value of a field, an address) in `rollout`.
    pub fn of(key: &[u8], rollout: &str) -> Self {
        let _ = (key, rollout);
        Self(0)
    }

    /// Whether the client is within `share`: on the canary.
    pub fn is_within(self, share: Ratio) -> bool {
        let _ = share;
        false
    }
}

/// What the affinity cookie says: a random number, as 32 hexadecimal digits. Its point is [`ClientKey::point`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(u128);

impl ClientKey {
    /// The client's point in `rollout`.
    pub fn point(self, rollout: &str) -> Point {
        Point::of(&self.0.to_be_bytes(), rollout)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is no [`ClientKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client key is 32 hexadecimal digits")]
pub struct ClientKeyError;

impl FromStr for ClientKey {
    type Err = ClientKeyError;

    fn from_str(text: &str) -> Result<Self, ClientKeyError> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(ClientKeyError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ClientKeyError)
    }
}

/// A random key for a new client that falls on `side` of `rollout` at the canary's `share`.
pub fn draw_key(rollout: &str, share: Ratio, side: Side, rng: &mut fastrand::Rng) -> ClientKey {
    let _ = (rollout, share, side);
    ClientKey(rng.u128(..))
}
