use burn::tensor::Device;
use serde_json::json;

use crate::{
    Decoder, Objective, PassOptions,
    pass::{
        blockwise, tensors,
        testing::{LEAN, losses_and_gradients, rows},
    },
    testing::{assert_close, config, config_with},
};

#[test]
fn equals_burns_autodiff() {
    for tie_word_embeddings in [true, false] {
        let config = config_with(json!({ "tie_word_embeddings": tie_word_embeddings }));
        let decoder = Decoder::init(&config, 9, &Device::flex());
        let rows = rows(config.vocab_size);
        let (expected_losses, expected) =
            losses_and_gradients(&decoder, &rows, &PassOptions::default(), blockwise::gradients);
        for options in [PassOptions::default(), LEAN] {
            let (losses, gradients) =
                losses_and_gradients(&decoder, &rows, &options, tensors::gradients);
            assert_close(&losses, &expected_losses, 5e-5);
            assert_close(&gradients, &expected, 5e-4);
            let alone = tensors::losses(&decoder, &rows, &options);
            assert_eq!(alone.into_data().try_into_vec::<f32>().unwrap(), losses);
        }
    }
}

#[test]
fn long_rows_need_several_blocks_of_queries() {
    let config = config_with(json!({ "max_position_embeddings": 1300 }));
    let decoder = Decoder::init(&config, 9, &Device::flex());
    let mut rows = crate::PackedRows::empty(2, 1200);
    rows.segments = vec![vec![100, 900, 150], vec![1200]];
    rows.inputs = crate::testing::ids(1, 2400, config.vocab_size);
    rows.targets = crate::testing::ids(2, 2400, config.vocab_size);
    (0..1150).chain(1200..2400).for_each(|at| rows.loss_mask[at] = true);
    let options = PassOptions::default();
    let of = |pass| losses_and_gradients(&decoder, &rows, &options, pass);
    let (losses, gradients) = of(tensors::gradients);
    let (expected_losses, expected) = of(blockwise::gradients);
    assert_close(&losses, &expected_losses, 5e-5);
    assert_close(&gradients, &expected, 2e-3);
}

#[test]
fn a_sum_is_an_objective_like_any_other() {
    let decoder = Decoder::init(&config(), 9, &Device::flex());
    let rows = rows(config().vocab_size);
    crate::pass::testing::check_sum(&decoder, &rows, tensors::gradients);
    let mut seen = 0;
    let mut gradients = crate::Gradients::of(&decoder);
    let mut count = |losses: burn::tensor::Tensor<2>| {
        seen += 1;
        losses
    };
    let objective = Objective::Gradient(&mut count);
    tensors::gradients(&decoder, &rows, objective, &PassOptions::default(), &mut gradients);
    assert_eq!(seen, 1);
}
