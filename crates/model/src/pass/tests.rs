//! What all passes have to keep, on random shapes.

mod case;

use burn::tensor::Device;
use proptest::prelude::*;
use serde_json::json;

use self::case::{Case, direction, long, short};
use crate::{
    Decoder, Gradients, Near, Objective, PassOptions,
    pass::{
        Precision, blockwise, cpu, tensors,
        testing::{Pass, losses_and_gradients, position_weight, reference},
    },
    testing::config_with,
};

const PASSES: [(&str, Pass); 3] =
    [("cpu", cpu::gradients), ("tensors", tensors::gradients), ("blockwise", blockwise::gradients)];

/// Gradients of a loss in which every position has a weight of its own.
fn check_gradients(case: &Case) -> Result<(), TestCaseError> {
    let (decoder, rows) = (case.decoder(), case.rows());
    let values: Vec<f64> = decoder.values().into_iter().map(f64::from).collect();
    let direction = direction(values.len());
    let loss = |step: f64| {
        let moved: Vec<f64> =
            values.iter().zip(&direction).map(|(value, along)| value + step * along).collect();
        let of = (decoder.config(), f64::from(case.options.temperature));
        reference::loss(of, &moved, &rows, |at| f64::from(position_weight(at)))
    };
    let step = 1e-6;
    let expected = (loss(step) - loss(-step)) / (2.0 * step);
    for (name, pass) in PASSES {
        let (losses, gradients) = losses_and_gradients(&decoder, &rows, &case.options, pass);
        let total: f64 =
            losses.iter().enumerate().map(|(at, x)| f64::from(x * position_weight(at))).sum();
        prop_assert!(
            (total - loss(0.0)).abs() < 1e-5 * (1.0 + total.abs()),
            "{name}: loss {total}"
        );
        check_along(name, &gradients, &direction, expected)?;
    }
    Ok(())
}

/// Gradients against the difference quotient along a direction.
fn check_along(
    name: &str,
    gradients: &[f32],
    direction: &[f64],
    expected: f64,
) -> Result<(), TestCaseError> {
    let along: f64 = gradients.iter().zip(direction).map(|(x, along)| f64::from(*x) * along).sum();
    let norm: f64 = gradients.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    prop_assert!(
        (along - expected).abs() < 1e-4 * (norm + 1e-3),
        "{name}: {along} along the direction, expected {expected}, norm {norm}"
    );
    Ok(())
}

