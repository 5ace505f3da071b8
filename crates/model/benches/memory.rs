//! Peak memory of loading and saving a checkpoint, over the size of its weights as they are held.
//!
//! ```text
//! cargo bench -p temper-model --bench memory -- dir=CHECKPOINT out=FOLDER
//! ```

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::Path;

use burn::tensor::Device;
use temper_model::hf::{self, Dtype};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let argument = |key: &str| {
        std::env::args().find_map(|argument| argument.strip_prefix(key).map(str::to_owned))
    };
    let (Some(dir), Some(out)) = (argument("dir="), argument("out=")) else {
        println!("nothing to do: give dir=CHECKPOINT and out=FOLDER");
        return;
    };
    let idle = peak();
    let (decoder, _) = hf::load(Path::new(&dir), &Device::flex()).expect("a checkpoint");
    let held = decoder.config().n_parameters() as f64 * 4.0;
    let loaded = peak();
    hf::save(&decoder, Path::new(&out), Dtype::F32).expect("a folder to write to");
    let saved = peak();
    println!("weights as held: {:.0} MB", held / 1e6);
    println!("load: {:.3} × of it above an idle process", (loaded - idle) / held);
    println!("load and save: {:.3} ×", (saved - idle) / held);
}

/// The largest resident set so far, in bytes; Linux only.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024.0
}
