//! How the one unit of capital is laid out over kinds of evidence and over time.
//!
//! Whatever is laid out, when and where, is decided before the outcomes that it is bet on, and nothing is lent: the sum over
//! all streams and the cash is a mixture of e-processes, and one e-process. Laying out part of it at later times is the
//! mixture over the time at which a canary turns bad; it is why alpha holds for the whole rollout and not for each look.

/// Capital that has not been laid out, and how far the laying out has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capital {
    cash: f64,
    /// What the ticks after the first share, and what the raises of the weight share.
    for_ticks: f64,
    for_raises: f64,
    /// Ticks that were given capital; the start is the first.
    ticks: u32,
}

impl Capital {
    /// One unit, all of it cash.
    pub(super) const fn new() -> Self {
        Self { cash: 1.0, for_ticks: 0.0, for_raises: 0.0, ticks: 0 }
    }

    /// What is not laid out.
    pub(super) fn cash(&self) -> f64 {
        self.cash
    }

    /// Whether nothing was ever laid out.
    pub(super) fn is_whole(&self) -> bool {
        self.cash == 1.0
    }

    /// Whether the canary's start was bet on.
    pub(super) fn is_started(&self) -> bool {
        self.ticks > 0
    }

    /// What to bet on a canary that fails while it warms up.
    pub(super) fn for_warm_up(&mut self) -> f64 {
        self.spend(WARM_UP)
    }

    /// Takes back what is left of it.
    pub(super) fn return_from_warm_up(&mut self, capital: f64) {
        self.cash += capital;
    }

    /// What to bet on a canary that is bad from the beginning.
    pub(super) fn for_start(&mut self) -> f64 {
        let all = self.cash;
        self.ticks = 1;
        self.for_ticks = all * TICKS;
        self.for_raises = all * RAISES;
        self.spend(all * START)
    }

    /// What to bet on a canary that turns bad with the present tick.
    pub(super) fn for_tick(&mut self) -> f64 {
        let place = f64::from(self.ticks) + TICK_OFFSET;
        self.ticks = self.ticks.saturating_add(1);
        self.spend(self.for_ticks * TICK_SCALE * libm::exp(-TICK_POWER * libm::log(place)))
    }

    /// What to bet on a canary that does not bear the weight that it has been raised to.
    pub(super) fn for_raise(&mut self) -> f64 {
        let part = self.for_raises * RAISE_PART;
        self.for_raises -= part;
        self.spend(part)
    }

    /// Whether it is time to look again which latency bounds matter: before the start, and every eighth tick.
    pub(super) fn relevance_is_due(&self) -> bool {
        self.ticks.is_multiple_of(8)
    }

    fn spend(&mut self, amount: f64) -> f64 {
        let amount = amount.min(self.cash);
        self.cash -= amount;
        amount
    }
}

/// By kind of evidence: `(errors, latency, routes)`.
pub(super) fn by_kind(routes: Routes) -> (f64, f64, f64) {
    match routes {
        Routes::Known => (0.65, 0.2, 0.15),
        Routes::Unknown => (0.75, 0.25, 0.0),
    }
}

/// Whether there are routes to look at one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routes {
    /// Yes.
    Known,
    /// No.
    Unknown,
}

/// In warm-up a failure is worth at most `ln(1/0.3)`: four convict if all capital is on them, six with this part of it, seven
/// with a tenth; everything after the warm-up has to do with the rest.
const WARM_UP: f64 = 0.15;

/// Most canaries that are bad are so from the start: half a nat for them, the rest for what begins later.
const START: f64 = 0.65;
const RAISES: f64 = 0.1;
const TICKS: f64 = 0.25;

/// A third of what is left at each raise: four steps get 1/3, 2/9, 4/27 of it.
const RAISE_PART: f64 = 1.0 / 3.0;

/// `0.53 / (k + 20)^1.25`, k = 1, 2, ..., adds up to 0.997: each tick of the first minutes gets about as much, and none is
/// left out.
const TICK_SCALE: f64 = 0.53;
const TICK_OFFSET: f64 = 20.0;
const TICK_POWER: f64 = 1.25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_unit_is_laid_out() {
        let mut capital = Capital::new();
        let mut spent = capital.for_warm_up() + capital.for_start();
        for _ in 0..100_000 {
            spent += capital.for_tick() + capital.for_raise();
        }
        assert!(capital.cash() >= 0.0);
        assert!((spent + capital.cash() - 1.0).abs() < 1e-9);
        assert!(spent > 0.95, "{spent}");
    }

    #[test]
    fn kinds_share_the_whole() {
        for routes in [Routes::Known, Routes::Unknown] {
            let (errors, latency, each) = by_kind(routes);
            assert!((errors + latency + each - 1.0).abs() < 1e-12);
        }
    }
}
