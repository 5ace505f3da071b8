//! Optimizer and schedule.

use super::add;
use crate::file::{OptimizerFile, ScheduleFile};
use crate::limits;
use crate::problem::Findings;
use crate::recipe::{Optimizer, OptimizerName, OptimizerState};
use crate::schedule::{Schedule, ScheduleKind};

pub(super) fn optimizer(file: &OptimizerFile, findings: &mut Findings<'_>) -> Option<Optimizer> {
    let lr = findings.required(
        &["optimizer", "lr"],
        file.lr,
        "the peak learning rate; a tenth to a third of the pretraining's continues it gently",
    );
    let is_given = lr.is_some();
    // Where it is missing, the highest one stands in, so that the other values can be looked at.
    let lr = lr.unwrap_or(1.0);
    let schedule = schedule(&file.schedule, lr, findings);
    let name = file.name.unwrap_or(OptimizerName::Adamw);
    let has_momentum = matches!(name, OptimizerName::Sgd | OptimizerName::Muon);
    if file.momentum.is_some() && !has_momentum {
        let message = format!("found with `{name}`, expected it with `sgd` or `muon` only");
        let hint = "leave it out; `betas` says what the others remember";
        findings.add(&["optimizer", "momentum"], message, Some(hint.to_owned()));
    }
    let optimizer = Optimizer {
        name,
        lr,
        // A short memory of the second moment forgives a spike; these and the next three are those
        // of Brown et al. 2020 (arXiv 2005.14165), which Llama-style models are trained with.
        betas: file.betas.unwrap_or(match name {
            OptimizerName::Adamw | OptimizerName::Sgd | OptimizerName::Muon => [0.9, 0.95],
            // Of its paper.
            OptimizerName::Lion => [0.9, 0.99],
        }),
        momentum: file.momentum.unwrap_or(match name {
            OptimizerName::Adamw | OptimizerName::Lion => 0.0,
            // The usual one.
            OptimizerName::Sgd => 0.9,
            // As in all that is published of it.
            OptimizerName::Muon => 0.95,
        }),
        eps: file.eps.unwrap_or(1e-8),
        weight_decay: file.weight_decay.unwrap_or(0.1),
        clip_norm: file.clip_norm.unwrap_or(1.0),
        schedule,
        // Published checkpoints come without moments.
        state: file.state.unwrap_or(OptimizerState::Reset),
    };
    add(findings, limits::of_optimizer(&optimizer));
    is_given.then_some(optimizer)
}

/// What is not said depends on the shape and on the peak `lr`.
fn schedule(file: &ScheduleFile, lr: f64, findings: &mut Findings<'_>) -> Schedule {
    // Holds its peak, so that a run can be extended without starting a new curve (Hu et al. 2024,
    // arXiv 2404.06395).
    let kind = file.kind.unwrap_or(ScheduleKind::Wsd);
    let is_infinite = kind == ScheduleKind::Infinite;
    let min_lr = file.min_lr.unwrap_or(match kind {
        // Never comes down.
        ScheduleKind::Constant => lr,
        // To a tenth, as Brown et al. 2020 (arXiv 2005.14165) and most since.
        ScheduleKind::Linear
        | ScheduleKind::Cosine
        | ScheduleKind::Wsd
        | ScheduleKind::Infinite => tenth(lr),
    });
    let schedule = Schedule {
        kind,
        // With clipping, the first hundredth suffices for the second moments to settle.
        warmup: file.warmup.unwrap_or(0.01),
        decay: file.decay.unwrap_or(match kind {
            // A tenth of the run is enough to collect the gain (Hu et al. 2024, arXiv 2404.06395).
            ScheduleKind::Wsd | ScheduleKind::Infinite => 0.1,
            ScheduleKind::Constant | ScheduleKind::Linear | ScheduleKind::Cosine => 0.0,
        }),
        min_lr,
        start_lr: file.start_lr.unwrap_or(0.0),
        cooldown: file.cooldown.unwrap_or(if is_infinite { 0.1 } else { 0.0 }),
        // Half-way, as Ibrahim et al. 2024 (arXiv 2403.08763).
        constant_lr: file.constant_lr.unwrap_or(if is_infinite {
            (lr + min_lr) / 2.0
        } else {
            0.0
        }),
    };
    if kind == ScheduleKind::Constant && schedule.min_lr != lr {
        findings.add(
            &["optimizer", "schedule", "min_lr"],
            format!("found `{}`, expected none with `constant`", schedule.min_lr),
            Some("`constant` stays at `lr`; leave `min_lr` out".to_owned()),
        );
    }
    schedule
}

/// The tenth as a human would write it: a tenth of `3e-4` is `3e-5`, where division gives
/// `2.9999999999999997e-5`.
fn tenth(value: f64) -> f64 {
    let written = format!("{value:e}");
    let shifted = written.split_once('e').and_then(|(digits, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        format!("{digits}e{}", exponent - 1).parse().ok()
    });
    shifted.unwrap_or(value / 10.0)
}
