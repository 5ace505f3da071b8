//! Training state in a checkpoint, beside the Hugging Face files that `transformers` loads.
//!
//! ```text
//! step-000400/
//!   config.json  model.safetensors  tokenizer.json  …      what transformers loads
//!   adapter/                                               the factors, with `[lora]`: a folder of PEFT's
//!   ema/                                                   the same with averaged weights, with `[ema]`
//!   temper/optimizer.safetensors                           the optimizer's moments, by parameter name
//!   temper/weights.safetensors                             exact weights, when stored as bf16
//!   temper/ema.safetensors                                 exact averages, when stored as bf16
//!   temper/manifest.json                                   cursor, counters, digests; written last
//! ```

mod named;
mod verified;

pub(crate) use named::{Header, has, header, read, write, write_with};
use verified::Verified;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use temper_ledger::{ADAPTER_FOLDER, AVERAGES_FOLDER, CheckpointManifest, RunDir};
use temper_mix::Cursor;
use temper_model::{Config, Decoder, Parameter, hf};
use temper_recipe::{Digest, Lora, OptimizerName, Recipe, StoredDtype};

use crate::ema::Averages;
use crate::error::Error;
use crate::frozen::Trainable;
use crate::lora::{self, Adapter};
use crate::optimizer::{FlatMoments, has_second};
use crate::reference::Starting;
use crate::stage::Base;
use crate::step::Trainee;
use crate::workers::Workers;

const OPTIMIZER: &str = "temper/optimizer.safetensors";
const WEIGHTS: &str = "temper/weights.safetensors";
const EXACT_AVERAGES: &str = "temper/ema.safetensors";
const FIRST: &str = "exp_avg.";
const SECOND: &str = "exp_avg_sq.";
const ADAPTED: &str = "a recipe has factors for a checkpoint alone, and they are `[lora]`'s";

/// What a checkpoint's manifest keeps for the trainer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingState {
    /// The next row of every source.
    pub(crate) cursor: Cursor,
    /// Updates in the optimizer's moments.
    pub(crate) updates: u64,
    /// Whose moments they are.
    #[serde(default)]
    pub(crate) optimizer: OptimizerName,
}

/// What names a checkpoint, besides its weights.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) recipe: Digest,
    pub(crate) chain: Digest,
    pub(crate) device_kind: String,
}

/// Writes the checkpoint after `cursor.step` steps.
pub(crate) fn save(
    run: &RunDir,
    trainee: &Trainee,
    cursor: &Cursor,
    stamp: &Stamp,
    companions: &[hf::Companion],
    dtype: StoredDtype,
    lora: Option<(&Lora, &Base)>,
) -> Result<PathBuf, Error> {
    let draft = run.draft_checkpoint(cursor.step)?;
    let folder = draft.folder();
    let stored = match dtype {
        StoredDtype::F32 => hf::Dtype::F32,
        StoredDtype::Bf16 => hf::Dtype::Bf16,
    };
    let options = hf::SaveOptions { companions, ..hf::SaveOptions::new(stored) };
    hf::save_with(&trainee.decoder, folder, &options)?;
    let parameters = trainee.decoder.parameters();
    let moving = match &trainee.adapter {
        Some(adapter) => {
            let (lora, base) = lora.expect(ADAPTED);
            lora::save(adapter, lora, base, &folder.join(ADAPTER_FOLDER))?;
            adapter.parameters()
        }
        None => trainee.trainable.parameters().to_vec(),
    };
    if let Some(averages) = &trainee.averages {
        save_averages(averages, trainee, folder, &options, lora)?;
    }
    let [first, second] = trainee.memory.values();
    let mut groups: Vec<(&str, &[f32])> = vec![(FIRST, &first)];
    groups.extend((!second.is_empty()).then_some((SECOND, &*second)));
    write(&folder.join(OPTIMIZER), &moving, &groups)?;
    drop(groups);
    drop((first, second));
    if dtype != StoredDtype::F32 {
        write(&folder.join(WEIGHTS), &parameters, &[("", &trainee.decoder.values())])?;
    }
    let state = TrainingState {
        cursor: cursor.clone(),
        updates: trainee.memory.updates,
        optimizer: trainee.optimizer,
    };
    let manifest = CheckpointManifest {
        step: cursor.step,
        tokens: cursor.tokens(),
        recipe: stamp.recipe,
        chain: stamp.chain,
        weights: temper_model::weights_digest(&trainee.decoder).into(),
        device_kind: stamp.device_kind.clone(),
        training: serde_json::to_value(state).expect("numbers are valid JSON"),
        files: BTreeMap::new(),
    };
    Ok(draft.commit(manifest)?)
}

