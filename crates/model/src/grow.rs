//! Room for more token ids.

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};

use crate::Decoder;

impl Decoder {
    /// The same decoder with `vocab_size` token ids, on the same device.
    ///
    /// The rows that embedding and output matrix have stay as they are. Each new row is the mean of
    /// the old ones, which bounds how much probability new tokens take from old ones (Hewitt 2021,
    /// "Initializing new word embeddings for pretrained language models"). Sums are in f64, in the
    /// order of the rows.
    ///
    /// # Panics
    ///
    /// When `vocab_size` is less than the decoder has: ids would be lost.
    #[must_use]
    pub fn with_vocab_size(self, vocab_size: usize) -> Self {
        assert!(vocab_size >= self.config.vocab_size, "a vocabulary does not shrink");
        if vocab_size == self.config.vocab_size {
            return self;
        }
        let device = self.device();
        let config = self.config.with_vocab_size(vocab_size);
        Self {
            embedding: grown(&self.embedding, vocab_size, &device),
            head: self.head.as_ref().map(|head| grown(head, vocab_size, &device)),
            config,
            ..self
        }
    }
}

/// A matrix with the mean of its rows behind them, as often as it takes.
fn grown(matrix: &Param<Tensor<2>>, n_rows: usize, device: &Device) -> Param<Tensor<2>> {
    let [old_rows, width] = matrix.val().dims();
    let mut values: Vec<f32> = matrix.val().into_data().try_into_vec().expect("weights are f32");
    let mut sums = vec![0.0_f64; width];
    for row in values.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / old_rows as f64) as f32).collect();
    for _ in old_rows..n_rows {
        values.extend_from_slice(&mean);
    }
    let data = TensorData::new(values, [n_rows, width]);
    Param::from_tensor(Tensor::from_data(data, device))
}

#[cfg(test)]
mod tests;
