//! Is the canary as good as stable? The statistics, and the judge that draws the verdict from them. Pure.
//!
//! # The question
//!
//! weir decides by lot, with a probability `w` that it chose, which version answers a request. Whatever the world does
//! to both versions at a moment (an outage, a flash crowd, a slow database), it does to two groups that only the lot
//! tells apart. So the question is not "how many errors are too many?" but "does the lot explain the difference?". Let
//! `(ts, tc)` be the chances that *this* request would fail on stable and on the canary; they may be anything, for
//! every request anew. Two lines of the [`Policy`] divide the plane: up to the *tolerable* line (errors: `tc <= 1.25 ts +
//! 0.1%`) a canary must not be aborted, from the *bad* line on (`tc >= 1.5 ts + 0.5%`) it must not be promoted.
//! Between them either answer is right, and none may come. The same holds for "slower than b", for every latency bound
//! b, and for the errors of every route.
//!
//! # The bet
//!
//! Evidence is the worth of a bet against "tolerable" that began with 1. Each request multiplies it by an *e-variable*:
//! a number that is not negative and whose expectation, over the lot and the outcome, is at most 1 for every `(ts, tc)`
//! on the tolerable side. Then the worth is a supermartingale however the rates change in between, and by **Ville's
//! inequality** (1939) it ever reaches `1/alpha` with a probability of at most `alpha`: over all looks, not at each.
//! The judge may look after every response, and stop whenever it likes.
//!
//! For an alternative `(as, ac)` the e-variable is the likelihood ratio to its projection on the null in the sense of
//! the Kullback-Leibler divergence. That this is valid on a whole half-plane, and grows fastest of all e-variables
//! under that alternative, is the theorem of Grünwald, de Heide and Koolen ("Safe testing", JRSS B 2024; their RIPr)
//! and of Larsson, Ramdas and Ruf ("The numeraire e-variable and reverse information projection", Annals of Statistics
//! 2025). `line.rs` has the four factors and a short proof; its tests check a million points of the null.
//!
//! What is not known is mixed over, because a mixture of e-processes is an e-process:
//! - how bad the canary is: seven rates beyond the line, a factor of 2.5 apart (`hypotheses.rs`);
//! - what stable's rate is: a steady estimate, a quick one, and one view that expects an outage. An estimate is made of
//!   ticks that are over, never of those that are weighed with it; a wrong one costs time, not validity
//!   (`baseline.rs`);
//! - what is wrong: errors, one of the latency bounds, one of the routes (`capital.rs`; bounds get capital by how much
//!   of stable's own distribution lies between them and the bound before, see `relevance` in `judge.rs`);
//! - since when: 65% of the capital is laid out at the start, 10% at raises of the weight, 25% in small parts with
//!   every tick.
//!
//! The largest part of the worth names the culprit.
//!
//! # For the canary
//!
//! Promotion is the same bet against "bad". It has to be won for errors *and* for every latency bound, so no correction
//! for their number is needed, and it begins anew whenever the weight rises above all before: promotion rests on the
//! last step alone, and its error is at most `beta`. What is won is kept up to ten times what is needed, so that good
//! hours cannot outweigh bad minutes. The gates between steps ask the same question with a wider margin (`gate.rs`).
//!
//! # What stands between statistics and the world
//!
//! - **No data is no evidence.** A tick without requests changes nothing at all, and ticks in which the canary had no
//!   part wait for one that has it (`stream.rs`): stable's good answers convict nobody.
//! - **The lot must have been drawn as said.** Where the share that is seen does not fit the weight (answers that lag
//!   behind a change of weight, a canary that loses requests) ticks are compared within themselves, by the share that
//!   was seen in them, and nothing is promoted (`share.rs`).
//! - **Bursts** count as one accident: gains are divided by an estimate of the over-dispersion (`dispersion.rs`). By
//!   Jensen's inequality the divided bet is an e-variable still; for bursts within a tick this is an approximation, and
//!   the one that is not exact.
//! - **Warm-up**: in the first seconds only errors 30 points above stable's count, with capital of their own.
//! - **Stable in an incident** by its own measure, and the canary too: what is seen then proves nothing for normal
//!   times, and no promotion rests on it. A canary that is well while stable is ill is the cure, and goes on
//!   (`course.rs`).
//! - **Affinity**: the lot is drawn for clients; only the first error of each counts, and routes are not looked at.
//!
//! # What is assumed, and what cannot be seen
//!
//! The lot does not depend on what would have happened, and versions do not interfere (a canary that breaks the
//! database they share looks innocent). Within a block of the split the lot is drawn without replacement, which is at
//! least as safe as independent lots while requests of one block are alike, and could be a little less safe if a
//! pattern of good and bad requests kept step with the blocks; positions in the blocks are random to prevent that. A
//! canary on one machine answers for that machine's faults. Wrong answers with status 200 are invisible.
//!
//! # Determinism
//!
//! Sums, products, quotients and square roots only, an exponential of our own (`numeric.rs`), and logarithms of the
//! `libm` crate: the same ticks give the same bits on every machine. That is what lets a [`trace`] of a live rollout be
//! replayed to the same decision.

mod baseline;
mod capital;
mod cells;
mod course;
mod dispersion;
mod gate;
mod hypotheses;
mod interval;
mod judge;
mod line;
mod numeric;
mod policy;
mod proof;
mod report;
mod share;
mod stream;
mod tables;
mod tick;
pub mod trace;

pub use judge::Judge;
pub use policy::{Line, Policy};
pub use report::{Culprit, Hold, Report, Verdict};
pub use tick::{RouteTally, Tick};
