//! Text to ids and back, through Hugging Face's `tokenizer.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use temper_recipe::{Digest, Hasher, Tokenization};
use tokenizers::AddedVocabulary;

use crate::error::Error;
use crate::pieces;

mod encode;
mod names;
mod rendered;

pub use self::encode::LONGEST_PIECE_BYTES;
use self::names::Names;

/// A tokenizer that encodes the same text to the same ids, always.
///
/// * Special tokens that occur literally in a text are encoded as the characters they are: data
///   cannot inject control tokens. (`encode_special_tokens` of the tokenizers library, and a check
///   of the result.) Tokens that were added but are not special, such as Qwen's `<think>`, are text
///   like any other and keep their own id.
/// * Truncation and padding in `tokenizer.json` are ignored; its template adds nothing.
/// * BPE dropout is refused.
pub struct Tokenizer {
    /// `tokenizer.json`.
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    /// The added tokens of `inner`, special ones recognised in text.
    added: AddedVocabulary,
    vocab_size: usize,
    /// By id: true for what text must never become.
    is_special: Vec<bool>,
    bos: Option<u32>,
    eos: Option<u32>,
    begins_with_bos: bool,
    digest: Digest,
    cuttable: bool,
    /// `cuttable` where special tokens are looked for.
    rendered_cuttable: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.json` (`path`, or in the folder `path`) and, for the names of BOS and EOS,
    /// `tokenizer_config.json` beside it where there is one.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`], [`Error::Read`], and [`Error::Tokenizer`] for contents that cannot
    /// be used.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let path = if path.is_dir() { path.join("tokenizer.json") } else { path.to_owned() };
        if !path.exists() {
            return Err(Error::NoTokenizer { path });
        }
        Self::from_bytes(path.clone(), &read(&path)?)
    }

    /// The tokenizer of these bytes, as if they were the file at `path`.
    fn from_bytes(path: PathBuf, bytes: &[u8]) -> Result<Self, Error> {
        let problem = |problem| Error::Tokenizer { path: path.clone(), problem };
        let json: Value =
            serde_json::from_slice(bytes).map_err(|error| problem(error.to_string()))?;
        if json["model"]["dropout"].as_f64().is_some_and(|dropout| dropout > 0.0) {
            return Err(problem(
                "BPE dropout encodes a text differently each time; set `model.dropout` to null"
                    .to_owned(),
            ));
        }
        let mut inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| problem(error.to_string()))?;
        inner.set_encode_special_tokens(true);
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| problem(error.to_string()))?;

        let highest = inner.get_vocab(true).into_values().max();
        let highest = highest.ok_or_else(|| problem("no tokens".to_owned()))?;
        let vocab_size = highest as usize + 1;
        let mut is_special = vec![false; vocab_size];
        // What stands for the unknown is special in older models, and text may well become it.
        let model = &json["model"];
        let unknown = model["unk_token"].as_str().and_then(|token| inner.token_to_id(token));
        let unknown = unknown.or(model["unk_id"].as_u64().map(|id| id as u32));
        for (id, token) in inner.get_added_tokens_decoder() {
            if token.special && Some(id) != unknown {
                is_special[id as usize] = true;
            }
        }

        let config = path.with_file_name("tokenizer_config.json");
        let names = if config.exists() { Names::load(&config)? } else { Names::default() };
        let id_of = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => inner.token_to_id(name).map(Some).ok_or_else(|| Error::Tokenizer {
                path: config.clone(),
                problem: format!("names `{name}`, which `tokenizer.json` does not have"),
            }),
        };
        let (bos, eos) = (id_of(&names.bos)?, id_of(&names.eos)?);
        let adds_bos = || {
            let nothing = inner.encode("", true).ok();
            nothing.is_some_and(|added| added.get_ids().first().copied() == bos)
        };
        let begins_with_bos = bos.is_some() && names.add_bos.unwrap_or_else(adds_bos);
        let mut added = inner.get_added_vocabulary().clone();
        added.set_encode_special_tokens(false);
        let cuttable = pieces::is_cuttable(&json);
        let rendered_cuttable = cuttable && pieces::are_specials_local(&json);
        let digest = digest(bytes, bos, eos);
        Ok(Self {
            path,
            inner,
            added,
            vocab_size,
            is_special,
            bos,
            eos,
            begins_with_bos,
            digest,
            cuttable,
            rendered_cuttable,
        })
    }

    /// The highest id plus one: a model needs at least as many rows of embeddings.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The highest id that is not of an added token, plus one: the vocabulary that the tokenizer was
    /// trained with.
    pub fn base_vocab_size(&self) -> usize {
        self.inner.get_vocab(false).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// The id put before a document, where the tokenizer names one.
    pub fn bos_id(&self) -> Option<u32> {
        self.bos
    }

    /// Whether a text that is to be continued begins with BOS: what `add_bos_token` in
    /// `tokenizer_config.json` says, else what the post-processor in `tokenizer.json` does. That a
    /// tokenizer names a BOS is not enough; GPT-2's does.
    pub fn begins_with_bos(&self) -> bool {
        self.begins_with_bos
    }

    /// The id put after a document, where the tokenizer names one.
    pub fn eos_id(&self) -> Option<u32> {
        self.eos
    }

    /// Whether an id is that of a token that text never becomes.
    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.is_special.get(id as usize).copied().unwrap_or(false)
    }

    /// The id of a token by its name, special ones among them.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Names everything that decides which ids a text gets: `tokenizer.json`, BOS, EOS.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Puts BOS and EOS around the ids of a document, as `policy` says.
    ///
    /// # Errors
    /// [`Error::NoSpecial`] when the tokenizer names no such token.
    pub fn add_specials(&self, ids: Vec<u32>, policy: Tokenization) -> Result<Vec<u32>, Error> {
        let (bos, eos) = self.specials(policy)?;
        Ok(bos.into_iter().chain(ids).chain(eos).collect())
    }

    /// What `policy` puts before and after a document.
    ///
    /// # Errors
    /// [`Error::NoSpecial`] when the tokenizer names no such token.
    pub fn specials(&self, policy: Tokenization) -> Result<(Option<u32>, Option<u32>), Error> {
        if policy.bos && self.bos.is_none() {
            return Err(Error::NoSpecial { token: "bos", key: "bos_token" });
        }
        if policy.eos && self.eos.is_none() {
            return Err(Error::NoSpecial { token: "eos", key: "eos_token" });
        }
        Ok((self.bos.filter(|_| policy.bos), self.eos.filter(|_| policy.eos)))
    }

    /// The text of `ids`; `skip_special` leaves special tokens out. Bytes that are no UTF-8 become
    /// U+FFFD, since ids can be cut anywhere.
    ///
    /// # Errors
    /// [`Error::UnknownId`], [`Error::Decode`].
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, Error> {
        // The library leaves unknown ids out without a word.
        if let Some(id) = ids.iter().find(|id| self.inner.id_to_token(**id).is_none()) {
            return Err(Error::UnknownId { id: *id, highest: self.vocab_size as u32 - 1 });
        }
        self.inner
            .decode(ids, skip_special)
            .map_err(|error| Error::Decode { n_ids: ids.len(), problem: error.to_string() })
    }

    /// The text of `ids` that a model sampled, without special tokens. Checkpoints often have more
    /// logits than tokens; an id without a token becomes U+FFFD, so that no answer with one is exact.
    ///
    /// # Errors
    /// [`Error::Decode`].
    pub fn decode_sampled(&self, ids: &[u32]) -> Result<String, Error> {
        let parts = ids.split(|id| self.inner.id_to_token(*id).is_none());
        let parts: Result<Vec<String>, Error> = parts.map(|part| self.decode(part, true)).collect();
        Ok(parts?.join("\u{FFFD}"))
    }

    /// The text of `tokenizer.json` again.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Tokenizer`] when it is another one by now.
    pub(crate) fn reread(&self) -> Result<String, Error> {
        let bytes = read(&self.path)?;
        if digest(&bytes, self.bos, self.eos) != self.digest {
            return Err(self.problem("it has changed since it was loaded".to_owned()));
        }
        String::from_utf8(bytes).map_err(|error| self.problem(error.to_string()))
    }

    /// Another tokenizer in the place of this one, with the same companions.
    pub(crate) fn replaced_by(&self, tokenizer_json: &[u8]) -> Result<Self, Error> {
        Self::from_bytes(self.path.clone(), tokenizer_json)
    }

    pub(crate) fn problem(&self, problem: String) -> Error {
        Error::Tokenizer { path: self.path.clone(), problem }
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

fn digest(tokenizer_json: &[u8], bos: Option<u32>, eos: Option<u32>) -> Digest {
    let mut hasher = Hasher::new();
    for id in [bos, eos] {
        // No token has the highest id of 32 bits, so it can stand for none.
        hasher.update(&id.unwrap_or(u32::MAX).to_le_bytes());
    }
    hasher.update(tokenizer_json);
    hasher.finish()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
