//! Every family against transformers, on tiny checkpoints made by `scripts/family_fixtures.py`.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use safetensors::SafeTensors;
use serde::Deserialize;

use super::{LOSSES, PASSES, mean_gradients};
use crate::{
    Decoder, PackedRows, PassOptions,
    hf::{self, Dtype},
    testing::{families, packed},
};

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    logits: Vec<LogitsAt>,
    losses: Vec<f32>,
    gradients: BTreeMap<String, Gradient>,
    behind_padding: BehindPadding,
}

#[derive(Deserialize)]
struct LogitsAt {
    position: usize,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Gradient {
    sum: f64,
    norm: f64,
}

#[derive(Deserialize)]
struct BehindPadding {
    length: usize,
    logits: Vec<f32>,
}

fn load(folder: &Path, device: &Device) -> (Decoder, Expected) {
    let text = fs::read(folder.join("expected.json")).unwrap();
    (hf::load(folder, device).unwrap().0, serde_json::from_slice(&text).unwrap())
}

#[track_caller]
fn check(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(apart <= tolerance, "{what}, value {at}: {found}, expected {expected}");
    }
}

fn logits(decoder: &Decoder, ids: &[u32]) -> Vec<f32> {
    decoder.logits(ids).unwrap().into_data().try_into_vec().unwrap()
}

#[test]
fn logits_equal_transformers() {
    for (name, folder) in families() {
        let (decoder, expected) = load(&folder, &Device::flex());
        let all = logits(&decoder, &expected.ids);
        let width = decoder.config().vocab_size;
        for LogitsAt { position, values } in &expected.logits {
            let found = &all[position * width..][..width];
            check(&format!("{name} at {position}"), found, values, 1e-4);
        }
        // transformers computed these behind padding; a text alone has none.
        let BehindPadding { length, logits: behind } = &expected.behind_padding;
        let alone = logits(&decoder, &expected.ids[..*length]);
        let found = &alone[(length - 1) * width..];
        check(&format!("{name} behind padding"), found, behind, 1e-4);
    }
}

#[test]
fn losses_and_gradients_equal_pytorch() {
    let mut n_whole = 0;
    for (name, folder) in families() {
        let (decoder, expected) = load(&folder, &Device::flex());
        let rows = PackedRows::from_documents(&[&expected.ids], expected.ids.len() + 3);
        let whole = fs::read(folder.join("gradients.safetensors")).ok();
        let whole = whole.as_ref().map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        n_whole += usize::from(whole.is_some());
        for pass in PASSES {
            let (losses, flat) = mean_gradients(&decoder, &rows, pass);
            let found: Vec<f32> = losses.into_data().try_into_vec().unwrap();
            check(&name, &found[..expected.losses.len()], &expected.losses, 1e-4);
            let mut rest = &flat[..];
            for parameter in decoder.parameters() {
                let (found, behind) = rest.split_at(parameter.n_values());
                rest = behind;
                let Gradient { sum, norm } = expected.gradients[&parameter.name];
                let found_sum: f64 = found.iter().map(|x| f64::from(*x)).sum();
                let found_norm = found.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                if let Some(whole) = &whole {
                    let expected = values(whole, &parameter.name);
                    let apart = found.iter().zip(&expected).map(|(a, b)| f64::from(a - b).powi(2));
                    let apart = apart.sum::<f64>().sqrt();
                    assert!(apart <= 1e-3 * norm, "{name}, {}: {apart} apart", parameter.name);
                }
                assert!(
                    (found_norm - norm).abs() <= 1e-3 * norm
                        && (found_sum - sum).abs() <= 1e-3 * norm,
                    "{name}, {}: norm {found_norm} and sum {found_sum}, expected {norm} and {sum}",
                    parameter.name
                );
            }
        }
    }
    assert_eq!(n_whole, 4, "fixtures with whole gradients");
}

/// The values of a stored gradient.
fn values(stored: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = stored.tensor(name).unwrap().data().to_vec();
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn packed_documents_have_the_losses_they_have_alone() {
    for (name, folder) in families() {
        let (decoder, expected) = load(&folder, &Device::flex());
        let documents: [&[u32]; 3] =
            [&expected.ids[..41], &expected.ids[30..50], &expected.ids[7..9]];
        let packed = packed(&[&documents], 64);
        for pass in LOSSES {
            let losses = |rows: &PackedRows| -> Vec<f32> {
                pass(&decoder, rows, &PassOptions::default()).into_data().try_into_vec().unwrap()
            };
            let alone: Vec<f32> = documents
                .iter()
                .flat_map(|document| {
                    losses(&PackedRows::from_documents(&[document], document.len() - 1))
                })
                .collect();
            check(&name, &losses(&packed)[..alone.len()], &alone, 2e-5);
        }
    }
}

/// Behind whatever caps them, as what is sampled has it.
#[test]
fn a_temperature_divides_logits() {
    for (name, folder) in families() {
        let (decoder, expected) = load(&folder, &Device::flex());
        let ids = &expected.ids[..24];
        let rows = PackedRows::from_documents(&[ids], 23);
        let width = decoder.config().vocab_size;
        for temperature in [0.5_f32, 2.5] {
            let losses = logits(&decoder, &ids[..23]);
            let losses = losses.chunks_exact(width).zip(&ids[1..]).map(|(logits, target)| {
                let scaled = |logit: &f32| f64::from(*logit) / f64::from(temperature);
                let sum: f64 = logits.iter().map(|logit| scaled(logit).exp()).sum();
                (sum.ln() - scaled(&logits[*target as usize])) as f32
            });
            let losses: Vec<f32> = losses.collect();
            for pass in LOSSES {
                let options = PassOptions { temperature, ..PassOptions::default() };
                let found = pass(&decoder, &rows, &options).into_data();
                let found = found.try_into_vec::<f32>().unwrap();
                check(&format!("{name} at {temperature}"), &found, &losses, 1e-4);
            }
        }
    }
}

/// What transformers wrote comes out as it went in.
#[test]
fn weights_survive_a_round_trip_byte_for_byte() {
    for (name, folder) in families() {
        let (decoder, _) = load(&folder, &Device::flex());
        let out = tempfile::tempdir().unwrap();
        hf::save(&decoder, out.path(), Dtype::Bf16).unwrap();
        let difference = hf::diff(&folder, out.path()).unwrap();
        assert!(difference.is_none(), "{name}: {difference:?}");
        let again = tempfile::tempdir().unwrap();
        hf::save(&hf::load(out.path(), &Device::flex()).unwrap().0, again.path(), Dtype::Bf16)
            .unwrap();
        for file in ["model.safetensors", "config.json"] {
            let bytes = |dir: &tempfile::TempDir| fs::read(dir.path().join(file)).unwrap();
            assert!(bytes(&out) == bytes(&again), "{name}: {file}");
        }
    }
}
