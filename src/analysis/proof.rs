//! A proof that goes on through changes: capital on a few bets, and some kept back for the time after the world has changed.

/// Capital on `N` bets, 1 at the beginning.
///
/// The bets rest on an estimate of stable's rate. When that rate leaps, they lose everything before the estimate has
/// followed; what was kept back, a part laid on the bets after each block, proves the case in the new world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof<const N: usize> {
    bets: [f64; N],
    reserve: f64,
    blocks: f64,
}

impl<const N: usize> Proof<N> {
    /// Nothing proved yet.
    pub(super) const START: Self = Self { bets: [(1.0 - RESERVE) / N as f64; N], reserve: RESERVE, blocks: 0.0 };

    /// What the proof is worth when its bets grow by these factors; further ones are not looked at.
    pub(super) fn worth(&self, factors: &[f64]) -> f64 {
        self.reserve + self.bets.iter().zip(factors).map(|(capital, factor)| capital * factor).sum::<f64>()
    }

    /// What it is worth as it stands.
    pub(super) fn standing(&self) -> f64 {
        self.reserve + self.bets.iter().sum::<f64>()
    }

    /// Lets its bets grow by these factors, and none higher than `most`: good hours must not outweigh bad minutes.
    pub(super) fn take(&mut self, factors: &[f64], most: f64) {
        let fresh = self.reserve / (self.blocks + RESERVE_BLOCKS);
        self.blocks += 1.0;
        self.reserve -= fresh;
        for (capital, factor) in self.bets.iter_mut().zip(factors) {
            *capital = (*capital * factor).min(most) + fresh / N as f64;
        }
    }
}

/// A tenth is kept back: 0.1 nats, two percent of what has to be proved.
const RESERVE: f64 = 0.1;

/// After `k` blocks about `32 / (k + 32)` of the reserve is left: it lasts for the minutes of a step.
const RESERVE_BLOCKS: f64 = 32.0;
