use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use tempfile::TempDir;

use super::*;
use crate::{
    hf::{
        MAX_SHARD_BYTES,
        locate::locate_folder,
        save,
        testing::{check_error, copy, loaded},
    },
    testing::{FIXTURES, fixture, values},
};

/// A base and some models, whose weights differ from it by little.
struct Trained {
    folders: Vec<TempDir>,
}

impl Trained {
    fn new(n: usize) -> Self {
        let base = copy(FIXTURES[0]);
        let models = (0..n).map(|model| {
            let mut decoder = loaded(base.path());
            let mut weights = decoder.values();
            let noise = values(weights.len(), 7 + model as u64);
            // Of different sizes, so that no two changes cancel out.
            let size = 0.01 + 0.001_37 * model as f32;
            weights.iter_mut().zip(noise).for_each(|(weight, noise)| *weight += size * noise);
            decoder.set_values(&weights).unwrap();
            let folder = TempDir::new().unwrap();
            save(&decoder, folder.path(), Dtype::F32).unwrap();
            folder
        });
        let models: Vec<_> = models.collect();
        Self { folders: std::iter::once(base).chain(models).collect() }
    }

    fn weights(&self, at: usize) -> Vec<f64> {
        loaded(self.folders[at].path()).values().into_iter().map(f64::from).collect()
    }

    fn merged(&self, method: &MergeMethod) -> Result<Vec<f32>, Error> {
        let located: Vec<Located> =
            self.folders.iter().map(|folder| locate_folder(folder.path()).unwrap()).collect();
        let (base, models) = located.split_first().unwrap();
        let models: Vec<&Located> = models.iter().collect();
        let base = method.needs_base().then_some(base);
        let out = TempDir::new().unwrap();
        let folder = out.path().join("merged");
        // Small shards, so that they are written in several.
        merge(base, &models, method, &folder, Dtype::F32, 30_000, &[])?;
        Ok(loaded(&folder).values())
    }

    /// `expected` is given the values of base and models at one place.
    #[track_caller]
    fn check(&self, method: &MergeMethod, expected: impl Fn(&[f64]) -> f64) {
        let all: Vec<Vec<f64>> = (0..self.folders.len()).map(|at| self.weights(at)).collect();
        for (at, found) in self.merged(method).unwrap().into_iter().enumerate() {
            let here: Vec<f64> = all.iter().map(|weights| weights[at]).collect();
            let expected = expected(&here);
            let apart = (f64::from(found) - expected).abs();
            assert!(apart < 1e-6, "{method:?} at {at}: {found}, expected {expected}");
        }
    }
}

#[test]
fn means_and_task_vectors_are_sums() {
    let trained = Trained::new(3);
    // Weights are brought to a sum of one.
    let linear = MergeMethod::Linear { weights: vec![2.0, 1.0, 1.0] };
    trained.check(&linear, |at| 0.5 * at[1] + 0.25 * at[2] + 0.25 * at[3]);
    let weights = vec![1.0, 0.5, -0.5];
    trained.check(&MergeMethod::TaskArithmetic { weights }, |at| {
        at[0] + (at[1] - at[0]) + 0.5 * (at[2] - at[0]) - 0.5 * (at[3] - at[0])
    });
    // Nothing dropped is task arithmetic.
    let all = MergeMethod::Dare { drop: 0.0, weights: vec![1.0, 0.0, 0.0], seed: 3 };
    trained.check(&all, |at| at[1]);
}

/// Trimming looks at all changes of a model together, as the paper does.
#[test]
fn ties_trims_elects_and_averages() {
    let trained = Trained::new(3);
    let base = trained.weights(0);
    let deltas = |model: usize| -> Vec<f64> {
        trained.weights(model).iter().zip(&base).map(|(value, base)| value - base).collect()
    };
    let thresholds: Vec<f64> = (1..4)
        .map(|model| {
            let mut all: Vec<f64> = deltas(model).into_iter().map(f64::abs).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            all[(0.2 * all.len() as f64) as usize - 1]
        })
        .collect();
    trained.check(&MergeMethod::Ties { density: 0.2, scale: 0.7 }, |at| {
        let kept: Vec<f64> = (0..3)
            .map(|model| at[model + 1] - at[0])
            .zip(&thresholds)
            .map(
                |(delta, threshold)| {
                    if delta.abs() as f32 >= *threshold as f32 { delta } else { 0.0 }
                },
            )
            .collect();
        let sign = kept.iter().sum::<f64>().signum();
        let agree: Vec<f64> = kept.into_iter().filter(|delta| delta * sign > 0.0).collect();
        let mean = agree.iter().sum::<f64>() / agree.len().max(1) as f64;
        at[0] + 0.7 * mean
    });
}

