//! A checkpoint that has been found, with the values of its tensors to be asked for.

use std::{fs, ops::Range, path::Path};

use super::{
    adapter::{Lora, TrainedOn},
    fit::fit,
    foreign,
    located::Located,
    report::LoadReport,
    weights::Weights,
};
use crate::{
    Config, Error,
    names::{Field, Stored, stored},
};

/// Weights, the changes of an adapter to them, and how they fit the configuration.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) config: Config,
    /// What the decoder consists of, in the fixed order.
    pub(super) tensors: Vec<Stored>,
    pub(super) report: LoadReport,
    weights: Weights,
    adapter: Option<Lora>,
    /// The base that the adapter asks for.
    trained_on: Option<TrainedOn>,
}

impl Source {
    /// Opens all files and checks what can be checked before values are read.
    pub(super) fn open(located: &Located) -> Result<Self, Error> {
        let config = config(&located.folder)?;
        let tensors = stored(&config);
        let mut weights = Weights::open(&located.folder)?;
        foreign::check_tensors(&weights)?;
        let (adapter, trained_on) = match &located.adapter {
            Some(adapter) => (
                Some(Lora::open(&adapter.folder, &config, &tensors)?),
                TrainedOn::read(&adapter.folder)?,
            ),
            None => (None, None),
        };
        let replaced = |name: &str| adapter.as_ref().is_some_and(|adapter| adapter.replaces(name));
        let mut report = fit(&located.folder, &config, &tensors, &mut weights, replaced)?;
        if let Some(adapter) = &adapter {
            let merged =
                tensors.iter().map(|tensor| &tensor.name).filter(|name| adapter.changes(name));
            report.merged = merged.cloned().collect();
        }
        Ok(Self { config, tensors, report, weights, adapter, trained_on })
    }

    /// Refuses weights that do not fit, with the whole report.
    pub(super) fn check_complete(&self) -> Result<(), Error> {
        match self.report.is_complete() {
            true => Ok(()),
            false => Err(Error::Unfit { report: Box::new(self.report.clone()) }),
        }
    }

    /// Refuses an adapter on another base than it was trained on, where it says on which that was; for that all
    /// weights of the base are read.
    pub(super) fn check_base(&mut self) -> Result<(), Error> {
        match &self.trained_on {
            Some(trained_on) => {
                let folder = &self.report.folder;
                trained_on.check(folder, &self.config, &self.tensors, &mut self.weights)
            }
            None => Ok(()),
        }
    }

    /// Name, shape and type of what the files hold, by name.
    pub(super) fn stored_tensors(
        &self,
    ) -> impl Iterator<Item = (&str, &[usize], safetensors::Dtype)> {
        self.weights
            .names()
            .filter_map(|name| Some((name, self.weights.shape(name)?, self.weights.dtype(name)?)))
    }

    /// Values of a tensor that was found to fit; `values` are whole rows of it.
    pub(super) fn read(
        &mut self,
        tensor: &Stored,
        values: Range<usize>,
    ) -> Result<Vec<f32>, Error> {
        let Some(adapter) = &mut self.adapter else {
            return self.weights.read(&tensor.name, values);
        };
        let mut read = match adapter.replacement(&tensor.name, values.clone())? {
            Some(replacement) => replacement,
            None => self.weights.read(&tensor.name, values.clone())?,
        };
        adapter.merge(&tensor.name, values.start, &mut read)?;
        Ok(read)
    }
}

/// The fields of a tensor with the values that are theirs: a tensor is its fields, one behind the other.
pub(super) fn places<'a>(
    tensor: &'a Stored,
    config: &'a Config,
) -> impl Iterator<Item = (&'a Stored, Field, Range<usize>)> {
    let mut behind: usize = 0;
    tensor.fields.iter().map(move |field| {
        // Only shapes that were found in a file have a size that is known not to overflow.
        let n = field.shape(config).iter().fold(1, |n: usize, size| n.saturating_mul(*size));
        let start = behind;
        behind = behind.saturating_add(n);
        (tensor, *field, start..behind)
    })
}

/// The configuration in a folder; quantized weights are refused by the name of their method.
pub(super) fn config(folder: &Path) -> Result<Config, Error> {
    let path = folder.join("config.json");
    let text =
        fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    foreign::check_config(&path, &text)?;
    Config::from_json(&text, &path)
}
