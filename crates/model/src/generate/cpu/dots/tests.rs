use proptest::prelude::*;

use super::Dots;
use crate::testing::values;

fn dots(x: &[f32], w: &[f32], width: usize) -> Vec<f32> {
    let (n, rows) = (x.len() / width, w.len() / width);
    let mut out = vec![f32::NAN; n * rows];
    Dots { x, w, width }.run(|r, t, value| out[t * rows + r] = value);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equals_sums_in_double_precision(n in 1_usize..10, rows in 1_usize..20, width in 1_usize..100) {
        let (x, w) = (values(n * width, 1), values(rows * width, 2));
        let found = dots(&x, &w, width);
        for t in 0..n {
            for r in 0..rows {
                let pairs = x[t * width..][..width].iter().zip(&w[r * width..][..width]);
                let expected: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                prop_assert!((f64::from(found[t * rows + r]) - expected).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_whatever_stands_beside_it(n in 2_usize..10, rows in 1_usize..20, width in 1_usize..100) {
        let (x, w) = (values(n * width, 1), values(rows * width, 2));
        let together = dots(&x, &w, width);
        for t in 0..n {
            let alone = dots(&x[t * width..(t + 1) * width], &w, width);
            prop_assert_eq!(&alone[..], &together[t * rows..(t + 1) * rows]);
        }
    }
}
