//! Which backend takes the request: exact shares, and sides that clients keep. Pure.
//!
//! Three ways, for three questions:
//! - [`SharePhase`]: a share between two sides, by request. Exact to one request at every moment, at random positions.
//! - [`WeightedSplit`]: the same among any number of backends, by the integer weights of the Gateway API.
//! - [`Point`]: a share of the clients. Who is in at 5% is still in at 25%.
//!
//! A coin for each request would do none of this: of 500 requests at 1% it gives the canary 5 ± 2.2 ([`SharePhase`]: 5), and
//! a client would change sides with every request. A fixed rhythm ("every hundredth") would be exact, but traffic has
//! rhythms too: a canary that gets every health probe and never a checkout is judged on the wrong requests. Hence exact
//! *and* random.

mod point;
mod share;
mod weighted;

pub use point::{ClientKey, ClientKeyError, Point, draw_key};
pub use share::SharePhase;
pub use weighted::{SplitPhase, WeightedSplit};
