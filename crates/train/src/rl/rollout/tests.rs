use std::path::Path;

use burn::tensor::Device;
use temper_model::{
    GenerateOptions, Gradients, Objective as PassObjective, Prompt, Sampling, generate, hf,
};
use temper_recipe::{GradientSum, Normalisation, Reward, VerifierName, VerifierReward};

use super::*;
use crate::workers::{Goal, Workers};

fn rl(temperature: f64) -> Rl {
    let exact =
        VerifierReward { verifier: VerifierName::Exact, weight: 1.0, pattern: None, schema: None };
    Rl {
        group_size: 2,
        max_new_tokens: 9,
        temperature,
        normalisation: Normalisation::Dapo,
        clip: [0.2, 0.28],
        kl: 0.0,
        updates_per_rollout: 1,
        max_drift: None,
        refill: 0,
        mask_truncated: false,
        rewards: vec![Reward::Verifier(exact)],
        environment: None,
    }
}

/// The log-probabilities that completions are learned from by are those that they were drawn by, and the
/// gradient is that of these.
#[test]
fn completions_are_learned_from_as_they_were_sampled() {
    for family in ["llama", "gemma2"] {
        let folder = Path::new("../../tests/fixtures/families").join(family);
        let (decoder, _) = hf::load(&folder, &Device::flex()).unwrap();
        for temperature in [0.6, 1.0, 1.7] {
            let rl = rl(temperature);
            let prompt = Prompt { ids: vec![3, 9, 4], n_samples: 1, seed: 5 };
            let options = GenerateOptions {
                max_tokens: rl.max_new_tokens,
                sampling: Sampling { temperature, ..Sampling::default() },
                stop_ids: Vec::new(),
                is_complete: None,
            };
            let sampled = generate(&decoder, std::slice::from_ref(&prompt), &options).unwrap();
            let sampled = &sampled[0][0];
            let ids: Vec<u32> = prompt.ids.iter().chain(&sampled.ids).copied().collect();
            let positions = prompt.ids.len() - 1..ids.len() - 1;
            let mut rows = PackedRows::from_documents(&[&ids], ids.len() - 1);
            rows.loss_mask[..positions.start].fill(false);

            let learned = Learned {
                advantage: 1.0,
                positions: positions.clone().into(),
                old: None,
                reference: None,
            };
            let n = positions.len();
            let lanes = vec![vec![learned]];
            let objective = Objective { rl: &rl, lanes, n_completions: 1, n_tokens: n };
            let pass = PassOptions::default();
            let mut workers = Workers::new(vec![Device::flex()], pass, GradientSum::Tree);
            let lanes = [rows.clone()];
            let (found, gradients) =
                workers.gradients(&decoder, &lanes, Goal::Completions(&objective));
            let found = found[0].clone().into_data().try_into_vec::<f32>().unwrap();
            for (loss, log_prob) in found[positions].iter().zip(&sampled.sampled_logprobs) {
                let apart = (loss + log_prob).abs();
                assert!(apart < 1e-4, "{family} at {temperature}: {loss}, sampled at {log_prob}");
            }
            // With an advantage of 1 it is that of the mean loss.
            let mut expected = Gradients::of(&decoder);
            let mean = PassObjective::Sum(1.0 / n as f32);
            decoder.gradients(&rows, mean, &as_sampled(&rl, &pass), &mut expected);
            for (found, expected) in gradients.to_vec().iter().zip(expected.to_vec()) {
                let apart = (found - expected).abs();
                assert!(apart < 1e-6 + 1e-4 * expected.abs(), "{found}, expected {expected}");
            }
        }
    }
}
