use burn::tensor::Device;
use serde_json::json;

use crate::{
    Decoder, Gradients, Objective, PackedRows, PassOptions,
    testing::{assert_close, config_with, ids},
};

const OLD: usize = 61;
const NEW: usize = 64;

#[track_caller]
fn check(tied: bool) {
    let config = config_with(json!({ "vocab_size": OLD, "tie_word_embeddings": tied }));
    let decoder = Decoder::init(&config, 3, &Device::flex());
    let logits = |decoder: &Decoder| -> Vec<f32> {
        decoder.logits(&ids(1, 9, OLD)).unwrap().into_data().try_into_vec().unwrap()
    };
    let before = logits(&decoder);
    let grown = decoder.with_vocab_size(NEW);
    assert_eq!(grown.config().vocab_size, NEW);
    assert_eq!(grown.values().len(), grown.config().n_parameters());
    let after = logits(&grown);
    for (before, after) in before.chunks_exact(OLD).zip(after.chunks_exact(NEW)) {
        // Another shape may be summed in another order.
        assert_close(&after[..OLD], before, 1e-5);
        // A product with the mean of rows is the mean of the products.
        let mean = before.iter().sum::<f32>() / OLD as f32;
        assert_close(&after[OLD..], &[mean; NEW - OLD], 1e-5);
    }
}

#[test]
fn old_logits_stay_and_new_ones_are_their_mean() {
    check(true);
    check(false);
}

#[test]
fn the_same_size_changes_nothing() {
    let decoder = Decoder::init(&config_with(json!({})), 3, &Device::flex());
    let values = decoder.values();
    let size = decoder.config().vocab_size;
    assert_eq!(decoder.with_vocab_size(size).values(), values);
}

#[test]
fn a_grown_decoder_trains() {
    let decoder = Decoder::init(&config_with(json!({})), 3, &Device::flex()).with_vocab_size(NEW);
    let row = ids(2, 12, NEW);
    let rows = PackedRows::from_documents(&[&row], 12);
    let mut gradients = Gradients::of(&decoder);
    decoder.gradients(&rows, Objective::Sum(1.0), &PassOptions::default(), &mut gradients);
    assert!(gradients.to_vec().iter().any(|value| *value != 0.0));
}
