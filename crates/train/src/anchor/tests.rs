use std::path::Path;

use burn::tensor::Device;
use proptest::prelude::*;
use temper_model::{Objective, PackedRows, PassOptions, hf};
use temper_recipe::Lora;

use super::*;
use crate::lora::Adapter;

fn decoder() -> Decoder {
    let folder = Path::new("../../tests/fixtures/families/llama");
    hf::load(folder, &Device::flex()).unwrap().0
}

/// Numbers that look random, `-1..1`.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    let number = |at: usize| ((at * 2_654_435_761 + seed * 40_503) % 1000) as f32 / 500.0 - 1.0;
    (0..n).map(number).collect()
}

/// A starting model, one that is trained, F, and the anchor.
fn anchored(l2: f64, ewc: f64, seed: usize) -> (Decoder, Decoder, Vec<f32>, Anchor) {
    let (start, mut now) = (decoder(), decoder());
    let n = start.config().n_parameters();
    let moved: Vec<f32> =
        start.values().iter().zip(numbers(n, seed)).map(|(w, by)| w + 0.1 * by).collect();
    now.set_values(&moved).unwrap();
    let fisher: Vec<f32> = numbers(n, seed + 1).iter().map(|value| value * value).collect();
    let options =
        recipe::Anchor { l2, ewc, kl: 0.0, fisher_rows: 1, sources: Vec::new(), fisher: None };
    let anchor = Anchor::new(&options, &start, (ewc > 0.0).then(|| fisher.clone()));
    (start, now, fisher, anchor)
}

/// Both terms as the formulas say them, in double precision.
fn expected_terms(values: &[f64], start: &[f32], fisher: &[f32], factors: [f64; 2]) -> f64 {
    let each = values.iter().zip(start).zip(fisher).map(|((value, start), fisher)| {
        let square = (value - f64::from(*start)).powi(2);
        factors[0] / 2.0 * square + factors[1] / 2.0 * f64::from(*fisher) * square
    });
    each.sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Flat and in tensors the gradient is that of the terms, by finite differences in double precision.
    #[test]
    fn gradients_equal_finite_differences(l2 in 0.01..2.0_f64, ewc in 0.01..2.0_f64, seed in 0..100_usize, at in 0..10_000_usize) {
        let (start, mut now, fisher, anchor) = anchored(l2, ewc, seed);
        let (start, values) = (start.values(), now.values());
        let at = at % values.len();
        let mut exact: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        let mut moved = |by: f64| {
            exact[at] += by;
            expected_terms(&exact, &start, &fisher, [l2, ewc])
        };
        let expected = (moved(1e-4) - moved(-2e-4)) / 2e-4;
        let total = moved(1e-4);
        let before = numbers(values.len(), 7);
        let mut flat = Gradients::Flat(before.clone());
        let of_flat = values_of(anchor.add(&mut now, &mut flat));
        let found = flat.to_vec()[at] - before[at];
        prop_assert!((f64::from(found) - expected).abs() < 1e-5 + 1e-5 * expected.abs(), "{found}, expected {expected}");
        prop_assert!((of_flat / total - 1.0).abs() < 1e-6, "{of_flat}, expected {total}");
        // As a device that is not the CPU would have it.
        let places = now.places();
        let in_tensors = Anchor {
            start: Values::tensors(&places, &Device::flex(), &start),
            fisher: Some(Values::tensors(&places, &Device::flex(), &fisher)),
            ..anchor
        };
        let tensors = places.iter().map(|place| Tensor::from_data(&before[place.range.clone()], &Device::flex()));
        let mut gradients = Gradients::Tensors(tensors.collect());
        let of_tensors = values_of(in_tensors.add(&mut now, &mut gradients));
        prop_assert!((of_tensors / total - 1.0).abs() < 1e-4, "{of_tensors}, expected {total}");
        for (found, expected) in gradients.to_vec().iter().zip(flat.to_vec()) {
            prop_assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
        prop_assert_eq!(now.values(), values);
    }
}

fn values_of(terms: Vec<Term>) -> f64 {
    super::values(terms).iter().map(|(_, value)| value).sum()
}

#[test]
fn terms_are_those_that_are_asked_for_and_zero_at_the_start() {
    for (l2, ewc, expected) in
        [(0.5, 0.0, &["l2"][..]), (0.0, 0.5, &["ewc"]), (0.5, 0.5, &["l2", "ewc"])]
    {
        let (mut start, _, _, anchor) = anchored(l2, ewc, 3);
        let n = start.config().n_parameters();
        let mut gradients = Gradients::Flat(vec![0.0; n]);
        let terms = super::values(anchor.add(&mut start, &mut gradients));
        let names: Vec<&str> = terms.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected);
        assert!(terms.iter().all(|(_, value)| *value == 0.0));
        assert!(gradients.to_vec().iter().all(|gradient| *gradient == 0.0));
    }
}

/// With an adapter only what the factors have changed counts.
#[test]
fn of_factors_the_change_of_their_matrices_counts() {
    let start = decoder();
    let lora = Lora {
        rank: 2,
        alpha: 4.0,
        rank_stabilized: false,
        plus_ratio: 1.0,
        dropout: 0.0,
        targets: Vec::new(),
    };
    let adapter = Adapter::new(&start, &lora, 1).unwrap();
    let mut values = adapter.values();
    values.iter_mut().for_each(|value| *value += 0.05);
    let mut merged = start.clone();
    adapter.with_values(&values).apply(&mut merged);
    let options = recipe::Anchor {
        l2: 1.0,
        ewc: 0.0,
        kl: 0.0,
        fisher_rows: 0,
        sources: Vec::new(),
        fisher: None,
    };
    let anchor = Anchor::new(&options, &start, None);
    let mut gradients = Gradients::Flat(vec![0.0; start.config().n_parameters()]);
    let found = values_of(anchor.add(&mut merged, &mut gradients));
    let pairs = merged.values().into_iter().zip(start.values());
    let expected: f64 = pairs.map(|(now, before)| f64::from(now - before).powi(2) / 2.0).sum();
    assert!(found > 0.0 && (found / expected - 1.0).abs() < 1e-6, "{found}, expected {expected}");
    let gradients = gradients.to_vec();
    for (place, stored) in start.places().into_iter().zip(start.parameters()) {
        let is_moved = gradients[place.range].iter().any(|gradient| *gradient != 0.0);
        assert_eq!(is_moved, stored.name.contains("proj"), "{}", stored.name);
    }
}

/// The squares of the gradients of the rows' losses, added up and divided by their tokens.
#[test]
fn fisher_is_the_mean_square_of_what_rows_teach() {
    let decoder = decoder();
    let rows =
        [&[1, 5, 9, 13, 2, 7][..], &[3, 3, 8]].map(|ids| PackedRows::from_documents(&[ids], 6));
    let gradient = |row: &PackedRows| {
        let mut gradients = Gradients::of(&decoder);
        decoder.gradients(row, Objective::Sum(1.0), &PassOptions::default(), &mut gradients);
        gradients.to_vec()
    };
    let mut told = Vec::new();
    let found = fisher::measure(&decoder, &rows, &PassOptions::default(), |done| {
        told.push(done);
        Ok(())
    });
    assert_eq!(told, [1, 2]);
    let of_rows = rows.each_ref().map(gradient);
    for (at, found) in found.unwrap().into_iter().enumerate() {
        let squares = of_rows.iter().map(|gradients| f64::from(gradients[at]).powi(2));
        let expected = squares.sum::<f64>() / 7.0;
        assert!((f64::from(found) - expected).abs() <= 1e-5 * expected, "{found}, {expected}");
    }
}
