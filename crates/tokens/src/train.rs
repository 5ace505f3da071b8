//! Training a byte-level BPE tokenizer (Sennrich et al. 2016, arXiv 1508.07909; Radford et al. 2019).

use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, SplitDelimiterBehavior,
    TokenizerImpl,
};

use crate::error::Error;
use crate::pieces::{self, PIECE_BYTES};
use crate::staged::Staged;

/// Qwen 2's split: words with the one character before them, digits one by one so that numbers
/// are spelled the same everywhere, punctuation, line ends.
pub(crate) const SPLIT_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Every byte is a token, so that no text is unknown.
const N_BYTES: usize = 256;

/// A pair seen once in all the text is no pattern.
const MIN_PAIR_COUNT: u64 = 2;

/// What to train.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpeSpec {
    /// Tokens in all: special tokens, 256 bytes, merges.
    pub vocab_size: usize,
    /// They get the first ids, in this order.
    pub special_tokens: Vec<String>,
    /// Which special token begins a document.
    pub bos: Option<String>,
    /// Which special token ends a document.
    pub eos: Option<String>,
    /// Which special token fills rows.
    pub pad: Option<String>,
    /// Tokens the model can attend to.
    pub model_max_length: usize,
}

/// Trains a tokenizer on `texts` and writes `tokenizer.json`, `tokenizer_config.json` and
/// `special_tokens_map.json` into `folder` as transformers' `PreTrainedTokenizerFast` reads them.
///
/// Equal texts in any order and an equal spec give equal bytes. Memory grows with the number of
/// different words, not with the text.
///
/// # Errors
/// [`Error::Train`] for a spec that cannot be met, [`Error::Write`].
pub fn train_byte_level_bpe(
    texts: impl Iterator<Item = String> + Send,
    spec: &BpeSpec,
    folder: &Path,
) -> Result<(), Error> {
    let failed = |problem: String| Error::Train { problem };
    check(spec).map_err(failed)?;

    let pattern = SplitPattern::Regex(SPLIT_PATTERN.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
        .map_err(|error| failed(error.to_string()))?;
    let bytes = ByteLevel::new(false, false, false);
    let mut tokenizer: TokenizerImpl<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    > = TokenizerImpl::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])));
    tokenizer.with_decoder(Some(bytes));

    let special = |token: &String| AddedToken::from(token.as_str(), true).normalized(false);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(spec.vocab_size)
        .min_frequency(MIN_PAIR_COUNT)
        .special_tokens(spec.special_tokens.iter().map(special).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    // Cut as for encoding: the words are the same and a long document costs no more than a short one.
    let texts = texts
        .flat_map(|text| pieces::cut(&text, PIECE_BYTES).map(str::to_owned).collect::<Vec<_>>());
    tokenizer.train(&mut trainer, texts).map_err(|error| failed(error.to_string()))?;

    let reached = tokenizer.get_vocab_size(true);
    if reached != spec.vocab_size {
        return Err(failed(format!(
            "the text has patterns for {reached} tokens, expected {}\n\nhint: give more text or ask for a smaller vocabulary",
            spec.vocab_size
        )));
    }
    let json = tokenizer.to_string(true).map_err(|error| failed(error.to_string()))?;
    let pretty = |value: &Value| format!("{value:#}\n");
    std::fs::create_dir_all(folder)
        .map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    Staged::write(&folder.join("tokenizer_config.json"), pretty(&config(spec)).as_bytes())?;
    Staged::write(&folder.join("special_tokens_map.json"), pretty(&roles(spec).into()).as_bytes())?;
    Staged::write(&folder.join("tokenizer.json"), format!("{json}\n").as_bytes())
}

fn check(spec: &BpeSpec) -> Result<(), String> {
    let smallest = spec.special_tokens.len() + N_BYTES;
    if spec.vocab_size < smallest {
        return Err(format!(
            "a vocabulary of {} is too small, expected at least {smallest}: {N_BYTES} bytes and {} special tokens",
            spec.vocab_size,
            spec.special_tokens.len()
        ));
    }
    for (i, token) in spec.special_tokens.iter().enumerate() {
        // Shorter ones are bytes.
        if token.chars().count() < 2 || token.contains(char::is_whitespace) {
            return Err(format!(
                "special token `{token}`: expected two characters or more without white space"
            ));
        }
        if spec.special_tokens[..i].contains(token) {
            return Err(format!("special token `{token}` is given twice"));
        }
    }
    let named = [&spec.bos, &spec.eos, &spec.pad];
    match named.into_iter().flatten().find(|token| !spec.special_tokens.contains(token)) {
        Some(token) => Err(format!("`{token}` is not among the special tokens")),
        None => Ok(()),
    }
}

/// `special_tokens_map.json`: which token has which role; the rest are additional.
fn roles(spec: &BpeSpec) -> Map<String, Value> {
    let mut roles = Map::new();
    for (key, token) in
        [("bos_token", &spec.bos), ("eos_token", &spec.eos), ("pad_token", &spec.pad)]
    {
        if let Some(token) = token {
            roles.insert(key.to_owned(), token.as_str().into());
        }
    }
    let taken = [&spec.bos, &spec.eos, &spec.pad];
    let is_free = |token: &&String| !taken.into_iter().flatten().any(|other| other == *token);
    let rest: Vec<&String> = spec.special_tokens.iter().filter(is_free).collect();
    roles.insert("additional_special_tokens".to_owned(), json!(rest));
    roles
}

fn config(spec: &BpeSpec) -> Value {
    let added = spec.special_tokens.iter().enumerate().map(|(id, token)| {
        let token = json!({
            "content": token,
            "lstrip": false,
            "normalized": false,
            "rstrip": false,
            "single_word": false,
            "special": true,
        });
        (id.to_string(), token)
    });
    let mut config = Map::new();
    config.insert("tokenizer_class".to_owned(), "PreTrainedTokenizerFast".into());
    config.insert("added_tokens_decoder".to_owned(), Value::Object(added.collect()));
    config.extend(roles(spec));
    // Documents are trained on with it where there is one, so a prompt needs it too.
    config.insert("add_bos_token".to_owned(), spec.bos.is_some().into());
    config.insert("clean_up_tokenization_spaces".to_owned(), false.into());
    config.insert("model_max_length".to_owned(), spec.model_max_length.into());
    Value::Object(config)
}

#[cfg(test)]
mod tests;
