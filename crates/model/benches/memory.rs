//! Peak memory of loading and saving a checkpoint, over the size of its weights as they are held; and of merging
//! checkpoints, by method.
//!
//! ```text
//! cargo bench --workspace --bench memory -- dir=CHECKPOINT out=FOLDER
//! cargo bench --workspace --bench memory -- merge=FOLDER layers=16
//! ```
//!
//! For merging, a base and two models are drawn and written to the folder as 32-bit floats in shards of 200 MB, where
//! they are not there: of width 1,024, 51 MB a layer and 131 MB for the embedding, so that 16 layers are 0.95 GB. Each
//! method has a process of its own, since a peak is one of a process.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use burn::tensor::Device;
use temper_model::{
    Config, Decoder, Parameter,
    hf::{self, Dtype, MergeMethod, SaveOptions},
    parameters,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of the synthetic checkpoints.
const SHARD_BYTES: u64 = 200_000_000;

fn main() {
    let arguments: BTreeMap<String, String> = std::env::args()
        .filter_map(|argument| {
            argument.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
        })
        .collect();
    let take = |key: &str| arguments.get(key).map(String::as_str);
    let layers = take("layers").map_or(16, |layers| layers.parse().expect("a number"));
    match (take("dir"), take("out"), take("merge"), take("method")) {
        (Some(dir), Some(out), None, None) => load_and_save(Path::new(dir), Path::new(out)),
        (None, None, Some(folder), None) => merge_all(Path::new(folder), layers),
        (None, None, Some(folder), Some(method)) => merge(Path::new(folder), method),
        _ => println!("nothing to do: give dir=CHECKPOINT and out=FOLDER, or merge=FOLDER"),
    }
}

fn load_and_save(dir: &Path, out: &Path) {
    let idle = peak();
    let (decoder, _) = hf::load(dir, &Device::flex()).expect("a checkpoint");
    let held = decoder.config().n_parameters() as f64 * 4.0;
    let loaded = peak();
    hf::save(&decoder, out, Dtype::F32).expect("a folder to write to");
    let saved = peak();
    println!("weights as held: {:.0} MB", held / 1e6);
    println!("load: {:.3} × of it above an idle process", (loaded - idle) / held);
    println!("load and save: {:.3} ×", (saved - idle) / held);
}

/// Merges synthetic checkpoints by every method, in as many processes, and prints a table of their peaks.
fn merge_all(folder: &Path, layers: usize) {
    let folder = folder.join(format!("{layers}-layers"));
    for (seed, name) in ["base", "one", "two"].into_iter().enumerate() {
        draw(&folder.join(name), layers, seed as u64);
    }
    let config = Config::load(&folder.join("base")).expect("it was just written");
    let largest = parameters(&config).iter().map(Parameter::n_values).max();
    let bytes = |values: usize| values as f64 * 4.0 / 1e6;
    println!("each checkpoint: {:.0} MB", bytes(config.n_parameters()));
    println!("its largest tensor: {:.0} MB", bytes(largest.unwrap_or(0)));
    println!("\n| method | peak of the process | above idle |\n|---|---:|---:|");
    let program = std::env::current_exe().expect("this program");
    for method in ["linear", "slerp", "task-arithmetic", "ties", "dare"] {
        let merge = format!("merge={}", folder.display());
        let mut command = Command::new(&program);
        let status = command.args([merge, format!("method={method}")]).status();
        assert!(status.expect("a process").success(), "{method} failed");
    }
}

/// Writes a checkpoint of random weights, where it is not there.
fn draw(folder: &Path, layers: usize, seed: u64) {
    if folder.join("config.json").is_file() {
        return;
    }
    let text = format!(
        r#"{{
            "model_type": "llama", "vocab_size": 32000, "hidden_size": 1024, "intermediate_size": 2816,
            "num_hidden_layers": {layers}, "num_attention_heads": 16, "num_key_value_heads": 16,
            "max_position_embeddings": 2048, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
            "tie_word_embeddings": true, "initializer_range": 0.02, "bos_token_id": 1, "eos_token_id": 2
        }}"#
    );
    let config = Config::from_json(&text, Path::new("config.json")).expect("a Llama");
    let decoder = Decoder::init(&config, seed, &Device::flex());
    let options = SaveOptions { max_shard_bytes: SHARD_BYTES, ..SaveOptions::new(Dtype::F32) };
    hf::save_with(&decoder, folder, &options).expect("a folder to write to");
}

/// Merges the checkpoints in `folder` and prints a row of the table.
fn merge(folder: &Path, method: &str) {
    let idle = peak();
    let weights = vec![0.7, 0.3];
    let method = match method {
        "linear" => MergeMethod::Linear { weights },
        "slerp" => MergeMethod::Slerp { t: 0.3 },
        "task-arithmetic" => MergeMethod::TaskArithmetic { weights },
        "ties" => MergeMethod::Ties { density: 0.2, scale: 1.0 },
        "dare" => MergeMethod::Dare { drop: 0.5, weights, seed: 0 },
        other => panic!("no method {other}"),
    };
    let locate = |name: &str| {
        let path = std::path::absolute(folder.join(name)).expect("a path");
        hf::locate(&path.to_string_lossy(), Path::new(""), None).expect("a checkpoint")
    };
    let (base, one, two) = (locate("base"), locate("one"), locate("two"));
    let base = method.needs_base().then_some(&base);
    let out = folder.join("merged");
    hf::merge(base, &[&one, &two], &method, &out, Dtype::F32, SHARD_BYTES, &[]).expect("a merge");
    fs::remove_dir_all(&out).expect("it was just written");
    let (peak, name) = (peak(), method.name());
    println!("| {name} | {:.1} MB | {:.1} MB |", peak / 1e6, (peak - idle) / 1e6);
}

/// The largest resident set so far, in bytes; Linux only.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024.0
}
