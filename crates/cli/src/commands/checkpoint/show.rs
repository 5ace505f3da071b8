//! `temper checkpoint show`: what a checkpoint is, without reading its weights.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use temper_ledger::{Ancestor, CheckpointManifest, Import, Lineage, Merge, MergeInput, Parent};
use temper_model::Config;
use temper_model::config::{NormPlacement, QkNorm};
use temper_model::hf::Inventory;
use temper_tokens::Tokenizer;

use crate::args::CheckpointShowArguments;
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::lineage::{ancestors, table};
use crate::print::{self, counted, thousands};

/// Prints family, sizes, types, tokenizer and lineage, and whether the tensors fit.
pub(crate) fn show(arguments: &CheckpointShowArguments) -> Result<(), Failure> {
    let checkpoint = Checkpoint::find(Path::new(""), &arguments.checkpoint)?;
    let inventory = checkpoint.located.inventory()?;
    let folder = checkpoint.located.tokenizer_folder();
    let tokenizer = match folder.join("tokenizer.json").is_file() {
        true => Some(Tokenizer::load(folder)?),
        false => None,
    };
    let origins = origins(&checkpoint)?;
    let ancestors = arguments.lineage.then(|| ancestors(&checkpoint)).transpose()?;
    if arguments.json {
        let mut shown = machine_readable(&checkpoint, &inventory, tokenizer.as_ref(), &origins);
        if let Some(ancestors) = &ancestors {
            shown["runs"] = serde_json::to_value(ancestors)?;
        }
        print::json(&shown)?;
    } else {
        print::data(&text(&checkpoint, &inventory, tokenizer.as_ref(), &origins));
        if let Some(ancestors) = &ancestors {
            print::data(&format!("\n{}", table(ancestors)));
        }
    }
    if inventory.report.is_complete() { Ok(()) } else { Err(Failure::Refused) }
}

fn after(Parent { run, step, recipe, .. }: &Parent) -> String {
    format!("run {run} after {} (recipe {})", counted(*step, "step", "steps"), recipe.short())
}

/// Where the weights came from, the last step first.
fn origins(checkpoint: &Checkpoint) -> Result<Vec<String>> {
    let mut origins = vec![checkpoint.located.to_string()];
    let merge = |import: &Option<Import>| import.as_ref().and_then(|import| import.merge.clone());
    if let Some(merge) = merge(&checkpoint.origin.import) {
        origins[0] = merged(&merge);
        return Ok(origins);
    }
    let parent = checkpoint.origin.parent()?;
    match (&checkpoint.origin.run, &parent) {
        (Some((run, step)), Some(parent)) => {
            // The adapter and the averages have none of their own.
            let manifest = CheckpointManifest::load(&run.checkpoint_folder(*step))?;
            let tokens = manifest.map_or(0, |manifest| manifest.tokens);
            origins[0] = format!(
                "run {} after {} and {} (recipe {})",
                parent.run,
                counted(*step, "step", "steps"),
                counted(tokens, "token", "tokens"),
                parent.recipe.short()
            );
        }
        // That of an adapter's base.
        (None, Some(parent)) => origins.push(after(parent)),
        (_, None) => origins.extend(carried(checkpoint.origin.import.as_ref())),
    }
    let mut from = parent.as_ref().map(|parent| &parent.started_from);
    while let Some(lineage) = from {
        from = None;
        match lineage {
            Lineage::Init { folder } => origins.push(format!("drawn in the shape of `{folder}`")),
            Lineage::Checkpoint { parent: Some(parent), .. } => {
                origins.push(after(parent));
                from = Some(&parent.started_from);
            }
            Lineage::Checkpoint { import, .. } if merge(import).is_some() => {
                origins.extend(merge(import).as_deref().map(merged));
            }
            Lineage::Checkpoint { asked, import, .. } => {
                let hub = import.as_ref().and_then(|import| import.hub.as_deref());
                let hub = hub.map_or(String::new(), |hub| format!(" ({hub} of the Hub)"));
                origins.push(format!("`{asked}`{hub}"));
                origins.extend(carried(import.as_ref()));
            }
        }
    }
    Ok(origins)
}

/// The runs behind a checkpoint that left its run, the last one first.
fn carried(import: Option<&Import>) -> impl Iterator<Item = String> {
    let runs = import.into_iter().flat_map(|import| import.runs.iter().rev());
    runs.map(|Ancestor { run, steps, recipe, .. }| {
        let steps = counted(*steps, "step", "steps");
        format!("run {run} after {steps} (recipe {})", recipe.short())
    })
}

/// What a merged checkpoint was made of, in one line.
fn merged(merge: &Merge) -> String {
    let name = |input: &MergeInput| match &input.parent {
        Some(parent) => {
            format!("run {} after {}", parent.run, counted(parent.step, "step", "steps"))
        }
        None => format!("`{}`", input.asked),
    };
    let models: Vec<String> = merge.models.iter().map(name).collect();
    let base = merge.base.as_ref().map_or(String::new(), |base| format!(" on {}", name(base)));
    format!("merged ({}, {}) of {}{base}", merge.method, merge.settings, models.join(", "))
}

