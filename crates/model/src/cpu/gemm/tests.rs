use proptest::prelude::*;

use super::*;
use crate::testing::values;

/// The product in f64, row by row.
fn expected(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f64> {
    let at = |matrix: Matrix<'_>, row: usize, col: usize| {
        let Layout { row_stride, col_stride, .. } = matrix.layout;
        f64::from(matrix.data[row * row_stride + col * col_stride])
    };
    let (m, k, n) = (left.layout.rows, left.layout.cols, right.layout.cols);
    let cell = |row, col| (0..k).map(|k| at(left, row, k) * at(right, k, col)).sum();
    (0..m)
        .flat_map(|row| (0..n).map(move |col| (row, col)))
        .map(|(row, col)| cell(row, col))
        .collect()
}

/// Ways to hold factors that this processor can multiply.
fn all_factors() -> Vec<Factors> {
    let pairs = kernel::has_pairs().then_some(Factors::Pairs);
    [Factors::Single, Factors::Rounded].into_iter().chain(pairs).collect()
}

/// Both factors as they lie and turned, into a target with a gap between its rows.
fn check(m: usize, k: usize, n: usize, turned: [bool; 2], into: Into) {
    all_factors().into_iter().for_each(|factors| check_with(factors, m, k, n, turned, into));
}

fn check_with(factors: Factors, m: usize, k: usize, n: usize, turned: [bool; 2], into: Into) {
    let (mut a, mut b) = (values(m * k, 1), values(k * n, 2));
    fn matrix(data: &[f32], rows: usize, cols: usize, turned: bool) -> Matrix<'_> {
        match turned {
            false => Matrix::new(data, rows, cols),
            true => Matrix::new(data, cols, rows).transposed(),
        }
    }
    let (left, right) = (matrix(&a, m, k, turned[0]), matrix(&b, k, n, turned[1]));
    let stride = n + 3;
    let before = values(m * stride, 3);
    let mut target = before.clone();
    product_once(MatrixMut::strided(&mut target, m, n, stride), into, factors, left, right);
    if factors != Factors::Single {
        let round = |value: &mut f32| *value = half::bf16::from_f32(*value).to_f32();
        a.iter_mut().chain(&mut b).for_each(round);
    }
    let expected = expected(matrix(&a, m, k, turned[0]), matrix(&b, k, n, turned[1]));
    for (at, (found, before)) in target.iter().zip(&before).enumerate() {
        let (row, col) = (at / stride, at % stride);
        let wanted = match (col < n).then(|| expected[row * n + col]) {
            None => f64::from(*before),
            Some(product) => match into {
                Into::Scaled(factor) => f64::from(factor) * product,
                Into::Sum(factor) => f64::from(*before) + f64::from(factor) * product,
            },
        };
        let apart = (f64::from(*found) - wanted).abs();
        assert!(
            apart <= 1e-5 * (k as f64 + 1.0).sqrt(),
            "{factors:?}, {m}×{k}×{n} at {row}, {col}: {found}, expected {wanted}"
        );
    }
}

proptest! {
    #[test]
    fn equals_the_product_in_double_precision(
        m in 1..40_usize, k in 1..50_usize, n in 1..70_usize, left: bool, right: bool, sum: bool,
    ) {
        check(m, k, n, [left, right], if sum { Into::Sum(1.0) } else { Into::Scaled(0.5) });
    }
}

#[test]
fn blocks_of_rows_and_of_k_add_up() {
    let depth = Tile::of_processor().depth;
    for (m, k, n) in
        [(ROWS + 5, depth + 7, 33), (3, 2 * depth, 16), (2 * ROWS, 1, 1), (5, 2 * depth + 3, 40)]
    {
        check(m, k, n, [false, false], Into::Scaled(1.0));
        check(m, k, n, [true, true], Into::Sum(1.0));
    }
}

#[test]
fn weights_side_by_side_and_stacked_are_one_factor() {
    all_factors().into_iter().for_each(check_together);
}

