//! The file that holds the shards of a corpus together.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use temper_recipe::{Digest, Tokenization};

use crate::error::Error;
use crate::shard::ShardInfo;
use crate::staged::Staged;

/// The name of the set's file; it is written last, so its existence means that all shards are there.
pub const SHARD_SET_FILE: &str = "tokens.json";

const FORMAT: u32 = 1;

/// All shards of one corpus under one tokenizer and one BOS/EOS policy.
///
/// It holds no path of a machine and no time: equal inputs give equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSet {
    format: u32,
    /// The manifest's id.
    pub corpus: String,
    /// The digest that names the inputs: files, columns, tokenizer, policy.
    pub key: Digest,
    /// [`crate::Tokenizer::digest`].
    pub tokenizer: Digest,
    /// Ids are below this.
    pub vocab_size: usize,
    /// What stands around each document.
    pub policy: Tokenization,
    /// In corpus order.
    pub shards: Vec<ShardInfo>,
    /// Rows of the corpus that are not in them because they could not be learned from, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
}

impl ShardSet {
    /// A set of shards that have been written.
    pub fn new(
        corpus: &str,
        key: Digest,
        tokenizer: Digest,
        vocab_size: usize,
        policy: Tokenization,
        shards: Vec<ShardInfo>,
    ) -> Self {
        Self {
            format: FORMAT,
            corpus: corpus.to_owned(),
            key,
            tokenizer,
            vocab_size,
            policy,
            shards,
            dropped: BTreeMap::new(),
        }
    }

    /// Writes `tokens.json` into `folder`, which makes the set complete.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).expect("a set holds only JSON values");
        text.push('\n');
        Staged::write(&folder.join(SHARD_SET_FILE), text.as_bytes())
    }

    /// Reads `tokens.json` in `folder`; also the digest of its bytes.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::ShardSet`] for another format or shard names that leave the folder.
    pub fn load(folder: &Path) -> Result<(Self, Digest), Error> {
        let path = folder.join(SHARD_SET_FILE);
        let bytes =
            std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let problem = |problem| Error::ShardSet { path: path.clone(), problem };
        let set: Self =
            serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))?;
        if set.format != FORMAT {
            return Err(problem(format!("format {}, expected {FORMAT}", set.format)));
        }
        let leaves = |name: &str| Path::new(name).file_name().is_none_or(|last| last != name);
        if let Some(shard) = set.shards.iter().find(|shard| leaves(&shard.file_name)) {
            return Err(problem(format!("`{}` is no file name", shard.file_name)));
        }
        Ok((set, Digest::of(&bytes)))
    }
}
