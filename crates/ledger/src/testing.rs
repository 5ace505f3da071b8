//! Runs for tests: small, and every value tells its step.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use temper_recipe::{
    Budget, CheckpointPolicy, Digest, Exhausted, GradientSum, Mixture, ModelOrigin, ModelSpec,
    OnBadRow, Optimizer, OptimizerName, OptimizerState, Packing, Precision, Recipe, Schedule, Sft,
    Share, Shares, Side, Source, Stage, StoredDtype, Tokenization, Training, Unit,
};

use crate::checkpoint::CheckpointManifest;
use crate::lineage::Lineage;
use crate::record::{IdsDigest, RowRecord, SegmentRecord, SourceLoss, StepReport};
use crate::run_dir::{RunDir, RunLock};
use crate::run_info::RunInfo;

pub(crate) fn recipe(name: &str) -> Recipe {
    Recipe {
        schema: 1,
        name: name.to_owned(),
        stage: Stage::MidTrain,
        seed: 17,
        model: ModelSpec {
            partial: false,
            added_tokens: Vec::new(),
            origin: ModelOrigin::From("checkpoints/nano".to_owned()),
            chat_template: None,
        },
        training: Training {
            budget: Budget::Steps(10),
            sequence_length: 16,
            global_batch_size: 2,
            micro_batch_size: 1,
            precision: Precision::F32,
            memory: None,
            activation_checkpointing: false,
            most_logits: 1 << 25,
            gradient_sum: GradientSum::Tree,
            frozen: Vec::new(),
        },
        tokenization: Tokenization { bos: false, eos: true },
        mixture: Mixture {
            unit: Unit::Tokens,
            packing: Packing::BestFit,
            packing_window: 8,
            on_exhausted: Exhausted::Refuse,
            on_bad_row: OnBadRow::Refuse,
            shares: Shares::Stated([("chem".to_owned(), Share::ONE)].into()),
            phases: Vec::new(),
            skip_seen: Vec::new(),
            sources: vec![Source {
                corpus: "chem".to_owned(),
                side: Side::Customer,
                category: "chemistry".to_owned(),
                manifest: Digest::of(b"chem"),
                max_epochs: 1,
            }],
        },
        sft: Sft::default(),
        preference: None,
        rl: None,
        replay: None,
        lora: None,
        anchor: None,
        ema: None,
        optimizer: Optimizer {
            name: OptimizerName::Adamw,
            momentum: 0.0,
            lr: 1e-3,
            betas: [0.9, 0.95],
            eps: 1e-8,
            weight_decay: 0.1,
            clip_norm: 1.0,
            schedule: Schedule::constant(1e-3),
            state: OptimizerState::Reset,
        },
        checkpoint: CheckpointPolicy {
            every: 4,
            keep_last: 2,
            keep_every: 0,
            dtype: StoredDtype::F32,
        },
        forgetting: None,
    }
}

pub(crate) fn info() -> RunInfo {
    RunInfo {
        version: "0.1.0".to_owned(),
        commit: None,
        features: Vec::new(),
        device_kind: "cpu".to_owned(),
        driver: None,
        cpu_flags: vec!["avx2".to_owned()],
        threads: 2,
        arguments: vec!["temper".to_owned(), "run".to_owned(), "a.toml".to_owned()],
        recipe_file: "recipe.toml".into(),
        overrides: Vec::new(),
        started_from: Lineage::Init { folder: "checkpoints/nano".to_owned() },
        growth: None,
    }
}

pub(crate) fn run(folder: &Path, name: &str) -> (RunDir, RunLock) {
    RunDir::create(&folder.join("runs"), &recipe(name), "name = \"x\"\n", &info()).unwrap()
}

/// Step `step` as any run of these tests records it.
pub(crate) fn records(step: u64) -> (StepReport, Vec<RowRecord>) {
    let name = |row: u32| if row == 0 { "chem" } else { "prose" };
    let rows: Vec<RowRecord> = (0..2)
        .map(|row| {
            let length = 10 + (step as u32 + row) % 5;
            let segment = |at: u32| SegmentRecord {
                document: step * 7 + u64::from(at),
                ids: IdsDigest::from(Digest::of(&[step as u8, row as u8, at as u8])),
                file: at,
                row_group: row,
                row: step as u32,
                start: at * 3,
                length,
            };
            RowRecord {
                step,
                row,
                lane: row,
                source: name(row).to_owned(),
                epoch: 0,
                tokens: 2 * length,
                supervised: 2 * length,
                ids: IdsDigest::from(Digest::of(&[step as u8, row as u8])),
                refills: row % 2 * (step as u32 % 3),
                segments: vec![segment(0), segment(1)],
            }
        })
        .collect();
    let sources = rows
        .iter()
        .map(|row| SourceLoss {
            source: row.source.clone(),
            tokens: u64::from(row.supervised),
            loss_sum: f64::from(row.supervised) * (3.0 - step as f64 / 100.0),
        })
        .collect();
    let report = StepReport {
        measures: Vec::new(),
        step,
        tokens: rows.iter().map(|row| u64::from(row.supervised)).sum(),
        learning_rate: 1e-3 / (step + 1) as f64,
        loss: 3.0 - step as f64 / 100.0,
        gradient_norm: 1.0 / (step + 3) as f64,
        sources,
    };
    (report, rows)
}

/// Saves a checkpoint with one file in it.
pub(crate) fn save_checkpoint(run: &RunDir, step: u64, chain: Digest) {
    let draft = run.draft_checkpoint(step).unwrap();
    std::fs::write(draft.folder().join("config.json"), format!("{{\"step\":{step}}}")).unwrap();
    std::fs::write(draft.folder().join("temper/state"), "state").unwrap();
    let manifest = CheckpointManifest {
        step,
        tokens: step * 40,
        recipe: Digest::of(b"recipe"),
        chain,
        weights: Digest::of(&step.to_le_bytes()),
        device_kind: "cpu".to_owned(),
        training: Value::Null,
        files: BTreeMap::new(),
    };
    draft.commit(manifest).unwrap();
}
