use burn::tensor::{Device, Tensor, TensorData};
use serde_json::json;

use crate::{
    Decoder, PackedRows,
    testing::{assert_close, config, config_with, ids},
};

/// Rows with segments longer and shorter than a chunk and a block of queries, padding, and a mask with gaps.
fn rows(vocab_size: usize) -> PackedRows {
    let length = 330;
    let mut rows = PackedRows::empty(3, length);
    rows.segments = vec![vec![300, 1, 29], vec![64, 65, 130], vec![]];
    rows.inputs = ids(1, 3 * length, vocab_size);
    rows.targets = ids(2, 3 * length, vocab_size);
    for (row, segments) in rows.segments.iter().enumerate() {
        let used: usize = segments.iter().sum();
        for at in 0..used {
            rows.loss_mask[row * length + at] = at % 7 != 3;
        }
    }
    rows
}

/// Losses and flat gradients of a loss in which every position has a weight of its own.
fn losses_and_gradients(decoder: &Decoder, losses: Tensor<2>) -> (Vec<f32>, Vec<f32>) {
    let [n_rows, length] = losses.dims();
    let weights: Vec<f32> = (0..n_rows * length).map(|at| 0.01 * (1.0 + (at % 5) as f32)).collect();
    let weights = Tensor::from_data(TensorData::new(weights, [n_rows, length]), &losses.device());
    let mut gradients = (losses.clone() * weights).sum().backward();
    let mut flat = vec![f32::NAN; decoder.config().n_parameters()];
    decoder.gradients(&mut gradients, &mut flat);
    (losses.into_data().try_into_vec().unwrap(), flat)
}

#[test]
fn equals_burns_operations() {
    for tie_word_embeddings in [true, false] {
        let config = config_with(json!({ "tie_word_embeddings": tie_word_embeddings }));
        let decoder = Decoder::init(&config, 9, &Device::flex().autodiff());
        let rows = rows(config.vocab_size);
        let (losses, gradients) =
            losses_and_gradients(&decoder, super::token_losses(&decoder, &rows));
        let (expected_losses, expected_gradients) =
            losses_and_gradients(&decoder, decoder.composed_token_losses(&rows));
        assert_close(&losses, &expected_losses, 5e-5);
        assert_close(&gradients, &expected_gradients, 5e-4);
        let largest = expected_gradients.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        assert!(largest > 0.1, "the comparison would be empty: {largest}");
    }
}

#[test]
fn does_not_depend_on_the_number_of_threads() {
    let decoder = Decoder::init(&config(), 9, &Device::flex().autodiff());
    let rows = rows(config().vocab_size);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| losses_and_gradients(&decoder, super::token_losses(&decoder, &rows)))
    };
    let bits = |(losses, gradients): (Vec<f32>, Vec<f32>)| {
        losses.iter().chain(&gradients).map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    let expected = bits(on(1));
    assert!(bits(on(2)) == expected && bits(on(5)) == expected);
}

#[test]
fn gives_the_same_losses_with_and_without_autodiff() {
    use burn::module::Module;
    let decoder = Decoder::init(&config(), 9, &Device::flex().autodiff());
    let rows = rows(config().vocab_size);
    let losses = |decoder: &Decoder| -> Vec<f32> {
        super::token_losses(decoder, &rows).into_data().try_into_vec().unwrap()
    };
    assert_eq!(losses(&decoder), losses(&decoder.valid()));
}

#[test]
fn rows_without_loss_give_zeros() {
    let decoder = Decoder::init(&config(), 9, &Device::flex().autodiff());
    let (losses, gradients) =
        losses_and_gradients(&decoder, super::token_losses(&decoder, &PackedRows::empty(2, 5)));
    assert_eq!(losses, [0.0; 10]);
    assert!(gradients.iter().all(|x| *x == 0.0));
}
