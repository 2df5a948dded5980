//! Where clients stand: the share of the clients rather than of the requests.
//!
//! # The hash is an interface
//! A client keeps its side across restarts, replicas and versions of weir only while all of them place it at the same point.
//! So this is fixed, and golden tests hold it:
//! - A key that the client brings (the value of a field, an address as text): XXH3-64 (seed 0) of the bytes of the key, one
//!   zero byte, and the bytes of the rollout's name.
//! - The key in weir's own cookie is a number of 128 bits. Its upper half, 8 bytes with the highest first, is hashed like
//!   that; its lower half is added, modulo 2^64.
//! - A point `h` of 64 bits stands at `h / 2^64`, and is within a share of `p` parts per million when
//!   `floor(h * 1,000,000 / 2^64) < p`.
//!
//! The name of the rollout is in it so that not the same clients are the first in every rollout.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::types::{Ratio, Side};

/// Where a client stands between 0 and 1 in one rollout. It is on the canary while the share is above that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point(u64);

impl Point {
    /// The point of a client known by `key` (the value of a field, an address as text) in `rollout`.
    pub fn of(key: &[u8], rollout: &str) -> Self {
        let rollout = rollout.as_bytes();
        let len = key.len() + 1 + rollout.len();
        let mut buffer = [0; STACK];
        let hash = match buffer.get_mut(..len) {
            Some(input) => {
                input[..key.len()].copy_from_slice(key);
                input[key.len() + 1..].copy_from_slice(rollout);
                xxh3_64(input)
            }
            None => {
                let mut hasher = Xxh3::new();
                hasher.update(key);
                hasher.update(&[0]);
                hasher.update(rollout);
                hasher.digest()
            }
        };
        Self(hash)
    }

    /// Whether the client is within `share`. Monotone: within a share is within every larger one. Nobody is within 0,
    /// everybody within 100%.
    pub fn is_within(self, share: Ratio) -> bool {
        let part = (u128::from(self.0) * u128::from(Ratio::PARTS)) >> 64;
        part < u128::from(share.ppm())
    }
}

/// What the affinity cookie says: a random number, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(u128);

impl ClientKey {
    /// The client's point in `rollout`; see the module for how.
    pub fn point(self, rollout: &str) -> Point {
        let (upper, lower) = self.halves();
        Point(Point::of(&upper.to_be_bytes(), rollout).0.wrapping_add(lower))
    }

    /// The upper and the lower 64 bits.
    fn halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is no [`ClientKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client key is 32 hexadecimal digits in lower case")]
pub struct ClientKeyError;

impl FromStr for ClientKey {
    type Err = ClientKeyError;

    fn from_str(text: &str) -> Result<Self, ClientKeyError> {
        let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits {
            return Err(ClientKeyError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ClientKeyError)
    }
}

/// A random key for a new client that falls on `side` of `rollout` at the canary's `share`.
///
/// So new clients can be shared exactly by [`super::SharePhase`] and stay where they were sent. All keys of the side are
/// equally likely, and drawing takes the same short time at every share: the upper half is free, the lower one makes the sum
/// hit a point drawn from the side's interval. On a side without any share no key falls; then any key is drawn.
pub fn draw_key(rollout: &str, share: Ratio, side: Side, rng: &mut fastrand::Rng) -> ClientKey {
    let upper = rng.u64(..);
    // The smallest point that is not within the share; 2^64 when all are.
    let bound = (u128::from(share.ppm()) << 64).div_ceil(u128::from(Ratio::PARTS));
    let target = match (side, u64::try_from(bound)) {
        (Side::Canary, Ok(0)) | (Side::Canary | Side::Stable, Err(_)) => rng.u64(..),
        (Side::Canary, Ok(bound)) => rng.u64(..bound),
        (Side::Stable, Ok(bound)) => rng.u64(bound..),
    };
    let hash = Point::of(&upper.to_be_bytes(), rollout).0;
    ClientKey(u128::from(upper) << 64 | u128::from(target.wrapping_sub(hash)))
}

/// Inputs up to here are hashed in one piece on the stack, which is several times as fast as in parts. Cookie keys, addresses
/// and user names fit together with any usual rollout.
const STACK: usize = 256;

#[cfg(test)]
mod tests;
