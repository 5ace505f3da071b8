use std::path::Path;

use burn::tensor::{Device, Tensor};
use temper_model::hf;
use temper_recipe::{OptimizerName, OptimizerState, Schedule, ScheduleKind};

use super::*;

fn options() -> Optimizer {
    Optimizer {
        name: OptimizerName::Adamw,
        lr: 0.1,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule { kind: ScheduleKind::Constant, warmup: 0.0, decay: 0.0, min_lr: 0.0 },
        state: OptimizerState::Reset,
    }
}

/// The values after each of three updates of one tensor of three values.
fn updates(is_matrix: bool) -> Vec<Vec<f32>> {
    let place = Place { number: 0, range: 0..3, is_matrix };
    let mut moments = FlatMoments::zeros(3);
    let mut values = vec![1.0, -2.0, 0.5];
    let gradients = [[0.5, -1.0, 0.0], [0.25, 2.0, -0.125], [-1.5, 0.5, 1.0]];
    let update = |(gradients, number): ([f32; 3], u64)| {
        let rates = Rates::new(&options(), 0.1, number);
        moments.move_values(&place, &mut values, &gradients, &rates, 1.0);
        values.clone()
    };
    gradients.into_iter().zip(1..).map(update).collect()
}

#[test]
fn three_updates_equal_those_of_pytorch() {
    // torch.optim.AdamW of PyTorch 2.15, lr 0.1, betas (0.9, 0.95), eps 1e-8, weight decay 0.1.
    let expected = [
        [0.89, -1.88, 0.495],
        [0.787_170_7, -1.897_537_4, 0.563_546],
        [0.813_353_5, -1.920_289, 0.503_005_5],
    ];
    for (found, expected) in updates(true).iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn vectors_do_not_decay() {
    // A gradient of zero leaves a vector where it is; a matrix shrinks.
    assert_eq!(updates(false)[0][2], 0.5);
    assert!((updates(true)[0][2] - 0.495).abs() < 1e-7);
}

#[test]
fn the_global_norm_spans_all_values() {
    assert_eq!(global_norm(&[3.0, 0.0, 4.0]), 5.0);
    let many = vec![1.0; (3 << 16) + 5];
    assert_eq!(global_norm(&many), (many.len() as f64).sqrt());
}

fn decoder() -> Decoder {
    let folder = Path::new("../../tests/fixtures/families/llama");
    hf::load(folder, &Device::flex()).unwrap().0
}

/// Gradients that look random, tensor by tensor.
fn gradients(decoder: &Decoder, step: usize) -> Vec<Vec<f32>> {
    let value = |at: usize| ((at * 2_654_435_761 + step * 40_503) % 1000) as f32 / 500.0 - 1.0;
    decoder.places().into_iter().map(|place| place.range.map(value).collect()).collect()
}

#[test]
fn tensors_move_as_flat_values_do() {
    let (mut left, mut right) = (decoder(), decoder());
    let mut flat = FlatMoments::zeros(left.config().n_parameters());
    let mut tensors = TensorMoments::new(&right, None);
    let device = right.device();
    for step in 0..3 {
        let values = gradients(&left, step);
        let norm = global_norm(&values.concat());
        flat.update(&mut left, &values.concat(), &options(), 0.01, 1.0 / norm, step as u64 + 1);
        let values = values.iter().map(|values| Tensor::from_data(&values[..], &device)).collect();
        let loss = Tensor::ones([1], &device);
        let found = tensors.update(&mut right, values, loss, &options(), 0.01, step as u64 + 1);
        let found = f64::from(found.into_scalar::<f32>());
        assert!((found / norm - 1.0).abs() < 1e-5, "norm {found}, expected {norm}");
        // A checkpoint's moments go back as they came.
        let [first, second] = tensors.values();
        tensors = TensorMoments::new(&right, Some(FlatMoments { first, second }));
    }
    let [first, second] = tensors.values();
    let pairs = [(left.values(), right.values()), (flat.first, first), (flat.second, second)];
    for (left, right) in pairs {
        let apart = left.iter().zip(&right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-6, "{apart} apart");
    }
}

#[test]
fn after_a_step_that_is_not_finite_nothing_moves_any_more() {
    for (loss, broken) in [(f32::NAN, false), (1.0, true)] {
        let mut decoder = decoder();
        let before = decoder.values();
        let device = decoder.device();
        let mut moments = TensorMoments::new(&decoder, None);
        for (step, is_bad) in [(0, true), (1, false)] {
            let mut values = gradients(&decoder, step);
            values[3][0] = if broken && is_bad { f32::INFINITY } else { 0.0 };
            let values =
                values.iter().map(|values| Tensor::from_data(&values[..], &device)).collect();
            let loss = Tensor::from_data([if is_bad { loss } else { 1.0 }], &device);
            moments.update(&mut decoder, values, loss, &options(), 0.01, step as u64 + 1);
        }
        assert_eq!(decoder.values(), before);
        assert!(moments.values().concat().iter().all(|moment| *moment == 0.0));
    }
}
