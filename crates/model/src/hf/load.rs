use std::path::Path;

use burn::tensor::Device;

use super::weights::Weights;
use crate::{Config, Decoder, Error, names::stored};

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
    let parts = stored(&config);
    let missing: Vec<String> =
        parts.iter().map(|part| part.name.clone()).filter(|name| !weights.has(name)).collect();
    if !missing.is_empty() {
        return Err(Error::Missing { path: dir.into(), names: missing });
    }
    let wanted = |name: &String| parts.iter().any(|part| part.name == *name);
    let (ignored, unused): (Vec<_>, Vec<_>) = weights
        .names()
        .into_iter()
        .filter(|name| !wanted(name))
        .partition(|name| is_redundant(name));
    if !unused.is_empty() {
        return Err(Error::Unused { path: dir.into(), names: unused });
    }
    let mut rest: Vec<f32> = Vec::new();
    let mut at = 0;
    let mut left = Vec::new().into_iter();
    let decoder = Decoder::build(&config, device, |field| {
        let next = match left.next() {
            Some(next) => next,
            None => {
                let part = &parts[at];
                at += 1;
                rest = weights.read(&part.name, &part.shape(&config))?;
                left = part.fields.clone().into_iter();
                left.next().expect("a tensor has a field")
            }
        };
        debug_assert_eq!(next, field);
        let n = field.shape(&config).iter().product();
        let behind = rest.split_off(n);
        Ok(std::mem::replace(&mut rest, behind))
    })?;
    Ok((decoder, LoadReport { n_loaded: parts.len(), ignored }))
}

/// Whether a tensor repeats what config.json says already: transformers, too, leaves these aside.
fn is_redundant(name: &str) -> bool {
    name == "lm_head.weight" || name.ends_with(".rotary_emb.inv_freq")
}
