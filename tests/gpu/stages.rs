//! Whole stages: what the ledger is told of their steps, and how far they lead.

use burn::tensor::Device;
use temper_recipe::{
    Anchor, AnswerWeights, Ema, Lora, Normalisation, Packing, Preference, PreferenceLoss, Recipe,
    Replay, Reward, Rl, Stage, Training, VerifierName, VerifierReward,
};

use crate::project::{Ran, mixture, recipe, run};
use crate::{assert_near, device};

#[track_caller]
fn check(recipe: &Recipe, devices: &[Device]) {
    let (found, expected) =
        (run(recipe, devices, &[None]), run(recipe, &[Device::flex()], &[None]));
    let near = |what: &str, of: fn(&Ran) -> &Vec<f32>, tolerance| {
        if !of(&expected).is_empty() {
            let what = format!("{}, {what}", recipe.name);
            assert_near(&what, of(&found), of(&expected), tolerance);
        }
    };
    near("losses", |ran| &ran.losses, 5e-3);
    near("gradient norms", |ran| &ran.norms, 5e-3);
    near("measures", |ran| &ran.measures, 1e-2);
    near("the way of the weights", |ran| &ran.moved, 5e-2);
    near("the way of their averages", |ran| &ran.averages_moved, 5e-2);
}

#[test]
fn texts_are_learned_as_on_the_cpu() {
    let Some(device) = device() else { return };
    check(&recipe("texts", Stage::MidTrain), &[device]);
}

/// Each passes over half of the lanes, and the first one has the sum.
#[test]
fn two_workers_on_a_gpu_learn_as_on_the_cpu() {
    let Some(device) = device() else { return };
    check(&recipe("workers", Stage::MidTrain), &[device.clone(), device]);
}

#[test]
fn a_run_that_goes_on_ends_with_the_same_bytes() {
    let Some(device) = device() else { return };
    let recipe = recipe("goes-on", Stage::MidTrain);
    let of = |calls: &[Option<usize>]| run(&recipe, std::slice::from_ref(&device), calls);
    let (whole, parts) = (of(&[None]), of(&[Some(2), None]));
    assert_eq!(parts.losses, whole.losses);
    assert!(parts.moved == whole.moved);
}

#[test]
fn factors_are_learned_as_on_the_cpu() {
    let Some(device) = device() else { return };
    let lora = Lora {
        rank: 4,
        alpha: 8.0,
        rank_stabilized: true,
        plus_ratio: 4.0,
        dropout: 0.0,
        targets: ["q_proj", "down_proj"].map(str::to_owned).into(),
    };
    check(&Recipe { lora: Some(lora), ..recipe("lora", Stage::MidTrain) }, &[device]);
}

#[test]
fn what_holds_near_the_start_and_averages_are_as_on_the_cpu() {
    let Some(device) = device() else { return };
    let anchor = Anchor {
        l2: 0.5,
        ewc: 20.0,
        kl: 0.5,
        fisher_rows: 4,
        sources: vec!["small".to_owned()],
        fisher: None,
    };
    let (anchor, ema) = (Some(anchor), Some(Ema { decay: 0.5 }));
    check(&Recipe { anchor, ema, ..recipe("anchor", Stage::MidTrain) }, &[device]);
}

fn preference(name: &str, preference: Preference) -> Recipe {
    Recipe { preference: Some(preference), ..recipe(name, Stage::Dpo) }
}

fn dpo() -> Preference {
    let loss = PreferenceLoss::Sigmoid;
    Preference { loss, beta: 0.5, label_smoothing: 0.0, weights: None }
}

fn replay() -> Replay {
    let mixture = mixture("beside", Packing::BestFit);
    Replay { rows_per_step: 4, weight: 0.5, sequence_length: 48, mixture }
}

#[test]
fn pairs_are_learned_as_on_the_cpu() {
    let Some(device) = device() else { return };
    check(&preference("dpo", dpo()), &[device]);
}

#[test]
fn rows_replayed_beside_pairs_are_learned_as_on_the_cpu() {
    let Some(device) = device() else { return };
    check(&Recipe { replay: Some(replay()), ..preference("replay", dpo()) }, &[device]);
}

#[test]
fn judged_answers_are_learned_as_on_the_cpu() {
    let Some(device) = device() else { return };
    let loss = PreferenceLoss::Kto;
    let weights = Some(AnswerWeights { desirable: 1.0, undesirable: 1.5 });
    let kto = Preference { loss, beta: 0.5, label_smoothing: 0.0, weights };
    check(&preference("kto", kto), &[device]);
}

/// With rows replayed beside them.
#[test]
fn completions_are_sampled_and_learned_as_on_the_cpu() {
    let Some(device) = device() else { return };
    let reward =
        VerifierReward { verifier: VerifierName::Exact, weight: 1.0, pattern: None, schema: None };
    let rl = Rl {
        group_size: 4,
        max_new_tokens: 8,
        temperature: 0.8,
        normalisation: Normalisation::Dapo,
        clip: [0.2, 0.28],
        kl: 0.05,
        updates_per_rollout: 2,
        max_drift: None,
        refill: 0,
        mask_truncated: false,
        rewards: vec![Reward::Verifier(reward)],
        environment: None,
    };
    let recipe = recipe("rl", Stage::Rl);
    // Eight completions a step.
    let training = Training { global_batch_size: 2, ..recipe.training.clone() };
    check(&Recipe { rl: Some(rl), replay: Some(replay()), training, ..recipe }, &[device]);
}
