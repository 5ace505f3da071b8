use burn::tensor::Device;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::{Completion, Ending, GenerateOptions, Prompt, Sampling, generate};
use crate::{
    Decoder, Error, hf,
    testing::{
        FIXTURES, assert_close, config, config_with, decoder_with, families, ids, load, various,
    },
};

fn options() -> GenerateOptions<'static> {
    GenerateOptions {
        max_tokens: 12,
        sampling: Sampling::greedy(),
        stop_ids: vec![],
        is_complete: None,
    }
}

fn prompt(ids: &[u32]) -> Prompt {
    Prompt { ids: ids.into(), n_samples: 1, seed: 5 }
}

fn one(decoder: &Decoder, ids: &[u32], options: &GenerateOptions<'_>) -> Completion {
    generate(decoder, &[prompt(ids)], options).unwrap().remove(0).remove(0)
}

/// Log-probabilities of the next token after `ids`, by a whole pass.
fn next(decoder: &Decoder, ids: &[u32]) -> Vec<f32> {
    let vocab_size = decoder.config().vocab_size;
    let logits: Vec<f32> = decoder.logits(ids).unwrap().into_data().try_into_vec().unwrap();
    log_softmax(&logits[logits.len() - vocab_size..])
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
    logits.iter().map(|logit| (f64::from(*logit) - sum.ln()) as f32).collect()
}

#[test]
fn greedy_takes_the_likeliest_of_a_whole_pass_each_time() {
    let decoders = various().into_iter().map(decoder_with);
    for decoder in decoders.chain([load(FIXTURES[0], &Device::flex())]) {
        let start = [5, 17, 3];
        let mut text = start.to_vec();
        let mut logprobs = Vec::new();
        for _ in 0..12 {
            let of_all = next(&decoder, &text);
            let likeliest =
                (0..of_all.len()).rev().max_by(|a, b| of_all[*a].total_cmp(&of_all[*b]));
            logprobs.push(of_all[likeliest.unwrap()]);
            text.push(likeliest.unwrap() as u32);
        }
        let found = one(&decoder, &start, &options());
        assert_eq!(found.ids, text[3..]);
        assert_close(&found.logprobs, &logprobs, 1e-5);
        assert_eq!(found.sampled_logprobs, [0.0; 12]);
        assert_eq!(found.ending, Ending::MaxTokens);
    }
}

/// By `scripts/family_fixtures.py`.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    greedy: Greedy,
}

#[derive(Deserialize)]
struct Greedy {
    prompt: usize,
    penalty: f64,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
}

/// Past windows and original contexts, and with the repetition penalty.
#[test]
fn greedy_ids_equal_transformers() {
    for (name, folder) in families() {
        let text = std::fs::read(folder.join("expected.json")).unwrap();
        let Expected { ids, greedy } = serde_json::from_slice(&text).unwrap();
        let (decoder, _) = hf::load(&folder, &Device::flex()).unwrap();
        let sampling = Sampling { repetition_penalty: greedy.penalty, ..Sampling::greedy() };
        let options = GenerateOptions { sampling, max_tokens: greedy.ids.len(), ..options() };
        let found = one(&decoder, &ids[..greedy.prompt], &options);
        assert_eq!(found.ids, greedy.ids, "{name}");
        assert_close(&found.logprobs, &greedy.logprobs, 1e-4);
    }
}

#[test]
fn a_draw_has_two_probabilities() {
    let decoder = decoder_with(json!({}));
    let sampling = Sampling { temperature: 0.7, top_k: 5, ..Sampling::default() };
    let found = one(&decoder, &[4, 9], &GenerateOptions { sampling, ..options() });
    let mut text = vec![4, 9];
    for (at, id) in found.ids.iter().enumerate() {
        let of_all = next(&decoder, &text);
        let mut largest = of_all.clone();
        largest.sort_by(|a, b| b.total_cmp(a));
        let kept: Vec<f32> = largest[..5].iter().map(|logprob| logprob / 0.7).collect();
        let rank = largest.iter().position(|logprob| *logprob == of_all[*id as usize]).unwrap();
        assert!(rank < 5, "token {id} is not among the five likeliest");
        let expected = [of_all[*id as usize], log_softmax(&kept)[rank]];
        assert_close(&[found.logprobs[at], found.sampled_logprobs[at]], &expected, 2e-5);
        text.push(*id);
    }
}

