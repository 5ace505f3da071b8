//! How alike two documents are, from a few numbers of each (Broder 1997, "On the resemblance and
//! containment of documents").

use crate::words::runs;

/// Permutations whose least values make up a signature.
pub(crate) const PERMUTATIONS: usize = 128;

/// Words of a shingle.
const SHINGLE: usize = 5;

/// The least value of a document's shingles under each permutation.
///
/// The part of equal values of two signatures estimates the Jaccard similarity of their sets of
/// shingles with a standard deviation of at most 0.044.
pub(crate) type Signature = [u32; PERMUTATIONS];

/// The signature of a document; `None` for one without words. A document shorter than a shingle is
/// one shingle.
pub(crate) fn signature(words: &[u64]) -> Option<Box<Signature>> {
    let mut least = Box::new([u32::MAX; PERMUTATIONS]);
    let permutations = permutations();
    for shingle in runs(words, SHINGLE.min(words.len().max(1))) {
        // Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half of an odd multiple.
        for (value, (factor, summand)) in least.iter_mut().zip(&permutations) {
            let permuted = (shingle.wrapping_mul(*factor).wrapping_add(*summand) >> 32) as u32;
            *value = permuted.min(*value);
        }
    }
    (!words.is_empty()).then_some(least)
}

/// Odd factors and summands, always the same.
fn permutations() -> [(u64, u64); PERMUTATIONS] {
    let mut state = 0_u64;
    // splitmix64 (Steele, Lea and Flood 2014).
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    std::array::from_fn(|_| (next() | 1, next()))
}

/// The estimated Jaccard similarity, 0 to 1.
pub(crate) fn similarity(a: &Signature, b: &Signature) -> f64 {
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    equal as f64 / PERMUTATIONS as f64
}

/// Values to a band, so that two documents of similarity `threshold` very likely agree on a whole
/// band: the steep part of the curve 1 − (1 − sʳ)ᵇ, at (1/b)^(1/r), lies below it.
pub(crate) fn rows_per_band(threshold: f64) -> usize {
    let steep = |rows: usize| (rows as f64 / PERMUTATIONS as f64).powf(1.0 / rows as f64);
    [16, 8, 4, 2].into_iter().find(|rows| steep(*rows) < threshold - 0.05).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::words;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_estimate_is_near_the_similarity(of_a in 0..400u64, both in 1..400u64, of_b in 0..400u64) {
            // Single shingles, so that the sets are known.
            let document = |own: std::ops::Range<u64>| -> Signature {
                let mut least = [u32::MAX; PERMUTATIONS];
                for shingle in own.chain(0..both) {
                    let one = signature(&[shingle]).unwrap();
                    least.iter_mut().zip(one.iter()).for_each(|(least, value)| *least = (*least).min(*value));
                }
                least
            };
            let (a, b) = (document(1000..1000 + of_a), document(5000..5000 + of_b));
            let exact = both as f64 / (of_a + both + of_b) as f64;
            let found = similarity(&a, &b);
            // Five standard deviations.
            let tolerance = 5.0 * (exact * (1.0 - exact) / PERMUTATIONS as f64).sqrt() + 1e-9;
            prop_assert!((found - exact).abs() <= tolerance, "{found} is far from {exact}");
        }
    }

    #[test]
    fn short_documents_have_signatures_and_empty_ones_have_none() {
        assert!(signature(&words("two words")).is_some());
        assert_eq!(signature(&words("two words")), signature(&words("Two words!")));
        assert_eq!(signature(&[]), None);
    }

    #[test]
    fn likely_copies_meet_in_a_band() {
        for threshold in [0.3, 0.5, 0.7, 0.8, 0.9, 0.95] {
            let rows = rows_per_band(threshold);
            let bands = (PERMUTATIONS / rows) as i32;
            let meet = 1.0 - (1.0 - threshold.powi(rows as i32)).powi(bands);
            assert!(meet > 0.85, "{threshold}: {rows} rows meet with {meet}");
        }
    }
}
