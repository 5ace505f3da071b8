use burn::tensor::Device;
use serde_json::json;

use crate::{
    Decoder, PackedRows, PassOptions,
    pass::{
        blockwise,
        cpu::{self, TABLE_PIECE},
        testing::{LEAN, Pass, check_sum, losses_and_gradients, rows},
    },
    testing::{assert_close, config, config_with, ids},
};

#[test]
fn equals_burns_operations() {
    for tie_word_embeddings in [true, false] {
        let config = config_with(json!({ "tie_word_embeddings": tie_word_embeddings }));
        let decoder = Decoder::init(&config, 9, &Device::flex());
        let rows = rows(config.vocab_size);
        let (expected_losses, expected_gradients) =
            losses_and_gradients(&decoder, &rows, &PassOptions::default(), blockwise::gradients);
        for options in [PassOptions::default(), LEAN] {
            let (losses, gradients) =
                losses_and_gradients(&decoder, &rows, &options, cpu::gradients);
            assert_close(&losses, &expected_losses, 5e-5);
            assert_close(&gradients, &expected_gradients, 5e-4);
        }
        let largest = expected_gradients.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        assert!(largest > 0.1, "the comparison would be empty: {largest}");
    }
}

/// More columns than are packed at a time, and sums over more than that.
#[test]
fn an_output_matrix_of_several_pieces_equals_burns_operations() {
    let vocab_size = 2 * TABLE_PIECE / config().hidden_size + 5;
    let decoder =
        Decoder::init(&config_with(json!({ "vocab_size": vocab_size })), 9, &Device::flex());
    let rows = PackedRows::from_documents(&[&ids(3, 13, vocab_size)], 12);
    let options = PassOptions::default();
    let (expected_losses, expected_gradients) =
        losses_and_gradients(&decoder, &rows, &options, blockwise::gradients);
    let (losses, gradients) = losses_and_gradients(&decoder, &rows, &options, cpu::gradients);
    assert_close(&losses, &expected_losses, 5e-5);
    assert_close(&gradients, &expected_gradients, 5e-4);
}

#[test]
fn what_is_computed_again_has_the_same_bits() {
    let decoder = Decoder::init(&config(), 9, &Device::flex());
    let rows = rows(config().vocab_size);
    let with = |recompute| {
        let options = PassOptions { recompute, ..PassOptions::default() };
        losses_and_gradients(&decoder, &rows, &options, cpu::gradients)
    };
    assert_eq!(with(true), with(false));
}

#[test]
fn a_sum_is_an_objective_like_any_other() {
    let decoder = Decoder::init(&config(), 9, &Device::flex());
    let rows = rows(config().vocab_size);
    for pass in [cpu::gradients as Pass, blockwise::gradients] {
        check_sum(&decoder, &rows, pass);
    }
}

#[test]
fn does_not_depend_on_the_number_of_threads() {
    let decoder = Decoder::init(&config(), 9, &Device::flex());
    let rows = rows(config().vocab_size);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            losses_and_gradients(&decoder, &rows, &PassOptions::default(), cpu::gradients)
        })
    };
    let bits = |(losses, gradients): (Vec<f32>, Vec<f32>)| {
        losses.iter().chain(&gradients).map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    let expected = bits(on(1));
    assert!(bits(on(2)) == expected && bits(on(5)) == expected);
}

#[test]
fn gives_the_same_losses_with_and_without_gradients() {
    let decoder = Decoder::init(&config(), 9, &Device::flex());
    let rows = rows(config().vocab_size);
    let (losses, _) =
        losses_and_gradients(&decoder, &rows, &PassOptions::default(), cpu::gradients);
    let alone: Vec<f32> = decoder.token_losses(&rows).into_data().try_into_vec().unwrap();
    assert_eq!(losses, alone);
}

#[test]
fn rows_without_loss_give_zeros() {
    let decoder = Decoder::init(&config(), 9, &Device::flex());
    let rows = PackedRows::empty(2, 5);
    for pass in [cpu::gradients as Pass, blockwise::gradients] {
        let (losses, gradients) =
            losses_and_gradients(&decoder, &rows, &PassOptions::default(), pass);
        assert_eq!(losses, [0.0; 10]);
        assert!(gradients.iter().all(|x| *x == 0.0));
    }
}
