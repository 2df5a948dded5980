//! Rates on a logarithmic grid, so that everything that depends on a rate can be looked up.
//!
//! Four cells for each halving. A bet that is laid for the middle of the cell is at most 12% off the estimate, less than the
//! estimate itself is; it stays valid, because validity asks nothing of the point that is bet on.

/// Cells.
pub(super) const CELLS: usize = OCTAVES * PER_OCTAVE;

/// The cell of a rate from 0 to 1; what is below the smallest is in the first.
pub(super) fn cell(rate: f64) -> u8 {
    if rate.is_nan() || rate < SMALLEST {
        return 0;
    }
    // The exponent and the first two bits of the mantissa, as a whole number: a logarithm that is exact on every machine.
    let place = (rate.to_bits() >> (MANTISSA_BITS - 2)) as usize;
    let first = (SMALLEST.to_bits() >> (MANTISSA_BITS - 2)) as usize;
    (place - first).min(CELLS - 1) as u8
}

/// The rate in the middle of a cell.
pub(super) fn middle(cell: u8) -> f64 {
    let (octave, part) = (usize::from(cell) / PER_OCTAVE, usize::from(cell) % PER_OCTAVE);
    SMALLEST * (1u64 << octave) as f64 * (1.0 + (part as f64 + 0.5) / PER_OCTAVE as f64)
}

/// Whether two cells are the same or neighbours: rates a quarter apart at most.
pub(super) fn is_near(one: u8, other: u8) -> bool {
    one.abs_diff(other) <= 1
}

/// From 1 in 16,384 up to 1: below that, no line's additive part can tell the difference.
const OCTAVES: usize = 14;
const SMALLEST: f64 = 1.0 / 16384.0;
const PER_OCTAVE: usize = 4;
const MANTISSA_BITS: u32 = 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_middle_lies_in_its_own_cell_and_they_rise() {
        for index in 0..CELLS as u8 {
            assert_eq!(cell(middle(index)), index);
            assert!(index == 0 || middle(index - 1) < middle(index));
        }
        assert!(middle(CELLS as u8 - 1) < 1.0);
    }

    #[test]
    fn a_middle_is_within_an_eighth_of_every_rate_of_its_cell() {
        for step in 1..=10_000 {
            let rate = f64::from(step) / 10_000.0;
            assert!((middle(cell(rate)) / rate - 1.0).abs() <= 0.126, "{rate}");
        }
    }

    #[test]
    fn odd_rates_have_a_cell() {
        assert_eq!(cell(0.0), 0);
        assert_eq!(cell(f64::NAN), 0);
        assert_eq!(cell(-1.0), 0);
        assert_eq!(usize::from(cell(1.0)), CELLS - 1);
        assert_eq!(usize::from(cell(7.0)), CELLS - 1);
    }
}
