//! `model.safetensors.index.json`: which shard holds which tensor.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use serde::Deserialize;
use serde_json::json;

use super::json::{self, Pairs, short};
use crate::Error;

/// The index's name in a checkpoint.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// The shard of each tensor.
#[derive(Debug)]
pub(super) struct Index {
    /// The file's name by the tensor's name.
    pub(super) weight_map: BTreeMap<String, String>,
}

impl Index {
    /// Reads an index whose shards are files of its folder.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct File {
            weight_map: Pairs<String>,
        }
        let file: File = json::read(path, "an index of shards with a `weight_map`")?;
        let mut weight_map = BTreeMap::new();
        for (tensor, shard) in file.weight_map.0 {
            if !is_shard(&shard) {
                let found = format!("shard `{}` for tensor `{}`", short(&shard), short(&tensor));
                return Err(wrong(path, found, "the name of a .safetensors file in its folder"));
            }
            if let Some(first) = weight_map.insert(tensor.clone(), shard) {
                let found = format!("tensor `{}` twice, first in `{first}`", short(&tensor));
                return Err(wrong(path, found, "one shard for each tensor"));
            }
        }
        if weight_map.is_empty() {
            return Err(wrong(path, "no tensor in `weight_map`".into(), "at least one"));
        }
        Ok(Self { weight_map })
    }

    /// The names of the shards, each once, sorted.
    pub(super) fn shards(&self) -> Vec<&str> {
        let mut shards: Vec<&str> = self.weight_map.values().map(String::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// The text that transformers writes for these shards.
    pub(super) fn to_json(&self, n_parameters: usize, n_bytes: u64) -> String {
        let index = json!({
            "metadata": { "total_parameters": n_parameters, "total_size": n_bytes },
            "weight_map": self.weight_map,
        });
        format!("{index:#}\n")
    }
}

/// An error about an index.
pub(super) fn wrong(path: &Path, found: String, expected: &str) -> Error {
    Error::Index { path: path.into(), found, expected: expected.into() }
}

/// Whether a name stays in its folder, whatever an index says.
fn is_shard(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let is_name = matches!(components.next(), Some(Component::Normal(first)) if first == name);
    is_name && components.next().is_none() && !name.contains('\\') && name.ends_with(".safetensors")
}

#[cfg(test)]
mod tests;
