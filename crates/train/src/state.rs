//! Training state in a checkpoint, beside the Hugging Face files that `transformers` loads.
//!
//! ```text
//! step-000400/
//!   config.json  model.safetensors  tokenizer.json  …      what transformers loads
//!   adapter/                                               the factors, with `[lora]`: a folder of PEFT's
//!   temper/optimizer.safetensors                           the optimizer's moments, by parameter name
//!   temper/weights.safetensors                             exact weights, when stored as bf16
//!   temper/manifest.json                                   cursor, counters, digests; written last
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use temper_ledger::{CheckpointManifest, RunDir};
use temper_mix::Cursor;
use temper_model::{Parameter, hf};
use temper_recipe::{Digest, Lora, OptimizerName, StoredDtype};

use crate::error::Error;
use crate::lora;
use crate::optimizer::{FlatMoments, has_second};
use crate::reference::Starting;
use crate::step::Trainee;
use crate::workers::Workers;

const OPTIMIZER: &str = "temper/optimizer.safetensors";
const WEIGHTS: &str = "temper/weights.safetensors";
const FIRST: &str = "exp_avg.";
const SECOND: &str = "exp_avg_sq.";

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
///
pub(crate) fn save(
    run: &RunDir,
    trainee: &Trainee,
    cursor: &Cursor,
    stamp: &Stamp,
    companions: &[hf::Companion],
    dtype: StoredDtype,
    lora: Option<(&Lora, &str)>,
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
    let moving = match (&trainee.adapter, lora) {
        (Some(adapter), Some((lora, base))) => {
            lora::save(adapter, lora, base, &folder.join(lora::FOLDER))?;
            adapter.parameters()
        }
        _ => parameters.clone(),
    };
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

/// Reads the checkpoint after `step` steps back, exactly as it was when it was saved.
///
/// # Errors
/// A file that is missing or is not what the manifest says.
///
/// With `lora` the trainee is the starting model, which `starting` gives, and the factors of the
/// checkpoint.
pub(crate) fn load(
    run: &RunDir,
    step: u64,
    workers: Workers,
    lora: Option<(&Lora, Starting<'_>)>,
) -> Result<(Trainee, Cursor), Error> {
    let folder = run.checkpoint_folder(step);
    let manifest = run.checkpoint(step)?;
    verify(&folder, &manifest)?;
    let state = training_state(&folder, manifest)?;
    if let Some((lora, starting)) = lora {
        let decoder = starting().map_err(Error::Starting)?;
        let adapter = lora::load(&decoder, lora, &folder.join(lora::FOLDER))?;
        let moments = load_moments(&folder, &adapter.parameters(), state.optimizer)?;
        let moments = Some((state.updates, moments));
        let trainee = Trainee::adapting(decoder, adapter, state.optimizer, moments, workers);
        return Ok((trainee, state.cursor));
    }
    let (mut decoder, _) = hf::load(&folder, workers.device())?;
    let weights = folder.join(WEIGHTS);
    if weights.exists() {
        decoder.set_values(&read(&weights, &decoder.parameters(), "")?)?;
    }
    let moments = load_moments(&folder, &decoder.parameters(), state.optimizer)?;
    let trainee = Trainee::new(decoder, state.optimizer, Some((state.updates, moments)), workers);
    Ok((trainee, state.cursor))
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
    verify(folder, &manifest)?;
    let state = training_state(folder, manifest)?;
    if state.optimizer != optimizer {
        let expected = format!("those of {optimizer}, to keep them");
        return Err(Error::state(folder, format!("moments of {}", state.optimizer), &expected));
    }
    Ok((state.updates, load_moments(folder, parameters, optimizer)?))
}

fn training_state(folder: &Path, manifest: CheckpointManifest) -> Result<TrainingState, Error> {
    serde_json::from_value(manifest.training)
        .map_err(|error| Error::state(folder, error.to_string(), "a cursor and a count of updates"))
}

fn verify(folder: &Path, manifest: &CheckpointManifest) -> Result<(), Error> {
    for (name, file) in &manifest.files {
        let path = folder.join(name);
        let found = Digest::of_file(&path).map_err(Error::io("read", &path))?;
        if found != file.sha256 {
            let (found, expected) = (found.short(), file.sha256.short());
            return Err(Error::state(
                &path,
                format!("digest {found}"),
                &format!("{expected} as in its manifest"),
            ));
        }
    }
    Ok(())
}

fn load_moments(
    folder: &Path,
    parameters: &[Parameter],
    optimizer: OptimizerName,
) -> Result<FlatMoments, Error> {
    let path = folder.join(OPTIMIZER);
    let first = read(&path, parameters, FIRST)?;
    let second = match has_second(optimizer) {
        true => read(&path, parameters, SECOND)?,
        false => Vec::new(),
    };
    Ok(FlatMoments { first, second })
}

/// Values of one parameter, turned into bytes when they are written.
struct Values<'a> {
    parameter: &'a Parameter,
    values: &'a [f32],
}

impl safetensors::View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.parameter.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes flat values as one tensor per parameter and prefix; the bytes depend on them alone.
pub(crate) fn write(
    path: &Path,
    parameters: &[Parameter],
    groups: &[(&str, &[f32])],
) -> Result<(), Error> {
    let mut tensors = BTreeMap::new();
    for (prefix, values) in groups {
        let mut rest = *values;
        for parameter in parameters {
            let (values, behind) = rest.split_at(parameter.n_values());
            rest = behind;
            tensors.insert(format!("{prefix}{}", parameter.name), Values { parameter, values });
        }
    }
    safetensors::serialize_to_file(tensors, None, path).map_err(|error| {
        if let SafeTensorError::IoError(error) = error {
            return Error::io("write", path)(error);
        }
        Error::state(path, error.to_string(), "names that are unique and sizes that fit")
    })
}

pub(crate) fn read(path: &Path, parameters: &[Parameter], prefix: &str) -> Result<Vec<f32>, Error> {
    let file = fs::read(path).map_err(Error::io("read", path))?;
    let tensors = SafeTensors::deserialize(&file)
        .map_err(|error| Error::state(path, error.to_string(), "a safetensors file"))?;
    let mut values = Vec::new();
    for parameter in parameters {
        let name = format!("{prefix}{}", parameter.name);
        let view = tensors.tensor(&name).map_err(|_| {
            Error::state(path, format!("no tensor `{name}`"), "one for every parameter")
        })?;
        if view.dtype() != Dtype::F32 || view.shape() != parameter.shape {
            let found = format!("`{name}` is {:?} {:?}", view.dtype(), view.shape());
            return Err(Error::state(path, found, &format!("F32 {:?}", parameter.shape)));
        }
        let floats = view.data().chunks_exact(4);
        values.extend(
            floats.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("chunks of four"))),
        );
    }
    Ok(values)
}
