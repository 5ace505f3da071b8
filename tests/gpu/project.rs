//! A recipe, its documents, and what a run of it comes to on given devices.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::{Arc, atomic::AtomicBool};

use burn::tensor::Device;
use serde_json::json;
use temper_ask::{Question, Told, Unanswered};
use temper_ledger::{AVERAGES_FOLDER, Lineage, RunDir, RunInfo, StepReport};
use temper_mix::{Plan, PlanSpec};
use temper_model::{Decoder, PassOptions, hf, weights_digest};
use temper_recipe::{
    Budget, CheckpointPolicy, Digest, Exhausted, GradientSum, Mixture, ModelOrigin, ModelSpec,
    OnBadRow, OptimizerName, Packing, Precision, Recipe, SCHEMA, Sft, Share, Shares, Side, Source,
    Stage, StoredDtype, Tokenization, Training, Unit,
};
use temper_tokens::{BpeSpec, TokenSource, Tokenizer, train_byte_level_bpe};
use temper_train::{Base, Judge, Observer, Progress, Sampler, Start, Verdict};

use crate::documents::Documents;
use crate::{config, optimizer};

/// All of one source.
pub(crate) fn mixture(corpus: &str, packing: Packing) -> Mixture {
    let source = Source {
        corpus: corpus.to_owned(),
        side: Side::Customer,
        category: "prose".to_owned(),
        manifest: Digest::of(corpus.as_bytes()),
        max_epochs: 8,
    };
    Mixture {
        unit: Unit::Documents,
        packing,
        packing_window: 8,
        on_exhausted: Exhausted::Refuse,
        on_bad_row: OnBadRow::Refuse,
        shares: Shares::Stated([(source.corpus.clone(), Share::ONE)].into()),
        phases: Vec::new(),
        skip_seen: Vec::new(),
        sources: vec![source],
    }
}

/// Three steps of four lanes, from the source `small`.
pub(crate) fn recipe(name: &str, stage: Stage) -> Recipe {
    let packing = if stage == Stage::MidTrain { Packing::BestFit } else { Packing::Pad };
    Recipe {
        schema: SCHEMA,
        name: name.to_owned(),
        stage,
        seed: 5,
        model: ModelSpec {
            partial: false,
            added_tokens: Vec::new(),
            origin: ModelOrigin::From("start".to_owned()),
            chat_template: None,
        },
        training: Training {
            budget: Budget::Steps(3),
            sequence_length: 48,
            global_batch_size: 8,
            micro_batch_size: 2,
            precision: Precision::F32,
            memory: None,
            activation_checkpointing: false,
            most_logits: 1 << 25,
            gradient_sum: GradientSum::Tree,
            frozen: Vec::new(),
        },
        tokenization: Tokenization { bos: false, eos: false },
        mixture: mixture("small", packing),
        sft: Sft::default(),
        preference: None,
        rl: None,
        replay: None,
        lora: None,
        anchor: None,
        ema: None,
        optimizer: optimizer(OptimizerName::Adamw),
        checkpoint: CheckpointPolicy {
            every: 2,
            keep_last: 2,
            keep_every: 0,
            dtype: StoredDtype::F32,
        },
        forgetting: None,
    }
}

/// Likes lower-case letters.
struct Letters;

