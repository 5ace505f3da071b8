//! Budget and shapes.

use super::{add, one_of};
use crate::file::TrainingFile;
use crate::limits;
use crate::problem::Findings;
use crate::recipe::{Budget, Precision, Training};
use crate::training::default_most_logits;

/// `amounts` is the budget that the amounts of the mix make up, `group_size` that of RL or 1.
pub(super) fn training(
    file: &TrainingFile,
    group_size: usize,
    amounts: Option<Budget>,
    findings: &mut Findings<'_>,
) -> Option<Training> {
    let choices = [
        ("max_tokens", file.max_tokens.map(|count| Budget::Tokens(count.0))),
        ("max_steps", file.max_steps.map(Budget::Steps)),
        ("max_epochs", file.max_epochs.map(Budget::Epochs)),
    ];
    let hint = "the budget of the run, as in `max_tokens = \"1M\"`";
    let budget = match amounts {
        Some(amounts) => with_amounts(amounts, choices, findings),
        None => one_of(&["training"], choices, hint, findings),
    };
    let sequence_length = findings.required(
        &["training", "sequence_length"],
        file.sequence_length,
        "positions per row, at most the model's context, as in `sequence_length = 512`",
    );
    let global_batch_size = findings.required(
        &["training", "global_batch_size"],
        file.global_batch_size,
        "rows per step, as in `global_batch_size = 16`",
    );
    add(findings, budget.into_iter().flat_map(limits::of_budget));
    add(findings, sequence_length.and_then(limits::of_length));
    let micro_batch_size = global_batch_size.map(|global| {
        let n_rows = global.saturating_mul(group_size);
        file.micro_batch_size.unwrap_or_else(|| limits::default_micro_batch_size(n_rows))
    });
    if file.memory.is_some() {
        let given = [
            ("micro_batch_size", file.micro_batch_size.is_some()),
            ("activation_checkpointing", file.activation_checkpointing.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            let message = "found beside `memory`, which picks it, expected one of the two";
            let hint = format!("leave `{key}` out, or say it and leave `memory` out");
            findings.add(&["training", key], message.to_owned(), Some(hint));
        }
    }
    let batch = global_batch_size.zip(micro_batch_size);
    add(findings, batch.and_then(|(global, micro)| limits::of_batch(global, group_size, micro)));
    Some(Training {
        budget: budget?,
        sequence_length: sequence_length?,
        global_batch_size: global_batch_size?,
        micro_batch_size: micro_batch_size?,
        // Every device has it.
        precision: file.precision.unwrap_or(Precision::F32),
        memory: file.memory,
        activation_checkpointing: file.activation_checkpointing.unwrap_or(false),
        most_logits: default_most_logits(),
        gradient_sum: file.gradient_sum.unwrap_or_default(),
        // All weights move.
        frozen: file.frozen.clone().unwrap_or_default(),
    })
}

/// The budget that the mix says; the recipe may say the same once more, and nothing else.
fn with_amounts(
    amounts: Budget,
    choices: [(&'static str, Option<Budget>); 3],
    findings: &mut Findings<'_>,
) -> Option<Budget> {
    for (key, given) in choices {
        if given.is_some_and(|given| given != amounts) {
            let of_mix = match amounts {
                Budget::Tokens(tokens) => format!("none, or the {tokens} tokens of the mix"),
                Budget::Steps(_) | Budget::Epochs(_) => "none: the passes make it up".to_owned(),
            };
            let message = format!("the amounts in `data_mixing` are the budget, expected {of_mix}");
            findings.add(&["training", key], message, Some(format!("leave `{key}` out")));
        }
    }
    Some(amounts)
}
