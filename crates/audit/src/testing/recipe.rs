//! The recipe of the runs.

use temper_recipe::{
    Budget, CheckpointPolicy, Exhausted, GradientSum, Mixture, ModelOrigin, ModelSpec, OnBadRow,
    Optimizer, OptimizerName, OptimizerState, Packing, Precision, Recipe, Schedule, ScheduleKind,
    Sft, Shares, Stage, StoredDtype, Training, Unit,
};

use super::{EVERY, POLICY, TestProject};

impl TestProject {
    pub(crate) fn recipe(&self) -> Recipe {
        Recipe {
            schema: 1,
            name: "a".to_owned(),
            stage: Stage::MidTrain,
            seed: 17,
            model: ModelSpec {
                partial: false,
                added_tokens: Vec::new(),
                origin: ModelOrigin::From("checkpoints/nano".to_owned()),
                chat_template: None,
            },
            training: Training {
                budget: Budget::Tokens(400),
                sequence_length: 16,
                global_batch_size: 3,
                micro_batch_size: 1,
                precision: Precision::F32,
                memory: None,
                activation_checkpointing: false,
                most_logits: 1 << 25,
                gradient_sum: GradientSum::Tree,
                frozen: Vec::new(),
            },
            tokenization: POLICY,
            mixture: Mixture {
                unit: Unit::Tokens,
                packing: Packing::BestFit,
                packing_window: 8,
                on_exhausted: Exhausted::Refuse,
                on_bad_row: OnBadRow::Refuse,
                shares: Shares::Stated(self.shares.clone()),
                phases: Vec::new(),
                skip_seen: Vec::new(),
                sources: self.sources.clone(),
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
                schedule: Schedule {
                    kind: ScheduleKind::Cosine,
                    warmup: 0.1,
                    ..Schedule::constant(1e-4)
                },
                state: OptimizerState::Reset,
            },
            checkpoint: CheckpointPolicy {
                every: EVERY,
                keep_last: 9,
                keep_every: 0,
                dtype: StoredDtype::F32,
            },
            forgetting: None,
        }
    }
}
