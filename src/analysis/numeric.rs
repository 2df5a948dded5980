//! The exponential, the same bits on every machine and fast enough to be taken a thousand times a tick.
//!
//! Only sums, products and exact operations on bits: nothing that a platform's library or a fused instruction could round in
//! another way. (Logarithms are rarer; they come from the `libm` crate, which is plain Rust too.)

/// `e` to the power of `x`, within 4 units in the last place; `x` is held within ±700.
#[inline]
pub(super) fn exp(x: f64) -> f64 {
    let x = x.clamp(-LARGEST, LARGEST);
    // Adding and subtracting 1.5 * 2^52 rounds to a whole number, which then stands in the low bits.
    let shifted = x * INV_LN_2 + ROUNDER;
    let whole = shifted - ROUNDER;
    let rest = (x - whole * LN_2_HIGH) - whole * LN_2_LOW;
    // Two chains, of the even and of the odd powers: half the waiting of one.
    let square = rest * rest;
    let (mut even, mut odd) = (TAYLOR[1], TAYLOR[0]);
    for pair in TAYLOR[2..].chunks_exact(2) {
        odd = odd * square + pair[0];
        even = even * square + pair[1];
    }
    let sum = even + odd * rest;
    let exponent = shifted.to_bits().wrapping_add(1023) << 52;
    sum * f64::from_bits(exponent)
}

const LARGEST: f64 = 700.0;
const INV_LN_2: f64 = std::f64::consts::LOG2_E;
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two parts: the first has 21 zero bits at its end, so that its product with a whole number up to 1,024 is exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN_2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);

/// 1/n! from n = 13 down to 0: on ±ln(2)/2 the first term left out is below 2^-57.
const TAYLOR: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_bits() {
        for step in -70_000..=70_000 {
            let x = f64::from(step) / 100.0 + 0.003_7;
            let x = x.clamp(-LARGEST, LARGEST);
            assert!((exp(x) / libm::exp(x) - 1.0).abs() < 1e-15, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn what_is_out_of_range_is_held() {
        assert_eq!(exp(f64::INFINITY), exp(700.0));
        assert_eq!(exp(-1e300), exp(-700.0));
        assert!(exp(700.0).is_finite() && exp(-700.0) > 0.0);
    }
}
