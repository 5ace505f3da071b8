//! `temper bench`: how fast a device trains a shape, and generates with it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use burn::tensor::Device;
use serde::Serialize;
use temper_model::{Config, Decoder, GenerateOptions, PackedRows, Prompt, Sampling, generate};
use temper_recipe::{
    Budget, GradientSum, Optimizer, OptimizerName, OptimizerState, Schedule, Training,
};
use temper_train::Rehearsal;

use crate::args::BenchArguments;
use crate::cost::flops;
use crate::exit::Failure;
use crate::fit::{footprint, pass_options};
use crate::resident::peak_bytes;
use crate::{device, print};

/// Steps before the clock starts: kernels are chosen, buffers come into being.
const WARM_UP: usize = 2;

/// More positions than any device has room for in a step.
const MOST_POSITIONS: usize = 1 << 30;

/// What was measured, and on what.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    version: &'static str,
    device: String,
    model: String,
    parameters: u64,
    precision: temper_recipe::Precision,
    activation_checkpointing: bool,
    /// Rows of a lane, lanes of a step, positions of a row.
    rows: usize,
    lanes: usize,
    length: usize,
    /// Length of the documents packed into each row.
    document: usize,
    steps: usize,
    /// Mean seconds of a step, optimizer included.
    seconds_per_step: f64,
    train_tokens_per_second: f64,
    /// Floating-point operations for a token, forward and backward; what is computed again does not count.
    flops_per_token: f64,
    teraflops: f64,
    /// Share of the device's peak that `--peak-teraflops` says.
    mfu: Option<f64>,
    loss: f64,
    generate_tokens_per_second: Option<f64>,
    /// The estimate that a recipe's `memory` goes by.
    estimated_bytes: u64,
    /// Largest resident set of this process; host memory only.
    peak_host_bytes: Option<u64>,
}

/// Trains on ids that look random, from weights drawn anew; nothing is read but a `config.json`.
pub(crate) fn bench(arguments: &BenchArguments) -> Result<(), Failure> {
    let name = &arguments.device.device;
    let device = device::open(name)?;
    let training = training(arguments);
    let config = config(arguments)?;
    device::refuse_training(name, &device, &training, &config)?;
    let measured = measure(arguments, &training, &config, &device)?;
    if arguments.json {
        print::json(&measured)?;
    } else {
        print::data(&text(&measured));
    }
    Ok(())
}

fn measure(
    arguments: &BenchArguments,
    training: &Training,
    config: &Config,
    device: &Device,
) -> Result<Measured> {
    let length = arguments.sequence_length;
    let document = arguments.document.unwrap_or(length).min(length);
    ensure!(
        arguments.steps > 0 && arguments.rows > 0 && arguments.lanes > 0 && document > 0,
        "--steps, --rows, --lanes, --sequence-length, --document: found 0, expected 1 or more"
    );
    let positions = arguments.rows.checked_mul(arguments.lanes).and_then(|n| n.checked_mul(length));
    ensure!(
        positions.is_some_and(|n| n <= MOST_POSITIONS),
        "--rows, --lanes, --sequence-length: found more than {MOST_POSITIONS} positions in a step, expected fewer"
    );
    ensure!(
        arguments.peak_teraflops.is_none_or(|peak| peak > 0.0 && peak.is_finite()),
        "--peak-teraflops: found {}, expected more than 0",
        arguments.peak_teraflops.unwrap_or_default()
    );
    let lanes: Vec<PackedRows> = (0..arguments.lanes)
        .map(|lane| rows(lane as u64, arguments.rows, length, document, config.vocab_size))
        .collect();
    let n_tokens: usize = lanes.iter().map(PackedRows::n_supervised).sum();
    let decoder = Decoder::init(config, 0, device);
    let mut rehearsal = Rehearsal::new(decoder, optimizer(), pass_options(training));
    rehearsal.steps(&lanes, WARM_UP);
    let (seconds, loss) = rehearsal.steps(&lanes, arguments.steps);
    let speed = n_tokens as f64 / seconds;
    let flops_per_token = flops(config, document);
    let teraflops = speed * flops_per_token / 1e12;
    let generated = match arguments.generate {
        0 => None,
        n => Some(generation_speed(&rehearsal.into_decoder(), n, arguments.batch)?),
    };
    Ok(Measured {
        version: env!("CARGO_PKG_VERSION"),
        device: device::kind(&arguments.device.device, device),
        model: arguments.model.clone(),
        parameters: config.n_parameters() as u64,
        precision: training.precision,
        activation_checkpointing: training.activation_checkpointing,
        rows: arguments.rows,
        lanes: arguments.lanes,
        length,
        document,
        steps: arguments.steps,
        seconds_per_step: seconds,
        train_tokens_per_second: speed,
        flops_per_token,
        teraflops,
        mfu: arguments.peak_teraflops.map(|peak| teraflops / peak),
        loss,
        generate_tokens_per_second: generated,
        estimated_bytes: footprint(
            training,
            training.global_batch_size,
            config,
            &arguments.device.device,
        )
        .bytes(),
        peak_host_bytes: peak_bytes(),
    })
}

