//! The nearest orthogonal matrix to a momentum (Jordan et al. 2024, "Muon: an optimizer for hidden layers
//! in neural networks").

use burn::tensor::Tensor;

/// Of the quintic iteration; they push singular values towards one fast rather than exactly.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
const ITERATIONS: usize = 5;
/// A gradient of zeros stays one.
const EPSILON: f32 = 1e-7;

/// By Newton–Schulz iterations, to within a third in its singular values.
///
/// # Shapes
/// - matrix, output: `[rows, cols]`
pub(super) fn orthogonal(matrix: Tensor<2>) -> Tensor<2> {
    let [rows, cols] = matrix.dims();
    // The products are of the shorter side.
    let is_tall = rows > cols;
    let x = if is_tall { matrix.transpose() } else { matrix };
    let norm = x.clone().powi_scalar(2).sum().sqrt().clamp_min(EPSILON);
    let mut x = x.clone() / norm.reshape([1, 1]).expand(x.dims());
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..ITERATIONS {
        let gram = x.clone().matmul(x.clone().transpose());
        let polynomial = gram.clone() * b + gram.clone().matmul(gram) * c;
        x = x.clone() * a + polynomial.matmul(x);
    }
    if is_tall { x.transpose() } else { x }
}

/// By which the learning rate is multiplied, so that values move about as far as AdamW moves them
/// (Liu et al. 2025, arXiv 2502.16982, equation 4).
pub(super) fn rate_factor(shape: [usize; 2]) -> f32 {
    0.2 * (shape[0].max(shape[1]) as f32).sqrt()
}
