//! An exact share between two sides, at random positions.
//!
//! # Method
//! Let the rarer side have the share `a`, at most one half. Requests stand on a line, request `n` on `[n, n + 1)`. The line is
//! cut into blocks of length `1/a`; in each block one point is drawn uniformly, and the request that it falls on goes to the
//! rarer side (stratified sampling with one unit per stratum; W. G. Cochran, Sampling Techniques, chapter 5A).
//!
//! Exact: the first `n` requests cover `[0, n)`, in which `floor(a * n)` blocks end and at most one more begins, so the
//! rarer side has had `floor(a * n)` or `ceil(a * n)` requests, at every `n`.
//!
//! Unbiased: a request that lies in one block is hit with probability `a`. A request on which two blocks meet is shared by
//! their points, which must not both hit it. Let it reach by `l` into the block on the left and by `r = a - l` (in units of
//! blocks) into the one on the right. The left point hits it with probability `l`. If it did, the right point is drawn from
//! the rest of its block; if not, it hits with probability `r / (1 - l)`. In all that is `l + (1 - l) * r / (1 - l) = a`, and
//! the rest of the right block keeps its probabilities as well. So every single request, from the first after a change of
//! the share on, is the rarer side's with probability exactly `a`, whatever rhythm the traffic has.
//!
//! All of it is integer arithmetic: a block has one million points, a request covers `ppm` of them.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::types::Ratio;

/// One worker's place in a share between two sides. Written by that worker alone: loads and stores, no locked instruction.
///
/// Others may read it at any time, and learn nothing of use.
#[derive(Debug, Default)]
pub struct SharePhase {
    /// The share that the rest is about, in parts per million.
    share: AtomicU32,
    /// Requests until the rarer side's next one.
    left: AtomicU32,
    /// Points from the start of that request to the end of its block.
    edge: AtomicU32,
}

impl SharePhase {
    /// Whether the next request belongs to `share`.
    ///
    /// After `n` calls at one share, `share * n` of them were true, give or take less than one; each with the probability
    /// `share`. 0 is never, 100% is always. Another share than in the call before begins anew.
    pub fn next(&self, share: Ratio, rng: &mut fastrand::Rng) -> bool {
        let rare = share.ppm().min(share.complement().ppm());
        if self.share.load(Relaxed) != share.ppm() {
            self.share.store(share.ppm(), Relaxed);
            if rare > 0 {
                self.aim(rare, 0, rng.u32(..BLOCK));
            }
        }
        if rare == 0 {
            return share == Ratio::ONE;
        }
        let is_share_rare = share.ppm() == rare;
        self.advance(rare, rng) == is_share_rare
    }

    /// Moves on by one request; tells whether that one is the rarer side's.
    fn advance(&self, rare: u32, rng: &mut fastrand::Rng) -> bool {
        let left = self.left.load(Relaxed);
        if left > 0 {
            self.left.store(left - 1, Relaxed);
            return false;
        }
        let edge = self.edge.load(Relaxed);
        self.aim(rare, edge, draw(rare, edge, rng));
        // Counted from this request, which is over.
        self.left.store(self.left.load(Relaxed).saturating_sub(1), Relaxed);
        true
    }

    /// Aims at point `point` of the block that begins `start` points after the start of the present request.
    fn aim(&self, rare: u32, start: u32, point: u32) {
        let left = (start + point) / rare;
        self.left.store(left, Relaxed);
        self.edge.store(start + BLOCK - left * rare, Relaxed);
    }
}

/// A point in the block that begins `edge` points after the start of a request that is the rarer side's already.
///
/// That request, the last of the block before, may reach into this block, or another one may that was not hit.
fn draw(rare: u32, edge: u32, rng: &mut fastrand::Rng) -> u32 {
    let in_left_block = edge % rare;
    if in_left_block == 0 {
        return rng.u32(..BLOCK);
    }
    let in_this_block = rare - in_left_block;
    let taken = edge < rare;
    if !taken && rng.u32(..BLOCK - in_left_block) < in_this_block {
        return 0;
    }
    rng.u32(in_this_block..BLOCK)
}

/// Points in a block.
const BLOCK: u32 = Ratio::PARTS;

#[cfg(test)]
mod tests;