/// Tokens a second over all sequences, prompt included, after one call that warms up.
fn generation_speed(decoder: &Decoder, n: usize, batch: usize) -> Result<f64> {
    let vocab_size = decoder.config().vocab_size as u32;
    let ids: Vec<u32> = (1..=32).map(|id| id % vocab_size).collect();
    let prompts = vec![Prompt { ids, n_samples: 1, seed: 0 }; batch];
    let options = GenerateOptions {
        max_tokens: n,
        sampling: Sampling::greedy(),
        stop_ids: Vec::new(),
        is_complete: None,
    };
    generate(decoder, &prompts, &options)?;
    let started = std::time::Instant::now();
    let completions = generate(decoder, &prompts, &options)?;
    let seconds = started.elapsed().as_secs_f64();
    // A short context may have ended them early.
    let generated: usize = completions.iter().flatten().map(|one| one.ids.len()).sum();
    Ok(generated as f64 / seconds)
}

/// A shape by its name, or the `config.json` of a folder.
fn config(arguments: &BenchArguments) -> Result<Config> {
    let model = &arguments.model;
    let Some(shape) = Shape::ALL.iter().find(|shape| shape.name == *model) else {
        let folder = Path::new(model);
        return Config::load(folder).with_context(|| {
            let names: Vec<&str> = Shape::ALL.iter().map(|shape| shape.name).collect();
            format!(
                "`{model}` is neither a folder with a config.json nor one of {}",
                names.join(", ")
            )
        });
    };
    Ok(Config::from_json(&shape.to_json(), Path::new(shape.name))?)
}

/// A decoder like Llama's.
struct Shape {
    name: &'static str,
    vocab: usize,
    hidden: usize,
    mlp: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    tied: bool,
}

impl Shape {
    /// Two that fit any machine, SmolLM2's 135M and 360M, and Llama 3.2's 1B, as their
    /// `config.json` on the Hugging Face Hub have them.
    const ALL: [Self; 5] = [
        Self::new("16M", 8192, [384, 1024, 6], [6, 2, 64], false),
        Self::new("50M", 32000, [512, 1408, 6], [8, 4, 64], false),
        Self::new("135M", 49152, [576, 1536, 30], [9, 3, 64], true),
        Self::new("360M", 49152, [960, 2560, 32], [15, 5, 64], true),
        Self::new("1.2B", 128_256, [2048, 8192, 16], [32, 8, 64], true),
    ];

    /// `sizes` are hidden size, feed-forward width and layers; `heads` queries, keys and width.
    const fn new(
        name: &'static str,
        vocab: usize,
        sizes: [usize; 3],
        heads: [usize; 3],
        tied: bool,
    ) -> Self {
        let [hidden, mlp, layers] = sizes;
        let [heads, kv_heads, head_dim] = heads;
        Self { name, vocab, hidden, mlp, layers, heads, kv_heads, head_dim, tied }
    }

    fn to_json(&self) -> String {
        serde_json::json!({
            "model_type": "llama", "vocab_size": self.vocab, "hidden_size": self.hidden,
            "intermediate_size": self.mlp, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim, "tie_word_embeddings": self.tied,
            "max_position_embeddings": 1 << 20,
        })
        .to_string()
    }
}

fn training(arguments: &BenchArguments) -> Training {
    Training {
        budget: Budget::Steps(arguments.steps as u64),
        sequence_length: arguments.sequence_length,
        global_batch_size: arguments.rows * arguments.lanes,
        micro_batch_size: arguments.rows,
        precision: arguments.precision.into(),
        memory: None,
        activation_checkpointing: arguments.activation_checkpointing,
        most_logits: arguments.most_logits,
        gradient_sum: GradientSum::Tree,
        frozen: Vec::new(),
    }
}

fn optimizer() -> Optimizer {
    let lr = 3e-4;
    Optimizer {
        name: OptimizerName::Adamw,
        momentum: 0.0,
        lr,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule::constant(lr),
        state: OptimizerState::Reset,
    }
}

/// Rows filled with documents of one length, and ids from a small linear congruence.
fn rows(lane: u64, n_rows: usize, length: usize, document: usize, vocab_size: usize) -> PackedRows {
    let mut state = lane + 1;
    let mut id = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize % vocab_size) as u32
    };
    let mut rows = PackedRows::empty(n_rows, length);
    rows.inputs.fill_with(&mut id);
    rows.targets.fill_with(&mut id);
    rows.loss_mask.fill(true);
    for segments in &mut rows.segments {
        let whole = length / document;
        segments.resize(whole, document);
        segments.extend((!length.is_multiple_of(document)).then_some(length % document));
    }
    rows
}

fn text(measured: &Measured) -> String {
    let mut lines = vec![
        format!(
            "{}: {} parameters on {}",
            measured.model,
            print::thousands(measured.parameters),
            measured.device
        ),
        format!(
            "  training    {} tokens/s, {:.3} s a step of {} × {} × {} positions, {:.2} TFLOP/s{}",
            print::thousands(measured.train_tokens_per_second as u64),
            measured.seconds_per_step,
            measured.lanes,
            measured.rows,
            measured.length,
            measured.teraflops,
            measured.mfu.map_or(String::new(), |mfu| format!(", {:.1} % MFU", 100.0 * mfu)),
        ),
    ];
    if let Some(speed) = measured.generate_tokens_per_second {
        lines.push(format!("  generation  {} tokens/s", print::thousands(speed as u64)));
    }
    let peak = measured.peak_host_bytes.map_or("unknown".to_owned(), print::bytes);
    lines.push(format!(
        "  memory      about {} on the device by estimate; this process at most {peak}",
        print::bytes(measured.estimated_bytes)
    ));
    lines.join("\n")
}