/// Writes the model with averaged weights, and with an adapter its averaged factors.
fn save_averages(
    averages: &Averages,
    trainee: &Trainee,
    folder: &Path,
    options: &hf::SaveOptions<'_>,
    lora: Option<(&Lora, &Base)>,
) -> Result<(), Error> {
    let (mut decoder, values) = (trainee.decoder.clone(), averages.to_vec());
    let target = folder.join(AVERAGES_FOLDER);
    if let Some(adapter) = &trainee.adapter {
        let adapter = adapter.with_values(&values);
        adapter.apply(&mut decoder);
        hf::save_with(&decoder, &target, options)?;
        let (lora, base) = lora.expect(ADAPTED);
        return lora::save(&adapter, lora, base, &target.join(ADAPTER_FOLDER));
    }
    let mut all = decoder.values();
    trainee.trainable.scatter(&decoder, &values, &mut all);
    decoder.set_values(&all)?;
    hf::save_with(&decoder, &target, options)?;
    if options.dtype != hf::Dtype::F32 {
        let parameters = trainee.trainable.parameters();
        write(&folder.join(EXACT_AVERAGES), parameters, &[("", &values)])?;
    }
    Ok(())
}

/// Reads the averages of weights back.
fn load_averages(
    folder: &Path,
    verified: &mut Verified,
    decoder: &Decoder,
    trainable: &Trainable,
) -> Result<Vec<f32>, Error> {
    if verified.has(EXACT_AVERAGES) {
        return verified.take(folder, EXACT_AVERAGES, trainable.parameters(), "");
    }
    let (averaged, _) = hf::load(&folder.join(AVERAGES_FOLDER), &decoder.device())?;
    Ok(trainable.gather(decoder, &averaged.values()))
}

/// Reads the checkpoint after `step` steps back, exactly as it was when it was saved.
///
/// With `[lora]` the trainee is the starting model, which `starting` gives, and the factors of the
/// checkpoint.
///
/// # Errors
/// A file that is missing or is not what the manifest says.
pub(crate) fn load(
    run: &RunDir,
    step: u64,
    workers: Workers,
    recipe: &Recipe,
    starting: Starting<'_>,
) -> Result<(Trainee, Cursor), Error> {
    let folder = run.checkpoint_folder(step);
    let manifest = run.checkpoint(step)?;
    let kept: &[&str] = match recipe.lora {
        Some(_) => &[OPTIMIZER],
        None => &[OPTIMIZER, WEIGHTS, EXACT_AVERAGES],
    };
    let mut verified = Verified::read(&folder, &manifest, kept)?;
    let state = training_state(&folder, manifest)?;
    if let Some(lora) = &recipe.lora {
        let decoder = starting().map_err(Error::Starting)?;
        let adapter = lora::load(&decoder, lora, recipe.seed, &folder.join(ADAPTER_FOLDER))?;
        let averages = match &recipe.ema {
            Some(ema) => {
                let averaged = folder.join(AVERAGES_FOLDER).join(ADAPTER_FOLDER);
                let averaged: Adapter = lora::load(&decoder, lora, recipe.seed, &averaged)?;
                Some(Averages::of_adapter(ema, &adapter, &averaged.values()))
            }
            None => None,
        };
        let moments = load_moments(&folder, &mut verified, &adapter.parameters(), state.optimizer)?;
        let moments = Some((state.updates, moments));
        let trainee = Trainee::adapting(decoder, adapter, state.optimizer, moments, workers);
        return Ok((Trainee { averages, ..trainee }, state.cursor));
    }
    let (mut decoder, _) = hf::load(&folder, workers.device())?;
    if verified.has(WEIGHTS) {
        let values = verified.take(&folder, WEIGHTS, &decoder.parameters(), "")?;
        decoder.set_values(&values)?;
    }
    let trainable = Trainable::new(decoder.config(), &recipe.training.frozen)?;
    let averages = match &recipe.ema {
        Some(ema) => {
            let values = load_averages(&folder, &mut verified, &decoder, &trainable)?;
            Some(Averages::of_weights(ema, &decoder, &trainable, values))
        }
        None => None,
    };
    let moments = load_moments(&folder, &mut verified, trainable.parameters(), state.optimizer)?;
    let moments = Some((state.updates, moments));
    let trainee = Trainee::new(decoder, trainable, state.optimizer, moments, workers);
    Ok((Trainee { averages, ..trainee }, state.cursor))
}

