use std::path::Path;

use burn::tensor::{Device, Tensor};
use temper_model::hf;
use temper_recipe::{OptimizerName, OptimizerState, Schedule};

use super::*;

fn options() -> Optimizer {
    Optimizer {
        name: OptimizerName::Adamw,
        momentum: 0.0,
        lr: 0.1,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule::constant(0.1),
        state: OptimizerState::Reset,
    }
}

/// The values after each of three updates of one tensor.
fn updates(options: &Optimizer, shape: &[usize], values: &[f32]) -> Vec<Vec<f32>> {
    let n = values.len();
    let is_matrix = shape.len() == 2;
    let place = Place { number: 0, range: 0..n, is_matrix, is_table: false, shape: shape.to_vec() };
    let mut moments = FlatMoments::zeros(n, has_second(options.name));
    let mut values = values.to_vec();
    let gradients = [
        [0.5, -1.0, 0.0, 0.25, 0.75, -0.5],
        [0.25, 2.0, -0.125, -1.0, 0.5, 0.0],
        [-1.5, 0.5, 1.0, 0.25, -0.25, 2.0],
    ];
    let update = |(gradients, number): ([f32; 6], u64)| {
        let rates = Rates::new(options, 0.1, number);
        moments.move_values(&place, &mut values, &gradients[..n], &rates, 1.0);
        values.clone()
    };
    gradients.into_iter().zip(1..).map(update).collect()
}

#[track_caller]
fn check(options: &Optimizer, shape: &[usize], values: &[f32], expected: &[&[f32]]) {
    let found = updates(options, shape, values);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().flatten().zip(expected.iter().copied().flatten()) {
        assert!((found - expected).abs() < 2e-6, "{found} is not {expected}");
    }
}

#[test]
fn three_updates_equal_those_of_pytorch() {
    // torch.optim.AdamW of PyTorch 2.15, lr 0.1, betas (0.9, 0.95), eps 1e-8, weight decay 0.1.
    let expected: [&[f32]; 3] = [
        &[0.89, -1.88, 0.495],
        &[0.787_170_7, -1.897_537_4, 0.563_546],
        &[0.813_353_5, -1.920_289, 0.503_005_5],
    ];
    check(&options(), &[1, 3], &[1.0, -2.0, 0.5], &expected);
}

const VALUES: [f32; 6] = [1.0, -2.0, 0.5, 0.25, -1.0, 0.75];

/// torch.optim.SGD of PyTorch 2.15, lr 0.1, momentum 0.9, after the decay.
#[test]
fn sgd_equals_that_of_pytorch() {
    let sgd = Optimizer { name: OptimizerName::Sgd, momentum: 0.9, ..options() };
    let expected: [&[f32]; 3] = [
        &[0.94, -1.88, 0.495, 0.2225, -1.065, 0.7925],
        &[0.8606, -1.9712, 0.50255, 0.297_775, -1.17185, 0.829_575],
        &[0.938_994, -2.100_488, 0.408_774, 0.339_547, -1.240_882, 0.661_779],
    ];
    check(&sgd, &[2, 3], &VALUES, &expected);
}

/// Program 1 of its paper in double precision, with betas 0.9 and 0.95.
#[test]
fn lion_equals_its_paper() {
    let lion = Optimizer { name: OptimizerName::Lion, ..options() };
    let expected: [&[f32]; 3] = [
        &[0.89, -1.88, 0.495, 0.1475, -1.09, 0.8425],
        &[0.7811, -1.9612, 0.59005, 0.246_025, -1.1791, 0.934_075],
        &[0.873_289, -2.041_588, 0.48415, 0.343_565, -1.267_309, 0.824_734],
    ];
    check(&lion, &[2, 3], &VALUES, &expected);
}

/// torch.optim.Muon of PyTorch 2.15 (`match_rms_adamw`), computed in double precision; PyTorch itself
/// iterates in bfloat16 and is 0.0012 away from it.
#[test]
fn muon_equals_that_of_pytorch() {
    let muon = Optimizer { name: OptimizerName::Muon, momentum: 0.95, ..options() };
    let wide: [&[f32]; 3] = [
        &[0.968_141, -1.962_058, 0.505_311, 0.225_744, -1.003_714, 0.76539],
        &[0.945_551, -1.968_991, 0.501_768, 0.246_756, -1.007_986, 0.762_823],
        &[0.962_198, -1.968_469, 0.497_846, 0.231_431, -0.992_216, 0.726_238],
    ];
    check(&muon, &[2, 3], &VALUES, &wide);
    let tall: [&[f32]; 3] = [
        &[0.98792, -1.956_251, 0.489_726, 0.238_926, -1.014_216, 0.743_827],
        &[0.969_976, -1.95594, 0.483_071, 0.248_818, -1.041_573, 0.746_587],
        &[0.980_281, -1.95547, 0.462_569, 0.248_928, -1.034_994, 0.706_438],
    ];
    check(&muon, &[3, 2], &VALUES, &tall);
    // What is no matrix of a block is AdamW's.
    let vector = updates(&Optimizer { name: OptimizerName::Muon, ..options() }, &[6], &VALUES);
    assert_eq!(vector, updates(&options(), &[6], &VALUES));
}

