mod families;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use crate::{
    Decoder, Error, Gradients, Objective, PackedRows, Parameter, PassOptions,
    names::{fields, parameters},
    pass::blockwise,
    testing::{FIXTURES, assert_close, config, ids, load, packed, read_json},
};

#[derive(Deserialize)]
struct Logits {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct GradientsFile {
    ids: Vec<u32>,
    loss: f32,
    gradients: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    sum: f64,
    norm: f64,
    values: Option<Vec<f32>>,
}

type Pass = fn(&Decoder, &PackedRows, Objective<'_>, &PassOptions, &mut Gradients) -> Tensor<2>;

/// The one that is chosen, and the one that computes any decoder.
const PASSES: [Pass; 2] = [Decoder::gradients, blockwise::gradients];

/// Their losses alone.
const LOSSES: [fn(&Decoder, &PackedRows, &PassOptions) -> Tensor<2>; 2] =
    [Decoder::losses, blockwise::losses];

/// The losses of positions, and the flat gradient of their mean.
fn mean_gradients(decoder: &Decoder, rows: &PackedRows, pass: Pass) -> (Tensor<2>, Vec<f32>) {
    let mut gradients = Gradients::of(decoder);
    let mean = Objective::Sum(1.0 / rows.n_supervised() as f32);
    let losses = pass(decoder, rows, mean, &PassOptions::default(), &mut gradients);
    (losses, gradients.to_vec())
}

#[test]
fn logits_equal_transformers() {
    for name in FIXTURES {
        let expected: Logits = read_json(name, "logits.json");
        let logits = load(name, &Device::flex()).logits(&expected.ids).unwrap();
        assert_close(&logits.into_data().try_into_vec().unwrap(), &expected.logits.concat(), 1e-4);
    }
}

#[test]
fn loss_and_gradients_equal_pytorch() {
    for name in FIXTURES {
        let expected: GradientsFile = read_json(name, "gradients.json");
        let decoder = load(name, &Device::flex());
        let rows = PackedRows::from_documents(&[&expected.ids], expected.ids.len() + 3);
        for pass in PASSES {
            let (losses, flat) = mean_gradients(&decoder, &rows, pass);
            let loss = losses.sum() / rows.n_supervised() as f64;
            assert_close(&[loss.into_scalar::<f32>()], &[expected.loss], 1e-5);
            let mut rest = &flat[..];
            for parameter in decoder.parameters() {
                let (found, behind) = rest.split_at(parameter.n_values());
                rest = behind;
                let expected = &expected.gradients[&parameter.name];
                let sum: f64 = found.iter().map(|x| f64::from(*x)).sum();
                let norm = found.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                assert!(
                    (sum - expected.sum).abs() < 1e-4,
                    "{}: sum {sum}, expected {}",
                    parameter.name,
                    expected.sum
                );
                assert!(
                    (norm / expected.norm - 1.0).abs() < 1e-4,
                    "{}: norm {norm}, expected {}",
                    parameter.name,
                    expected.norm
                );
                if let Some(values) = &expected.values {
                    assert_close(found, values, 1e-5);
                }
            }
        }
    }
}

#[test]
fn packed_documents_have_the_losses_they_have_alone() {
    let decoder = Decoder::init(&config(), 3, &Device::flex());
    let documents: Vec<Vec<u32>> =
        [9, 2, 70, 1, 17].iter().enumerate().map(|(at, n)| ids(at as u64, n + 1, 61)).collect();
    let documents: Vec<&[u32]> = documents.iter().map(Vec::as_slice).collect();
    let packed = packed(&[&documents[..3], &documents[3..]], 100);
    for pass in LOSSES {
        let losses = |rows: &PackedRows| -> Vec<f32> {
            pass(&decoder, rows, &PassOptions::default()).into_data().try_into_vec().unwrap()
        };
        let together = losses(&packed);
        let alone: Vec<f32> = documents
            .iter()
            .flat_map(|document| {
                losses(&PackedRows::from_documents(&[*document], document.len() - 1))
            })
            .collect();
        let supervised: Vec<f32> = together
            .iter()
            .zip(&packed.loss_mask)
            .filter(|(_, carries)| **carries)
            .map(|(loss, _)| *loss)
            .collect();
        assert_close(&supervised, &alone, 2e-5);
        assert!(
            together.iter().zip(&packed.loss_mask).all(|(loss, carries)| *carries || *loss == 0.0),
            "padding has no loss"
        );
    }
}

#[test]
fn flat_values_go_in_as_they_came_out() {
    let device = Device::flex();
    let (first, other) =
        (Decoder::init(&config(), 3, &device), Decoder::init(&config(), 4, &device));
    let mut decoder = first.clone();
    decoder.set_values(&other.values()).unwrap();
    assert_eq!(decoder.values(), other.values());
    assert_ne!(decoder.values(), first.values());
}

#[test]
fn an_update_gives_each_tensor_once_with_its_place() {
    let mut decoder = Decoder::init(&config(), 3, &Device::flex());
    let before = decoder.values();
    let shared = decoder.clone();
    let mut seen = vec![0; before.len()];
    decoder.update_values(|place, values| {
        assert_eq!(values, &before[place.range.clone()]);
        seen[place.range.clone()].iter_mut().for_each(|count| *count += 1);
        values.iter_mut().for_each(|value| *value += 1.0);
    });
    assert!(seen.iter().all(|count| *count == 1));
    assert!(decoder.values().iter().zip(&before).all(|(after, before)| *after == before + 1.0));
    // A copy made before keeps its weights.
    assert_eq!(shared.values(), before);
}

#[test]
fn flat_values_of_another_number_are_refused() {
    let mut decoder = Decoder::init(&config(), 3, &Device::flex());
    let expected = decoder.config().n_parameters();
    assert!(
        matches!(decoder.set_values(&[0.0]), Err(Error::ValueCount { found: 1, expected: e }) if e == expected)
    );
}

#[test]
fn flat_values_follow_the_order_of_fields() {
    let (config, decoder) = (config(), Decoder::init(&config(), 3, &Device::flex()));
    let mut values = Vec::new();
    for field in fields(&config) {
        let before = values.len();
        values.extend(decoder.pieces(field).flatten());
        assert_eq!(values.len() - before, field.shape(&config).iter().product::<usize>());
    }
    assert_eq!(values, decoder.values());
    let sizes: usize = parameters(&config).iter().map(Parameter::n_values).sum();
    assert_eq!(sizes, decoder.values().len());
}

#[test]
fn an_id_outside_the_vocabulary_is_refused() {
    let decoder = Decoder::init(&config(), 3, &Device::flex());
    assert!(matches!(decoder.logits(&[1, 61]), Err(Error::TokenId { found: 61, vocab_size: 61 })));
}
