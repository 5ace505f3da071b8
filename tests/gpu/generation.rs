//! What is generated, and how likely it was.

use burn::tensor::Device;
use serde_json::json;
use temper_model::{Decoder, GenerateOptions, Prompt, Sampling, generate};

use crate::{assert_near, config, device, ids};

#[track_caller]
fn check(sampling: &Sampling, n_samples: usize) {
    let Some(device) = device() else { return };
    let options = GenerateOptions {
        max_tokens: 8,
        sampling: sampling.clone(),
        stop_ids: Vec::new(),
        is_complete: None,
    };
    let prompts = [5, 9].map(|n| Prompt { ids: ids(n as u64, n, 96), n_samples, seed: 0 });
    let config = config(json!({}));
    let of = |device: &Device| {
        let decoder = Decoder::init(&config, 3, device);
        generate(&decoder, &prompts, &options).unwrap().concat()
    };
    for (found, expected) in of(&device).iter().zip(&of(&Device::flex())) {
        assert_eq!(found.ids, expected.ids, "{sampling:?}");
        assert_near("log-probabilities", &found.logprobs, &expected.logprobs, 1e-4);
        if sampling.temperature > 0.0 {
            let (found, expected) = (&found.sampled_logprobs, &expected.sampled_logprobs);
            assert_near("log-probabilities of draws", found, expected, 1e-4);
        }
    }
}

#[test]
fn the_likeliest_are_those_of_the_cpu() {
    check(&Sampling::greedy(), 1);
}

/// Seeds decide what is drawn.
#[test]
fn draws_are_those_of_the_cpu() {
    let sampling = Sampling {
        temperature: 0.7,
        top_k: 20,
        top_p: 0.9,
        repetition_penalty: 1.1,
        ..Sampling::default()
    };
    check(&sampling, 3);
}
