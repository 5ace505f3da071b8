//! Tokens per second of greedy generation, prompt included, after one call that warms up.
//!
//! ```text
//! cargo bench --workspace --bench generate -- dir=CHECKPOINT ids=1,2,3 n=64 batch=16 rounds=3
//! ```

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{collections::BTreeMap, path::Path, time::Instant};

use burn::tensor::Device;
use temper_model::{GenerateOptions, Prompt, Sampling, generate, hf};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: BTreeMap<String, String> = std::env::args()
        .filter_map(|argument| {
            argument.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
        })
        .collect();
    let Some(dir) = arguments.get("dir") else {
        println!("nothing to do: give dir=CHECKPOINT");
        return;
    };
    let take = |key: &str, default| arguments.get(key).map_or(default, String::as_str);
    let number = |key, default| take(key, default).parse::<usize>().expect("a number");
    let (n, batch, rounds) = (number("n", "64"), number("batch", "1"), number("rounds", "1"));
    let ids = take("ids", "1,2,3,4,5,6,7,8");
    let ids: Vec<u32> = ids.split(',').map(|id| id.parse().expect("an id")).collect();
    let (decoder, _) = hf::load(Path::new(dir), &Device::flex()).expect("a checkpoint");
    // As many prompts, each computed by itself, as the peer is given.
    let prompts = vec![Prompt { ids, n_samples: 1, seed: 0 }; batch];
    let options = GenerateOptions {
        max_tokens: n,
        sampling: Sampling::greedy(),
        stop_ids: Vec::new(),
        is_complete: None,
    };
    let run = || generate(&decoder, &prompts, &options).expect("the prompt fits");
    println!("{:?}", run()[0][0].ids);
    for _ in 0..rounds {
        let start = Instant::now();
        run();
        println!("{:.1} tok/s", (batch * n) as f64 / start.elapsed().as_secs_f64());
    }
}