fn text(
    checkpoint: &Checkpoint,
    inventory: &Inventory,
    tokenizer: Option<&Tokenizer>,
    origins: &[String],
) -> String {
    let config = &checkpoint.config;
    let embedding = config.vocab_size * config.hidden_size;
    let tied = if config.tie_word_embeddings { ", which is the output matrix too" } else { "" };
    let tokenizer = match tokenizer {
        Some(tokenizer) => format!("tokenizer of {}", thousands(tokenizer.vocab_size() as u64)),
        None => "no tokenizer.json".to_owned(),
    };
    let mut lines = vec![
        ("family", config.family.name().to_owned()),
        (
            "parameters",
            format!(
                "{}, {} of them in the embedding{tied}",
                thousands(config.n_parameters() as u64),
                thousands(embedding as u64)
            ),
        ),
        ("stored as", inventory.dtypes().join(", ")),
        (
            "shape",
            format!(
                "{} blocks of width {}, feed-forward {}, {} heads of {} over {} key heads",
                config.n_layers(),
                config.hidden_size,
                config.intermediate_size,
                config.n_heads,
                config.head_dim,
                config.n_kv_heads
            ),
        ),
        ("choices", choices(config)),
        ("context", format!("{} tokens", thousands(config.max_position_embeddings as u64))),
        ("vocabulary", format!("{}, {tokenizer}", thousands(config.vocab_size as u64))),
        ("tensors", inventory.report.to_string()),
    ];
    lines.extend(origins.iter().enumerate().map(|(depth, origin)| {
        (if depth == 0 { "lineage" } else { "" }, format!("{}{origin}", "  ".repeat(depth)))
    }));
    let lines = lines.iter().map(|(title, text)| format!("  {title:<11} {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What sets the decoder apart from a plain Llama.
fn choices(config: &Config) -> String {
    let windows = config.layers.iter().filter(|layer| layer.window.is_some()).count();
    let unturned = config.layers.iter().filter(|layer| layer.rope.is_none()).count();
    let mut choices = vec![match config.norm_placement {
        NormPlacement::Before => "norms before".to_owned(),
        NormPlacement::After => "norms behind".to_owned(),
        NormPlacement::Around => "norms before and behind".to_owned(),
    }];
    choices.extend(config.qk_norm.map(|norm| match norm {
        QkNorm::Head => "queries and keys normed by head".to_owned(),
        QkNorm::Whole => "queries and keys normed whole".to_owned(),
    }));
    choices.extend(config.qkv_bias.then(|| "biases on queries, keys and values".to_owned()));
    if windows > 0 {
        let window = config.layers.iter().find_map(|layer| layer.window).unwrap_or(0);
        choices.push(format!("windows of {} in {windows} blocks", thousands(window as u64)));
    }
    choices.extend((unturned > 0).then(|| format!("{unturned} blocks without positions")));
    choices.extend(config.attention_soft_cap.map(|cap| format!("scores capped at {cap}")));
    choices.extend(config.logit_soft_cap.map(|cap| format!("logits capped at {cap}")));
    choices.extend(config.ropes.iter().map(|rope| format!("rope {}", rope.name())));
    choices.join(", ")
}

fn machine_readable(
    checkpoint: &Checkpoint,
    inventory: &Inventory,
    tokenizer: Option<&Tokenizer>,
    origins: &[String],
) -> serde_json::Value {
    let config = &checkpoint.config;
    let report = &inventory.report;
    let tensors = inventory
        .tensors
        .iter()
        .map(|tensor| json!({ "name": tensor.name, "shape": tensor.shape, "dtype": tensor.dtype }));
    let missing = report
        .missing
        .iter()
        .map(|tensor| json!({ "name": tensor.name, "did_you_mean": tensor.resembles }));
    let mismatched = report.mismatched.iter().map(
        |tensor| json!({ "name": tensor.name, "found": tensor.found, "expected": tensor.expected }),
    );
    json!({
        "folder": checkpoint.located.folder,
        "adapter": checkpoint.located.adapter.as_ref().map(|adapter| &adapter.folder),
        "family": config.family.name(),
        "parameters": config.n_parameters(),
        "embedding_parameters": config.vocab_size * config.hidden_size,
        "tied": config.tie_word_embeddings,
        "blocks": config.n_layers(),
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "heads": config.n_heads,
        "kv_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "context": config.max_position_embeddings,
        "vocab_size": config.vocab_size,
        "tokenizer": tokenizer.map(|tokenizer| json!({
            "vocab_size": tokenizer.vocab_size(), "digest": tokenizer.digest(),
        })),
        "dtypes": inventory.dtypes(),
        "tensors": tensors.collect::<Vec<_>>(),
        "complete": report.is_complete(),
        "missing": missing.collect::<Vec<_>>(),
        "mismatched": mismatched.collect::<Vec<_>>(),
        "unused": report.unused,
        "ignored": super::ignored(report),
        "lineage": origins,
    })
}
