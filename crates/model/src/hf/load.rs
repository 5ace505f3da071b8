use std::path::Path;

use burn::tensor::Device;

use super::weights::Weights;
use crate::{Config, Decoder, Error, names::Field};

/// What was found in a checkpoint folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that became weights.
    pub n_loaded: usize,
    /// Tensors that were left: an output matrix beside a tied embedding, and stored rotary frequencies.
    pub ignored: Vec<String>,
}

/// Loads a Llama checkpoint in the form transformers saves, whole or in shards, as f32.
///
/// Made for training where `device` is one with autodiff.
///
/// # Errors
///
/// Those of [`Config::load`]; [`Error::NoWeights`], [`Error::Header`], [`Error::Length`] for files
/// that are not what they should be; [`Error::Missing`], [`Error::Unused`], [`Error::Shape`],
/// [`Error::Dtype`] for tensors that do not fit config.json.
pub fn load(dir: &Path, device: &Device) -> Result<(Decoder, LoadReport), Error> {
    let config = Config::load(dir)?;
    let mut weights = Weights::open(dir)?;
    let missing: Vec<String> =
        Field::all(&config).map(Field::name).filter(|name| !weights.has(name)).collect();
    if !missing.is_empty() {
        return Err(Error::Missing { path: dir.into(), names: missing });
    }
    let wanted = |name: &String| Field::parse(name).is_some_and(|field| is_part(field, &config));
    let (ignored, unused): (Vec<_>, Vec<_>) = weights
        .names()
        .into_iter()
        .filter(|name| !wanted(name))
        .partition(|name| is_redundant(name));
    if !unused.is_empty() {
        return Err(Error::Unused { path: dir.into(), names: unused });
    }
    let decoder = Decoder::build(&config, device, |field| {
        weights.read(&field.name(), &field.shape(&config))
    })?;
    let n_loaded = Field::all(&config).count();
    Ok((decoder, LoadReport { n_loaded, ignored }))
}

fn is_part(field: Field, config: &Config) -> bool {
    match field {
        Field::Embedding | Field::Norm => true,
        Field::Block(number, _) => number < config.n_layers,
        Field::Head => !config.tie_word_embeddings,
    }
}

/// Whether a tensor repeats what config.json says already: transformers, too, leaves these aside.
fn is_redundant(name: &str) -> bool {
    Field::parse(name) == Some(Field::Head) || name.ends_with(".rotary_emb.inv_freq")
}
