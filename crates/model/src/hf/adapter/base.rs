//! The base that an adapter was trained on, by the digest of its weights.
//!
//! `adapter_config.json` names a base and says nothing of its weights: a base of the same shapes with other ones
//! would be changed without a word. A file beside it, which PEFT does not look at, says which they were.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::Error as _};

use crate::{
    Config, Error,
    digest::WeightsHasher,
    hf::{
        Companion, json,
        weights::{Weights, ranges},
    },
    names::Stored,
};

const FILE: &str = "base_weights.json";
const SCHEMA: u32 = 1;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    /// [`weights_digest`](crate::weights_digest) in 64 lower-case hex digits.
    weights: String,
}

/// The file that says on which weights an adapter was trained, to be written into its folder; `weights` is their
/// [`weights_digest`](crate::weights_digest).
///
/// Where it is, [`load_located`](crate::hf::load_located), [`convert`](crate::hf::convert) and
/// [`merge`](crate::hf::merge) refuse the adapter on any other base. The digest is one of values: a copy of the
/// base in a type that holds them all is the base, and one that was rounded is not.
pub fn adapter_base(weights: &[u8; 32]) -> Companion {
    let record = Record { schema: SCHEMA, weights: hex(weights) };
    let mut bytes = serde_json::to_vec_pretty(&record).expect("a number and a text are JSON");
    bytes.push(b'\n');
    Companion { name: FILE.into(), bytes }
}

/// The base that an adapter asks for.
#[derive(Debug)]
pub(in crate::hf) struct TrainedOn {
    /// The adapter's folder.
    adapter: PathBuf,
    weights: String,
}

impl TrainedOn {
    /// What the adapter in `folder` says of its base; `None` for one that says nothing, as PEFT writes them.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] and [`Error::Json`] for a file that is there and is not what temper wrote.
    pub(in crate::hf) fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        // A link of the Hub's cache to a file that was never fetched is no reason to look away.
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let expected = "the digest of an adapter's base: schema 1, 64 hex digits";
        let Record { schema, weights } = json::read(&path, expected)?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if schema != SCHEMA || weights.len() != 64 || !weights.bytes().all(is_hex) {
            let found = format!("schema {schema}, weights `{}`", json::short(&weights));
            return Err(Error::Json { path, expected, source: serde_json::Error::custom(found) });
        }
        Ok(Some(Self { adapter: folder.into(), weights }))
    }

    /// Reads all weights of the base in `folder`, whose tensors should be `tensors`, and compares their digest.
    ///
    /// # Errors
    ///
    /// [`Error::OtherBase`]; those of reading weights.
    pub(in crate::hf) fn check(
        &self,
        folder: &Path,
        config: &Config,
        tensors: &[Stored],
        weights: &mut Weights,
    ) -> Result<(), Error> {
        let refuse = |found: String| {
            Err(Error::OtherBase {
                adapter: self.adapter.clone(),
                base: folder.into(),
                found,
                expected: shown(&self.weights).into(),
            })
        };
        let mut hasher = WeightsHasher::default();
        for tensor in tensors {
            let shape = tensor.shape(config);
            if weights.shape(&tensor.name) != Some(&shape[..]) {
                return refuse(format!("no tensor `{}` of shape {shape:?}", tensor.name));
            }
            for range in ranges(shape.iter().product()) {
                hasher.update(&weights.read(&tensor.name, range)?);
            }
        }
        let found = hex(&hasher.finish());
        if found == self.weights {
            return Ok(());
        }
        refuse(format!("weights with digest {}", shown(&found)))
    }
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first digits: enough to tell digests apart in a message.
fn shown(digest: &str) -> &str {
    &digest[..12]
}

#[cfg(test)]
mod tests;