fn check_together(factors: Factors) {
    let (a, b) = (values(600 * 21, 4), values(600 * 10, 5));
    // Side by side.
    let together: Vec<f32> = (0..600)
        .flat_map(|row| a[row * 21..][..21].iter().chain(&b[row * 10..][..10]))
        .copied()
        .collect();
    let parts = [Matrix::new(&a, 600, 21), Matrix::new(&b, 600, 10)];
    let x = values(7 * 600, 6);
    let through = |right: &Packed| {
        let mut y = vec![0.0; 7 * right.columns()];
        let n = right.columns();
        let left = Matrix::new(&x[..7 * right.depth()], 7, right.depth());
        product(MatrixMut::new(&mut y, 7, n), Into::Scaled(1.0), left, right);
        y
    };
    let found = through(&Packed::side_by_side(factors, &parts));
    assert_eq!(found, through(&Packed::new(factors, Matrix::new(&together, 600, 31))));
    // One below the other.
    let (a, b) = (&a[..350 * 20], &b[..180 * 20]);
    let together = [a, b].concat();
    let found =
        through(&Packed::stacked(factors, &[Matrix::new(a, 350, 20), Matrix::new(b, 180, 20)]));
    assert_eq!(found, through(&Packed::new(factors, Matrix::new(&together, 530, 20))));
}

/// Products with pieces have the bits of the product with the whole, and leave what they should.
#[test]
fn pieces_of_a_factor_are_as_the_whole() {
    let Tile { columns, depth, .. } = Tile::of_processor();
    for (k, n) in [(5, 3 * columns + 1), (7 * depth + 9, 11), (3 * depth, columns), (1, 1)] {
        let (a, b, m) = (values(9 * k, 1), values(k * n, 2), 9);
        for factors in all_factors() {
            let (left, right) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            let into = |first| if first { Into::Scaled(0.5) } else { Into::Sum(0.5) };
            let mut expected = vec![1.0; m * n];
            product_once(MatrixMut::new(&mut expected, m, n), into(true), factors, left, right);
            for n_values in [1, 2 * depth * n, usize::MAX / 2] {
                let (mut across, mut along) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
                for (range, piece) in pieces_of_columns(factors, right, n_values) {
                    let target = &mut across[range.start..];
                    let target = MatrixMut::strided(target, m, range.len(), n);
                    product(target, into(true), left, &piece);
                }
                for (range, piece) in pieces_of_depth(factors, right, n_values) {
                    let left = left.part(0..m, range.clone());
                    let into = into(range.start == 0);
                    product(MatrixMut::new(&mut along, m, n), into, left, &piece);
                }
                assert!(across == expected, "{factors:?} {k} × {n} by columns");
                assert!(along == expected, "{factors:?} {k} × {n} by k");
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_whatever_stands_beside_it() {
    all_factors().into_iter().for_each(check_alone);
}

/// Factors of an odd number of rows are stacked as well.
#[test]
fn odd_factors_are_stacked_as_rounded_ones() {
    let (a, x) = (values(12 * 10, 1), values(3 * 12, 2));
    let parts = [Matrix::new(&a[..50], 5, 10), Matrix::new(&a[50..], 7, 10)];
    let right = |factors| Packed::stacked(factors, &parts);
    let through = |right: &Packed| {
        let mut y = vec![0.0; 3 * 10];
        product(MatrixMut::new(&mut y, 3, 10), Into::Scaled(1.0), Matrix::new(&x, 3, 12), right);
        y
    };
    assert_eq!(through(&right(Factors::Pairs)), through(&right(Factors::Rounded)));
}

fn check_alone(factors: Factors) {
    let (a, b) = (values(30 * 600, 1), values(600 * 40, 2));
    let right = Packed::new(factors, Matrix::new(&b, 600, 40));
    let rows = |first: usize, n: usize| {
        let mut target = vec![0.0; n * 40];
        let left = Matrix::new(&a[first * 600..][..n * 600], n, 600);
        product(MatrixMut::new(&mut target, n, 40), Into::Scaled(1.0), left, &right);
        target
    };
    let all = rows(0, 30);
    assert_eq!(all[17 * 40..], rows(17, 13));
}
