//! The k-th largest of more magnitudes than fit in memory.

use crate::Error;

/// Values with the same upper half of their bits are told apart in a second look.
const BINS: usize = 1 << 16;

/// Of each of `n` series of magnitudes the `k`-th largest. `each` hands all magnitudes of all series to the
/// function that it is given, a few at a time, and is called twice.
///
/// The bits of floats that are not negative have the order of the floats: counting by their upper half
/// finds the bin of the k-th, counting by the lower half within it the value.
pub(super) fn largest(
    n: usize,
    k: u64,
    mut each: impl FnMut(&mut dyn FnMut(usize, &mut dyn Iterator<Item = f32>)) -> Result<(), Error>,
) -> Result<Vec<f32>, Error> {
    let mut upper = vec![vec![0_u64; BINS]; n];
    each(&mut |series, magnitudes| {
        magnitudes.for_each(|magnitude| upper[series][(magnitude.to_bits() >> 16) as usize] += 1);
    })?;
    let bins: Vec<(usize, u64)> = upper.iter().map(|counts| bin_of(counts, k)).collect();
    let mut lower = vec![vec![0_u64; BINS]; n];
    each(&mut |series, magnitudes| {
        for bits in magnitudes.map(f32::to_bits) {
            if (bits >> 16) as usize == bins[series].0 {
                lower[series][(bits & 0xffff) as usize] += 1;
            }
        }
    })?;
    let value = |((bin, left), counts): (&(usize, u64), &Vec<u64>)| {
        let (low, _) = bin_of(counts, *left);
        f32::from_bits((*bin as u32) << 16 | low as u32)
    };
    Ok(bins.iter().zip(&lower).map(value).collect())
}

/// The bin in which the `k`-th from above lies, and how many of that bin are to be counted; the lowest where
/// there are fewer.
fn bin_of(counts: &[u64], k: u64) -> (usize, u64) {
    let mut left = k;
    for (bin, count) in counts.iter().enumerate().rev() {
        if *count >= left {
            return (bin, left);
        }
        left -= count;
    }
    (0, left)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_what_sorting_finds(
            values in prop::collection::vec(prop_oneof![0.0..1e-3_f32, 0.0..2.0_f32, Just(0.5)], 1..200),
            part in 0.0..1.0,
        ) {
            let k = ((part * values.len() as f64) as usize).max(1);
            let reversed: Vec<f32> = values.iter().rev().copied().collect();
            let found = largest(2, k as u64, |take| {
                for (series, values) in [&values, &reversed].into_iter().enumerate() {
                    for some in values.chunks(7) {
                        take(series, &mut some.iter().copied());
                    }
                }
                Ok(())
            });
            let mut sorted = values.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(found.unwrap(), vec![sorted[k - 1]; 2]);
        }
    }
}
