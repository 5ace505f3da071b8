//! What a checkpoint holds, from the headers of its files.

use std::collections::BTreeSet;

use super::{Dtype, located::Located, report::LoadReport, source::Source};
use crate::Error;

/// The tensors of a checkpoint, and how they fit its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The tensors in the files, by name; those of an adapter's base where there is one.
    pub tensors: Vec<StoredTensor>,
    /// What a load would say.
    pub report: LoadReport,
}

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
    /// Its name there.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its type, by the name `config.json` would give it.
    pub dtype: String,
}

impl Inventory {
    /// The types that occur, each once, sorted.
    pub fn dtypes(&self) -> Vec<String> {
        let dtypes: BTreeSet<&String> = self.tensors.iter().map(|tensor| &tensor.dtype).collect();
        dtypes.into_iter().cloned().collect()
    }
}

impl Located {
    /// Lists the tensors without reading their values.
    ///
    /// # Errors
    ///
    /// Those of [`load_located`](super::load_located) about files that are not what they should be;
    /// tensors that do not fit are in the report.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        let source = Source::open(self)?;
        let tensors = source.stored_tensors().map(|(name, shape, dtype)| StoredTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            // Types that are not computed with keep the name that safetensors gives them.
            dtype: Dtype::of(dtype)
                .map_or_else(|| format!("{dtype:?}"), |dtype| dtype.name().to_owned()),
        });
        Ok(Inventory { tensors: tensors.collect(), report: source.report.clone() })
    }
}