/// Where the data of `run` stood after `step` steps.
///
/// # Errors
/// A manifest that is missing or damaged.
pub fn cursor(run: &RunDir, step: u64) -> Result<Cursor, Error> {
    Ok(training_state(&run.checkpoint_folder(step), run.checkpoint(step)?)?.cursor)
}

/// The moments beside the checkpoint in `folder`, for a run that keeps them.
///
/// # Errors
/// A folder without them, such as one that temper did not write.
pub(crate) fn keep_moments(
    folder: &Path,
    parameters: &[Parameter],
    optimizer: OptimizerName,
) -> Result<(u64, FlatMoments), Error> {
    let Some(manifest) = CheckpointManifest::load(folder)? else {
        return Err(Error::state(
            folder,
            "no training state".to_owned(),
            "moments to keep (`optimizer.state = \"keep\"`)",
        ));
    };
    let mut verified = Verified::read(folder, &manifest, &[OPTIMIZER])?;
    let state = training_state(folder, manifest)?;
    if state.optimizer != optimizer {
        let expected = format!("those of {optimizer}, to keep them");
        return Err(Error::state(folder, format!("moments of {}", state.optimizer), &expected));
    }
    Ok((state.updates, load_moments(folder, &mut verified, parameters, optimizer)?))
}

/// Whether the checkpoint in `folder` has moments that [`keep_moments`] would take up for a run of `recipe`. The
/// values are not read; what cannot be read is no moments, since a run that begins anew does not need them.
pub fn has_moments_for(folder: &Path, recipe: &Recipe, config: &Config) -> bool {
    // Factors are new in every run.
    if recipe.lora.is_some() {
        return false;
    }
    let Ok(Some(manifest)) = CheckpointManifest::load(folder) else { return false };
    let Ok(state) = training_state(folder, manifest) else { return false };
    let Ok(trainable) = Trainable::new(config, &recipe.training.frozen) else { return false };
    state.optimizer == recipe.optimizer.name
        && has(&folder.join(OPTIMIZER), trainable.parameters(), FIRST)
}

fn training_state(folder: &Path, manifest: CheckpointManifest) -> Result<TrainingState, Error> {
    serde_json::from_value(manifest.training)
        .map_err(|error| Error::state(folder, error.to_string(), "a cursor and a count of updates"))
}

fn load_moments(
    folder: &Path,
    verified: &mut Verified,
    parameters: &[Parameter],
    optimizer: OptimizerName,
) -> Result<FlatMoments, Error> {
    let mut moments = |prefix| verified.take(folder, OPTIMIZER, parameters, prefix);
    let first = moments(FIRST)?;
    let second = if has_second(optimizer) { moments(SECOND)? } else { Vec::new() };
    Ok(FlatMoments { first, second })
}