impl Judge for Letters {
    fn judge(&self, questions: &[Question<'_>], told: &mut Told<'_>) -> Result<(), Unanswered> {
        for (at, question) in questions.iter().enumerate() {
            let letters = question.completion.bytes().filter(u8::is_ascii_lowercase).count();
            if told(at, letters as f64).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Bytes alone, all that a completion's ids stand for.
fn tokenizer(folder: &Path) -> Tokenizer {
    let token = |name: &str| format!("<|{name}|>");
    let spec = BpeSpec {
        vocab_size: 264,
        special_tokens: ["bos", "eos", "pad"].map(token).into(),
        bos: Some(token("bos")),
        eos: Some(token("eos")),
        pad: Some(token("pad")),
        model_max_length: 128,
    };
    let texts = (0..40).map(|n| format!("river {n}, again {n}, door {n} opens again.\n"));
    train_byte_level_bpe(texts, &spec, folder).unwrap();
    Tokenizer::load(folder).unwrap()
}

#[derive(Default)]
struct Reports(Vec<StepReport>);

impl Observer for Reports {
    fn step(&mut self, progress: &Progress) {
        self.0.push(progress.report.clone());
    }

    fn evaluate(
        &mut self,
        _step: u64,
        _decoder: &Decoder,
    ) -> Result<Verdict, Box<dyn StdError + Send + Sync>> {
        Ok(Verdict::Continue)
    }
}

/// What a run came to.
pub(crate) struct Ran {
    /// By step.
    pub(crate) losses: Vec<f32>,
    /// Of the gradient, by step.
    pub(crate) norms: Vec<f32>,
    /// What else the steps measured, in order.
    pub(crate) measures: Vec<f32>,
    /// The last weights less those of the start.
    pub(crate) moved: Vec<f32>,
    /// The same of their averages, where the recipe asks for them.
    pub(crate) averages_moved: Vec<f32>,
}

/// Runs a recipe in calls of at most so many steps, each of which goes on where the one before ended.
pub(crate) fn run(recipe: &Recipe, devices: &[Device], calls: &[Option<usize>]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let (run, _lock) =
        RunDir::create(&folder.path().join("runs"), recipe, "", &run_info()).unwrap();
    let mut documents: Vec<Arc<dyn TokenSource + Send>> = vec![Arc::new(Documents::of(recipe))];
    documents.extend(recipe.replay.iter().map(|_| Arc::new(Documents::beside()) as _));
    let spec = PlanSpec::new(recipe, recipe.training.budget);
    let plan = Plan::new(spec, documents).unwrap();
    let config = config(json!({}));
    let starting = || -> Result<Decoder, Box<dyn StdError + Send + Sync>> {
        Ok(Decoder::init(&config, 3, &devices[0]))
    };
    let weights = weights_digest(&starting().unwrap()).into();
    let base = Base { folder: "start".to_owned(), weights };
    let (tokenizer, stop) = (tokenizer(folder.path()), AtomicBool::new(false));
    let (mut reports, mut weights) = (Reports::default(), Vec::new());
    for most_steps in calls {
        let sampler = recipe.rl.as_ref().map(|_| Sampler {
            tokenizer: &tokenizer,
            // Enough for completions of several lengths.
            stop_ids: (0..12).collect(),
            judge: &Letters,
            world: None,
        });
        let stage = temper_train::Stage {
            recipe,
            plan: &plan,
            run: &run,
            device_kind: "gpu-tests".to_owned(),
            companions: Vec::new(),
            pass: PassOptions::default(),
            devices: devices.to_vec(),
            shards: recipe.sources().map(|source| source.manifest).collect(),
            references: folder.path().join("references"),
            most_steps: *most_steps,
            base: Some(base.clone()),
            fisher: None,
            starting: &starting,
            sampler,
            stop: &stop,
        };
        let start = match run.latest_checkpoint().unwrap() {
            Some(step) => Start::Resume(step),
            None => Start::Fresh { decoder: Box::new(starting().unwrap()), folder: None },
        };
        weights = stage.run(start, &mut reports).unwrap().decoder.values();
    }
    let averages = recipe.ema.as_ref().map(|_| {
        let last = run.checkpoint_folder(run.latest_checkpoint().unwrap().unwrap());
        hf::load(&last.join(AVERAGES_FOLDER), &devices[0]).unwrap().0.values()
    });
    let start = starting().unwrap().values();
    let moved =
        |values: &[f32]| values.iter().zip(&start).map(|(last, first)| last - first).collect();
    let of = |value: fn(&StepReport) -> f64| reports.0.iter().map(|it| value(it) as f32).collect();
    let measures = reports.0.iter().flat_map(|report| &report.measures);
    Ran {
        losses: of(|report| report.loss),
        norms: of(|report| report.gradient_norm),
        measures: measures.map(|measure| measure.value as f32).collect(),
        moved: moved(&weights),
        averages_moved: averages.map_or_else(Vec::new, |averages| moved(&averages)),
    }
}

fn run_info() -> RunInfo {
    RunInfo {
        version: "0".to_owned(),
        commit: None,
        features: Vec::new(),
        device_kind: "gpu-tests".to_owned(),
        driver: None,
        cpu_flags: Vec::new(),
        threads: 1,
        arguments: Vec::new(),
        recipe_file: "small.toml".into(),
        overrides: Vec::new(),
        started_from: Lineage::Init { folder: "start".to_owned() },
        growth: None,
    }
}
