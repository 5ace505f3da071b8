use burn::tensor::Device;
use serde_json::json;

use super::{Completion, Ending, GenerateOptions, Prompt, Sampling, generate};
use crate::{
    Decoder, Error,
    testing::{FIXTURES, assert_close, config, config_with, ids, load},
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

#[test]
fn greedy_takes_the_likeliest_of_a_whole_pass_each_time() {
    let decoder = load(FIXTURES[0], &Device::flex());
    let start = [5, 17, 3];
    let mut text = start.to_vec();
    let mut logprobs = Vec::new();
    for _ in 0..12 {
        let logits: Vec<f32> = decoder.logits(&text).unwrap().into_data().try_into_vec().unwrap();
        let last = &logits[logits.len() - 97..];
        let best = (0..97).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        let sum: f32 = last.iter().map(|logit| (logit - last[best]).exp()).sum();
        logprobs.push(-sum.ln());
        text.push(best as u32);
    }
    let found = one(&decoder, &start, &options());
    assert_eq!(found.ids, text[3..]);
    assert_close(&found.logprobs, &logprobs, 1e-5);
    assert_eq!(found.ending, Ending::MaxTokens);
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
fn a_sequence_does_not_depend_on_its_neighbours() {
    for family in ["llama", "mistral", "gemma3_text", "olmo2"] {
        let file = json!({
            "model_type": family, "sliding_window": if family == "llama" || family == "olmo2" { json!(null) } else { json!(4) },
        });
        let config = config_with(if family == "llama" || family == "olmo2" {
            json!({ "model_type": family })
        } else {
            file
        });
        let decoder = Decoder::init(&config, 3, &Device::flex());
        let options = GenerateOptions { sampling: Sampling::default(), max_tokens: 9, ..options() };
        let prompts: Vec<Prompt> = [3, 11, 1, 6]
            .iter()
            .enumerate()
            .map(|(at, n)| Prompt { n_samples: at, seed: at as u64, ids: ids(at as u64, *n, 61) })
            .collect();
        let together = generate(&decoder, &prompts, &options).unwrap();
        for (prompt, together) in prompts.iter().zip(&together) {
            let alone =
                generate(&decoder, std::slice::from_ref(prompt), &options).unwrap().remove(0);
            assert_eq!((alone.len(), together.len()), (prompt.n_samples, prompt.n_samples));
            for (alone, together) in alone.iter().zip(together) {
                assert_eq!(alone.ids, together.ids, "{family}");
                assert_close(&alone.logprobs, &together.logprobs, 1e-5);
            }
        }
    }
}

#[test]
fn samples_of_a_prompt_differ() {
    let decoder = Decoder::init(&config(), 3, &Device::flex());
    let options = GenerateOptions { sampling: Sampling::default(), ..options() };
    let samples =
        generate(&decoder, &[Prompt { n_samples: 3, ..prompt(&[1, 2]) }], &options).unwrap();
    assert!(samples[0][0].ids != samples[0][1].ids && samples[0][1].ids != samples[0][2].ids);
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