/// Losses and divergences from another model, of which some positions and rows do not count.
fn check_divergences(case: &Case, left_out: usize) -> Result<(), TestCaseError> {
    let (decoder, rows) = (case.decoder(), case.rows());
    let values: Vec<f64> = decoder.values().into_iter().map(f64::from).collect();
    let direction = direction(values.len());
    let mut starting = decoder.clone();
    let start: Vec<f32> =
        values.iter().zip(&direction).map(|(x, by)| (x + 0.3 * by.sin()) as f32).collect();
    starting.set_values(&start).unwrap();
    let start: Vec<f64> = start.into_iter().map(f64::from).collect();
    let factor = |at: usize| {
        let counts = !(at / rows.length + at).is_multiple_of(left_out) && at / rows.length != 1;
        if counts { position_weight(at) } else { 0.0 }
    };
    let factors: Vec<f32> = (0..rows.inputs.len()).map(factor).collect();
    let goals = |step: f64| {
        let moved: Vec<f64> =
            values.iter().zip(&direction).map(|(value, along)| value + step * along).collect();
        let of = (decoder.config(), f64::from(case.options.temperature));
        let loss = reference::loss(of, &moved, &rows, |_| 0.125);
        [loss, reference::divergence(of, &moved, &start, &rows, |at| f64::from(factor(at)))]
    };
    let step = 1e-6;
    let total = |step| goals(step).iter().sum::<f64>();
    let expected = (total(step) - total(-step)) / (2.0 * step);
    let [loss, divergence] = goals(0.0);
    for (name, pass) in PASSES {
        let near = Near { starting: &starting, factors: &factors };
        let mut gradients = Gradients::of(&decoder);
        let mut divergences = None;
        let objective = Objective::Near(0.125, near, &mut divergences);
        let losses = pass(&decoder, &rows, objective, &case.options, &mut gradients);
        let found = 0.125 * f64::from(losses.sum().into_scalar::<f32>());
        prop_assert!((found - loss).abs() < 1e-5 * (1.0 + loss.abs()), "{name}: loss {found}");
        let found = divergences.unwrap().into_data().try_into_vec::<f32>().unwrap();
        let found = found.iter().zip(&factors).map(|(x, by)| f64::from(x * by)).sum::<f64>();
        prop_assert!(
            (found - divergence).abs() < 1e-5 * (1.0 + divergence),
            "{name}: divergence {found}, expected {divergence}"
        );
        let gradients = gradients.to_vec();
        check_along(name, &gradients, &direction, expected)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn gradients_equal_finite_differences_in_double_precision(case in short()) {
        check_gradients(&case)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn gradients_of_divergences_equal_finite_differences(case in short(), left_out in 2..5_usize) {
        check_divergences(&case, left_out)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn gradients_across_blocks_equal_finite_differences(case in long()) {
        check_gradients(&case)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn gradients_of_divergences_across_blocks_equal_finite_differences(
        case in long(),
        left_out in 2..5_usize,
    ) {
        check_divergences(&case, left_out)?;
    }
}

/// From itself a model does not diverge, and nothing pulls.
#[test]
fn a_model_is_where_it_is() {
    let decoder = Decoder::init(&config_with(json!({})), 9, &Device::flex());
    let rows = super::testing::rows(decoder.config().vocab_size);
    let factors = vec![1.0; rows.inputs.len()];
    for (name, pass) in PASSES {
        let (near, mut divergences) = (Near { starting: &decoder, factors: &factors }, None);
        let (mut gradients, options) = (Gradients::of(&decoder), PassOptions::default());
        let objective = Objective::Near(0.0, near, &mut divergences);
        pass(&decoder, &rows, objective, &options, &mut gradients);
        let divergences = divergences.unwrap().abs().max().into_scalar::<f32>();
        let largest = gradients.to_vec().iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert!(divergences < 1e-5 && largest < 1e-4, "{name}: {divergences}, {largest}");
    }
}

/// The bits of all others stay.
#[test]
fn tables_that_nobody_trains_cost_no_gradient() {
    for tied in [false, true] {
        let config = config_with(json!({ "tie_word_embeddings": tied }));
        let decoder = Decoder::init(&config, 9, &Device::flex());
        let rows = super::testing::rows(config.vocab_size);
        for (name, pass) in &PASSES[..2] {
            let of = |trains_tables| {
                let options = PassOptions { trains_tables, ..PassOptions::default() };
                losses_and_gradients(&decoder, &rows, &options, *pass)
            };
            let ((expected_losses, expected), (losses, found)) = (of(true), of(false));
            assert!(losses == expected_losses, "{name}");
            for place in decoder.places() {
                let [found, expected] = [&found, &expected].map(|all| &all[place.range.clone()]);
                match place.is_table {
                    true => assert!(found.iter().all(|value| *value == 0.0), "{name}: {place:?}"),
                    false => assert!(found == expected, "{name}: {place:?}"),
                }
            }
        }
    }
}

#[test]
fn bf16_is_near() {
    let decoder = Decoder::init(&config_with(json!({})), 9, &Device::flex());
    let rows = super::testing::rows(decoder.config().vocab_size);
    for (name, pass) in &PASSES[..2] {
        let of = |precision| {
            let options = PassOptions { precision, ..PassOptions::default() };
            losses_and_gradients(&decoder, &rows, &options, *pass)
        };
        let ((losses, gradients), (expected_losses, expected)) =
            (of(Precision::Bf16), of(Precision::F32));
        crate::testing::assert_close(&losses, &expected_losses, 0.1);
        let norm = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>().sqrt();
        let apart: Vec<f32> = gradients.iter().zip(&expected).map(|(a, b)| a - b).collect();
        let relative = norm(&apart) / norm(&expected);
        assert!(relative > 1e-5 && relative < 0.03, "{name}: gradients are {relative} apart");
    }
}
