//! A small tokenizer for tests.

use std::path::Path;

use crate::tokenizer::Tokenizer;
use crate::train::{BpeSpec, train_byte_level_bpe};

/// Enough repetition for some merges across words, white space, punctuation and scripts.
pub(crate) fn texts() -> Vec<String> {
    (0..40)
        .map(|i| {
            format!(
                "The molecule CC(=O)O no. {i} melts at {}.5 K.\n\nIt's soluble,  they said: \"très\" 水。\n\tdon't\r\n",
                i * 37
            )
        })
        .collect()
}

pub(crate) fn spec() -> BpeSpec {
    let token = |name: &str| format!("<|{name}|>");
    BpeSpec {
        vocab_size: 310,
        special_tokens: ["bos", "eos", "pad", "user"].map(token).to_vec(),
        bos: Some(token("bos")),
        eos: Some(token("eos")),
        pad: Some(token("pad")),
        model_max_length: 2048,
    }
}

/// Trains [`spec`] on [`texts`] into `folder`.
pub(crate) fn trained(folder: &Path) -> Tokenizer {
    train_byte_level_bpe(texts().into_iter(), &spec(), folder).unwrap();
    Tokenizer::load(folder).unwrap()
}