#[test]
fn vectors_do_not_decay() {
    // A gradient of zero leaves a vector where it is; a matrix shrinks.
    let third = |shape: &[usize]| updates(&options(), shape, &[1.0, -2.0, 0.5])[0][2];
    assert_eq!(third(&[3]), 0.5);
    assert!((third(&[1, 3]) - 0.495).abs() < 1e-7);
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
    for name in [OptimizerName::Adamw, OptimizerName::Lion, OptimizerName::Sgd, OptimizerName::Muon]
    {
        let options = Optimizer { name, momentum: 0.9, ..options() };
        check_tensors(&options, &[]);
        check_tensors(&options, &["model.embed_tokens.*", "*.0.mlp.*", "*norm.weight"]);
    }
}

#[track_caller]
fn check_tensors(options: &Optimizer, frozen: &[&str]) {
    let (mut left, mut right) = (decoder(), decoder());
    let before = left.values();
    let frozen: Vec<String> = frozen.iter().map(|pattern| (*pattern).to_owned()).collect();
    let trainable = Trainable::new(left.config(), &frozen).unwrap();
    let mut flat = FlatMoments::zeros(trainable.n_values(), has_second(options.name));
    let mut tensors = TensorMoments::new(&trainable.places(), &right.device(), flat.clone());
    let device = right.device();
    for step in 0..3 {
        let mut values = gradients(&left, step);
        for place in left.places().iter().filter(|place| trainable.place(place).is_none()) {
            values[place.number].fill(0.0);
        }
        let norm = global_norm(&values.concat());
        let update = (options, 0.01, step as u64 + 1);
        flat.update(&mut left, &trainable, &values.concat(), 1.0 / norm, update);
        let values = values.iter().map(|values| Tensor::from_data(&values[..], &device)).collect();
        let loss = Tensor::ones([1], &device);
        let found = tensors.update(&mut right, &trainable, values, loss, update);
        let found = f64::from(found.into_scalar::<f32>());
        assert!((found / norm - 1.0).abs() < 1e-5, "norm {found}, expected {norm}");
        // A checkpoint's moments go back as they came.
        let [first, second] = tensors.values();
        tensors = TensorMoments::new(&trainable.places(), &device, FlatMoments { first, second });
    }
    for place in left.places() {
        let is_there = left.values()[place.range.clone()] == before[place.range.clone()];
        assert_eq!(is_there, trainable.place(&place).is_none(), "{place:?}");
    }
    let [first, second] = tensors.values();
    let pairs = [(left.values(), right.values()), (flat.first, first), (flat.second, second)];
    for (left, right) in pairs {
        let apart = left.iter().zip(&right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-6, "{:?}: {apart} apart", options.name);
    }
}

#[test]
fn after_a_step_that_is_not_finite_nothing_moves_any_more() {
    for (loss, broken) in [(f32::NAN, false), (1.0, true)] {
        let mut decoder = decoder();
        let before = decoder.values();
        let device = decoder.device();
        let n = decoder.config().n_parameters();
        let trainable = Trainable::all(decoder.config());
        let mut moments =
            TensorMoments::new(&decoder.places(), &device, FlatMoments::zeros(n, true));
        for (step, is_bad) in [(0, true), (1, false)] {
            let mut values = gradients(&decoder, step);
            values[3][0] = if broken && is_bad { f32::INFINITY } else { 0.0 };
            let values =
                values.iter().map(|values| Tensor::from_data(&values[..], &device)).collect();
            let loss = Tensor::from_data([if is_bad { loss } else { 1.0 }], &device);
            let update = (&options(), 0.01, step as u64 + 1);
            moments.update(&mut decoder, &trainable, values, loss, update);
        }
        assert_eq!(decoder.values(), before);
        assert!(moments.values().concat().iter().all(|moment| *moment == 0.0));
    }
}

#[test]
fn a_higher_rate_decays_more() {
    let device = Device::flex();
    let shape = vec![1, 2];
    let place = Place { number: 0, range: 0..2, is_matrix: true, is_table: false, shape };
    let zeros = || Tensor::zeros([2], &device);
    let moved = |ratio| {
        let flat = FlatMoments::zeros(2, true);
        let mut moments = TensorMoments::new(std::slice::from_ref(&place), &device, flat);
        let options = options();
        let mut mover = moments.begin(&[zeros()], Tensor::ones([1], &device), &options, 0.1, 1);
        let values = Tensor::from_data([1.0, -2.0], &device);
        mover.step(&place, values, zeros(), ratio).into_data().try_to_vec::<f32>().unwrap()
    };
    // No gradient, so that decay alone moves: 0.1 of the rate, which is 0.1 or four times that.
    for (ratio, keep) in [(1.0, 0.99), (4.0, 0.96)] {
        let found = moved(ratio);
        assert!(
            (found[0] - keep).abs() < 1e-6 && (found[1] + 2.0 * keep).abs() < 1e-6,
            "{found:?}"
        );
    }
}
