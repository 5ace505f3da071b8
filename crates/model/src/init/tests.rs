use burn::tensor::Device;
use serde_json::json;

use super::draw;
use crate::{
    Decoder,
    names::{BlockField, Field},
    testing::{config, config_with},
    weights_digest,
};

#[test]
fn a_tensor_depends_on_seed_and_name_alone() {
    let deeper = config_with(json!({ "num_hidden_layers": 5, "tie_word_embeddings": false }));
    let field = Field::Block(1, BlockField::Gate);
    assert_eq!(draw(&config(), field, 7), draw(&deeper, field, 7));
    assert_ne!(draw(&config(), field, 7), draw(&config(), field, 8));
    assert_ne!(draw(&config(), field, 7), draw(&config(), Field::Block(1, BlockField::Up), 7));
}

#[test]
fn values_have_the_asked_spread() {
    let config = config_with(json!({ "vocab_size": 1001 }));
    let values = draw(&config, Field::Embedding, 1);
    let n = values.len() as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!(
        mean.abs() < 0.005 && (deviation - 0.2).abs() < 0.005,
        "mean {mean}, deviation {deviation}"
    );
    assert!(draw(&config, Field::Norm, 1).iter().all(|x| *x == 1.0));
}

#[test]
fn the_digest_tells_seeds_apart_and_nothing_else() {
    let digest = |seed| weights_digest(&Decoder::init(&config(), seed, &Device::flex()));
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
    assert_eq!(digest(1), weights_digest(&Decoder::init(&config(), 1, &Device::flex().autodiff())));
}