#[test]
fn dare_drops_a_part_and_makes_up_for_it() {
    let trained = Trained::new(1);
    let (base, model) = (trained.weights(0), trained.weights(1));
    let dare = |seed| MergeMethod::Dare { drop: 0.75, weights: vec![1.0], seed };
    let found = trained.merged(&dare(1)).unwrap();
    assert_eq!(found, trained.merged(&dare(1)).unwrap());
    assert_ne!(found, trained.merged(&dare(2)).unwrap());
    let mut dropped = 0;
    for ((found, base), model) in found.iter().zip(&base).zip(&model) {
        let found = f64::from(*found);
        if (found - base).abs() < 1e-9 {
            dropped += 1;
        } else {
            assert!((found - (base + 4.0 * (model - base))).abs() < 1e-6);
        }
    }
    let part = f64::from(dropped) / found.len() as f64;
    assert!((part - 0.75).abs() < 0.02, "{part}");
}

#[test]
fn slerp_goes_along_the_circle() {
    let trained = Trained::new(2);
    let ends = |t| trained.merged(&MergeMethod::Slerp { t }).unwrap();
    let as_f32 = |at| trained.weights(at).into_iter().map(|value| value as f32).collect::<Vec<_>>();
    assert_eq!(ends(0.0), as_f32(1));
    assert_eq!(ends(1.0), as_f32(2));
}

/// Two vectors of equal length at an angle: the point between keeps the length, which a mean does not.
#[test]
fn slerp_keeps_lengths() {
    let trained = Trained::new(2);
    for (at, folder) in trained.folders.iter().enumerate().skip(1) {
        let mut decoder = loaded(folder.path());
        let n = decoder.values().len();
        // Orthogonal in every tensor: one has even places, the other odd ones.
        let weights: Vec<f32> = (0..n).map(|i| ((i + at) % 2) as f32).collect();
        decoder.set_values(&weights).unwrap();
        save(&decoder, folder.path(), Dtype::F32).unwrap();
    }
    let half = trained.merged(&MergeMethod::Slerp { t: 0.5 }).unwrap();
    let expected = (std::f32::consts::FRAC_PI_4).sin();
    assert!(half.iter().all(|value| (value - expected).abs() < 1e-6), "{:?}", &half[..4]);
}

#[derive(Deserialize)]
struct Fixture {
    base: Vec<f32>,
    models: Vec<Vec<f32>>,
    ties: BTreeMap<String, Vec<f64>>,
}

/// `scripts/merge_fixtures.py` had PEFT compute the fixture.
#[test]
fn ties_is_that_of_peft() {
    let path = PathBuf::from("../../tests/fixtures/merge/peft.json");
    let text = fs::read_to_string(path).unwrap();
    let Fixture { base, models, ties } = serde_json::from_str(&text).unwrap();
    let n_models = models.len();
    let values = Values { base: Some(base), models };
    for (density, expected) in ties {
        let density: f64 = density.parse().unwrap();
        let kept = (density * expected.len() as f64) as u64;
        let thresholds = largest(n_models, kept, |take| {
            for model in 0..n_models {
                take(model, &mut Delta::of(&values, model).map(|delta| delta.abs() as f32));
            }
            Ok(())
        });
        let thresholds = thresholds.unwrap();
        let found = method::OfTensor::Ties { thresholds: &thresholds, scale: 1.0 }.merge(&values);
        for (found, expected) in found.iter().zip(&expected) {
            let apart = (f64::from(*found) - expected).abs();
            assert!(apart < 1e-6, "{density}: {found}, expected {expected}");
        }
    }
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let trained = Trained::new(2);
    let refused = |method: MergeMethod, expected: &[&str]| {
        check_error(trained.merged(&method), expected);
    };
    refused(MergeMethod::Linear { weights: vec![1.0] }, &["linear: weights: found 1, expected 2"]);
    refused(MergeMethod::Linear { weights: vec![1.0, -1.0] }, &["the sum of the weights: found 0"]);
    refused(MergeMethod::Slerp { t: 1.5 }, &["slerp: t: found 1.5, expected 0 to 1"]);
    refused(MergeMethod::Ties { density: 0.0, scale: 1.0 }, &["ties: the density: found 0"]);
    let dare = MergeMethod::Dare { drop: 1.0, weights: vec![1.0, 1.0], seed: 0 };
    refused(dare, &["dare: what is dropped: found 1, expected 0 to less than 1"]);

    let one = locate_folder(trained.folders[1].path()).unwrap();
    let other = locate_folder(&fixture(FIXTURES[1])).unwrap();
    let out = TempDir::new().unwrap();
    let folder = out.path().join("merged");
    let linear = MergeMethod::Linear { weights: vec![1.0, 1.0] };
    let merged = merge(None, &[&one, &other], &linear, &folder, Dtype::F32, MAX_SHARD_BYTES, &[]);
    check_error(merged, &["expected the tensors of the first model"]);
    let ties = MergeMethod::Ties { density: 0.5, scale: 1.0 };
    let merged = merge(None, &[&one], &ties, &folder, Dtype::F32, MAX_SHARD_BYTES, &[]);
    check_error(merged, &["ties: the base: found none, expected one"]);
    assert!(!folder.exists());
}
