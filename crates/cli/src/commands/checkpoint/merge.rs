//! `temper checkpoint merge`: several checkpoints of one shape into one.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use temper_ledger::{Merge, MergeInput};
use temper_model::hf::{self, Companion, MergeMethod};

use super::{byte_count, dtype};
use crate::args::{CheckpointMergeArguments, MergeMethodName};
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::{lineage, print};

/// Writes the merge, and beside it what it was made of.
pub(crate) fn merge(arguments: &CheckpointMergeArguments) -> Result<(), Failure> {
    let find = |asked: &String| Checkpoint::find(Path::new(""), asked);
    let base = arguments.base.as_ref().map(find).transpose()?;
    let models = arguments.models.iter().map(find).collect::<Result<Vec<_>>>()?;
    let method = method(arguments);
    let record = Merge {
        method: method.name().to_owned(),
        settings: settings(&method),
        base: base.as_ref().map(input).transpose()?,
        models: models.iter().map(input).collect::<Result<_>>()?,
    };
    let runs = lineage::behind(&base.iter().chain(&models).collect::<Vec<_>>())?;
    let mut beside = vec![Companion { name: Merge::FILE.to_owned(), bytes: record.to_bytes() }];
    beside.extend(lineage::file(&runs));
    let located: Vec<_> = models.iter().map(|model| &model.located).collect();
    let base = base.as_ref().map(|base| &base.located);
    let dtype = dtype(arguments.dtype);
    let shard = byte_count(&arguments.max_shard_size)?;
    hf::merge(base, &located, &method, &arguments.out, dtype, shard, &beside)?;
    if arguments.json {
        print::json(&json!({ "out": arguments.out, "dtype": dtype.name(), "merge": record }))?;
    } else {
        print::data(&format!(
            "written: {} as {}, {} of {} models ({})",
            print::path(&arguments.out),
            dtype.name(),
            record.method,
            record.models.len(),
            record.settings
        ));
    }
    Ok(())
}

fn method(arguments: &CheckpointMergeArguments) -> MergeMethod {
    let n_models = arguments.models.len();
    let weights = |each: f64| match &arguments.weights[..] {
        [] => vec![each; n_models],
        weights => weights.to_vec(),
    };
    match arguments.method {
        MergeMethodName::Linear => MergeMethod::Linear { weights: weights(1.0 / n_models as f64) },
        MergeMethodName::Slerp => MergeMethod::Slerp { t: arguments.t },
        MergeMethodName::TaskArithmetic => MergeMethod::TaskArithmetic { weights: weights(1.0) },
        MergeMethodName::Ties => {
            MergeMethod::Ties { density: arguments.density, scale: arguments.scale }
        }
        MergeMethodName::Dare => {
            MergeMethod::Dare { drop: arguments.drop, weights: weights(1.0), seed: arguments.seed }
        }
    }
}

fn settings(method: &MergeMethod) -> String {
    let list = |weights: &[f64]| weights.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    match method {
        MergeMethod::Linear { weights } | MergeMethod::TaskArithmetic { weights } => {
            format!("weights {}", list(weights))
        }
        MergeMethod::Slerp { t } => format!("t {t}"),
        MergeMethod::Ties { density, scale } => format!("density {density}, scale {scale}"),
        MergeMethod::Dare { drop, weights, seed } => {
            format!("drop {drop}, weights {}, seed {seed}", list(weights))
        }
    }
}

fn input(checkpoint: &Checkpoint) -> Result<MergeInput> {
    let origin = &checkpoint.origin;
    Ok(MergeInput {
        asked: origin.asked.clone(),
        parent: origin.parent()?,
        import: origin.import.clone().map(Box::new),
    })
}
