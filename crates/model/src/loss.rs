//! The cross-entropy of each position.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};

use crate::PackedRows;

/// Minus the log-probability of each target in nats, 0 where the mask is off, for the positions of
/// the rows from `first` on.
///
/// # Shapes
/// - logits: `[n, vocab_size]`
/// - output: `[n]`
pub(crate) fn cross_entropy(logits: Tensor<2>, rows: &PackedRows, first: usize) -> Tensor<1> {
    let device = logits.device();
    let [n, _] = logits.dims();
    let at = first..first + n;
    let targets: Vec<i32> = rows.targets[at.clone()].iter().map(|&id| id as i32).collect();
    let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [n]), &device);
    let carries: Vec<f32> =
        rows.loss_mask[at].iter().map(|&carries| f32::from(u8::from(carries))).collect();
    let carries = Tensor::<1>::from_data(TensorData::new(carries, [n]), &device);
    let log_probabilities = log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    log_probabilities.squeeze_dim::<1>(1).neg() * carries
}