#[test]
fn drawing_is_a_function_of_the_seed() {
    let decoder = Decoder::init(&config(), 3, &Device::flex().autodiff());
    let options = GenerateOptions { sampling: Sampling::default(), ..options() };
    let draw = |seed| generate(&decoder, &[Prompt { seed, ..prompt(&[1]) }], &options).unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn samples_differ_and_do_not_depend_on_how_many_there_are() {
    let decoder = Decoder::init(&config(), 3, &Device::flex());
    let options = GenerateOptions { sampling: Sampling::default(), ..options() };
    let samples = |n_samples| {
        generate(&decoder, &[Prompt { n_samples, ..prompt(&[1, 2]) }], &options).unwrap().remove(0)
    };
    let three = samples(3);
    assert!(three[0].ids != three[1].ids && three[1].ids != three[2].ids);
    assert_eq!(samples(1), three[..1]);
    assert_eq!(samples(5)[..3], three);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// On the CPU to the last bit, which is more than the API promises.
    #[test]
    fn a_sequence_does_not_depend_on_its_neighbours(
        family in 0..various().len(),
        prompts in prop::collection::vec((1_usize..30, 0_usize..3, any::<u64>()), 1..6),
        greedy in any::<bool>(),
    ) {
        let decoder = decoder_with(various().swap_remove(family));
        let sampling = if greedy { Sampling::greedy() } else { Sampling::default() };
        let options = GenerateOptions { sampling, max_tokens: 9, stop_ids: vec![3, 4], ..options() };
        let prompts: Vec<Prompt> = prompts
            .into_iter()
            .map(|(n, n_samples, seed)| Prompt { ids: ids(seed, n, 61), n_samples, seed })
            .collect();
        let together = generate(&decoder, &prompts, &options).unwrap();
        for (prompt, together) in prompts.iter().zip(&together) {
            let alone = generate(&decoder, std::slice::from_ref(prompt), &options).unwrap();
            prop_assert_eq!(prompt.n_samples, together.len());
            prop_assert_eq!(&alone[0], together);
        }
    }
}

#[test]
fn ends_at_a_stop_and_when_the_context_is_full() {
    let decoder =
        Decoder::init(&config_with(json!({ "max_position_embeddings": 8 })), 3, &Device::flex());
    let whole = one(&decoder, &[1, 2, 3], &options());
    assert_eq!((whole.ids.len(), whole.ending), (5, Ending::Context));
    let stop = whole.ids[2];
    let n = 1 + whole.ids.iter().position(|id| *id == stop).unwrap();
    let stopped = one(&decoder, &[1, 2, 3], &GenerateOptions { stop_ids: vec![stop], ..options() });
    assert_eq!((&stopped.ids[..], stopped.ending), (&whole.ids[..n], Ending::Stop));
    let two = |ids: &[u32]| ids.len() == 2;
    let stopped =
        one(&decoder, &[1, 2, 3], &GenerateOptions { is_complete: Some(&two), ..options() });
    assert_eq!((&stopped.ids[..], stopped.ending), (&whole.ids[..2], Ending::Stop));
}

#[test]
fn a_rope_that_stretches_with_the_sequence_goes_past_its_context() {
    let decoder = decoder_with(json!({
        "max_position_embeddings": 6, "rope_scaling": { "rope_type": "dynamic", "factor": 2.0 },
    }));
    let whole = one(&decoder, &[1, 2, 3], &options());
    assert_eq!((whole.ids.len(), whole.ending), (9, Ending::Context));
}

#[test]
fn nothing_asked_for_is_nothing_done() {
    let decoder = Decoder::init(&config(), 3, &Device::flex());
    assert_eq!(generate(&decoder, &[], &options()).unwrap(), Vec::<Vec<_>>::new());
    let none = GenerateOptions { max_tokens: 0, ..options() };
    let found = one(&decoder, &[1], &none);
    assert_eq!((found.ids, found.ending), (vec![], Ending::MaxTokens));
}

#[test]
fn prompts_that_cannot_be_continued_are_refused() {
    let decoder =
        Decoder::init(&config_with(json!({ "max_position_embeddings": 8 })), 3, &Device::flex());
    for ids in [&[][..], &[1; 8], &[1; 9]] {
        assert!(matches!(
            generate(&decoder, &[prompt(ids)], &options()),
            Err(Error::Prompt { expected: 7, .. })
        ));
    }
    assert!(matches!(
        generate(&decoder, &[prompt(&[61])], &options()),
        Err(Error::TokenId { found: 61, .. })
    ));
}
