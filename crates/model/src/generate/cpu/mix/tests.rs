use proptest::prelude::*;

use super::Mix;
use crate::testing::values;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equals_sums_in_double_precision(
        rows in 1_usize..10, n in 1_usize..20, width in 1_usize..100, beside in 0_usize..4,
    ) {
        let stride = n + beside;
        let (weights, old) = (values(rows * stride, 1), values(rows * width, 2));
        let of_keys = values(n * width, 3);
        let mut mixed = old.clone();
        Mix { weights: &weights, stride, values: &of_keys, width, mixed: &mut mixed }.run();
        for row in 0..rows {
            for column in 0..width {
                let weighted = (0..n).map(|key| {
                    f64::from(weights[row * stride + key]) * f64::from(of_keys[key * width + column])
                });
                let at = row * width + column;
                let expected = f64::from(old[at]) + weighted.sum::<f64>();
                prop_assert!((f64::from(mixed[at]) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_in_parts(
        rows in 2_usize..10, n in 2_usize..20, width in 1_usize..100,
    ) {
        let (weights, of_keys) = (values(rows * n, 1), values(n * width, 3));
        let mut together = vec![0.0; rows * width];
        let mix = |weights: &[f32], of_keys: &[f32], mixed: &mut [f32]| {
            Mix { weights, stride: n, values: of_keys, width, mixed }.run();
        };
        mix(&weights, &of_keys, &mut together);
        for (row, together) in together.chunks_exact(width).enumerate() {
            let weights = &weights[row * n..(row + 1) * n];
            let mut alone = vec![0.0; width];
            mix(&weights[..n / 2], &of_keys[..n / 2 * width], &mut alone);
            mix(&weights[n / 2..], &of_keys[n / 2 * width..], &mut alone);
            prop_assert_eq!(&alone[..], together);
        }
    }
}
