//! The cross-entropy of each position.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};

use crate::PackedRows;

/// Minus the log-probability of each target in nats, 0 where the mask is off.
///
/// # Shapes
/// - logits: `[n_rows, length, vocab_size]`
/// - output: `[n_rows, length]`
pub(crate) fn token_losses(logits: Tensor<3>, rows: &PackedRows) -> Tensor<2> {
    let device = logits.device();
    let shape = [rows.n_rows, rows.length];
    let targets: Vec<i32> = rows.targets.iter().map(|&id| id as i32).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, shape), &device);
    let carries: Vec<f32> =
        rows.loss_mask.iter().map(|&carries| f32::from(u8::from(carries))).collect();
    let carries = Tensor::<2>::from_data(TensorData::new(carries, shape), &device);
    let log_probabilities = log_softmax(logits, 2).gather(2, targets.unsqueeze_dim(2));
    log_probabilities.squeeze_dim::<2>(2).neg() * carries
}
