//! `temper tokenizer train`: a byte-level BPE tokenizer from corpora.

use std::path::Path;

use serde_json::json;
use temper_recipe::Project;
use temper_tokens::{BpeSpec, Tokenizer, train_byte_level_bpe};

use crate::args::TokenizerTrainArguments;
use crate::exit::Failure;
use crate::print::{self, thousands};
use crate::progress::Progress;

/// What later stages need is reserved now: ids cannot be added without growing the model.
const MARKERS: [&str; 16] = [
    "<|bos|>",
    "<|eos|>",
    "<|pad|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "<|think|>",
    "<|/think|>",
    "<|tools|>",
    "<|tool_call|>",
    "<|tool_result|>",
    "<|reserved_0|>",
    "<|reserved_1|>",
    "<|reserved_2|>",
    "<|reserved_3|>",
];

/// Trains on all texts of the corpora named.
pub(crate) fn train(arguments: &TokenizerTrainArguments) -> Result<(), Failure> {
    let project = Project::find(Path::new("."))?;
    let bar = Progress::start("tokenizer", 0);
    let mut texts = Vec::new();
    for corpus in &arguments.corpora {
        let manifest = project.manifest(corpus)?;
        for text in temper_corpus::read_texts(&manifest, &project.manifests_dir())? {
            texts.push(text?);
        }
    }
    let n_texts = texts.len();
    let spec = BpeSpec {
        vocab_size: arguments.vocabulary,
        special_tokens: MARKERS.map(str::to_owned).into(),
        bos: Some(MARKERS[0].to_owned()),
        eos: Some(MARKERS[1].to_owned()),
        pad: Some(MARKERS[2].to_owned()),
        model_max_length: arguments.context,
    };
    train_byte_level_bpe(texts.into_iter(), &spec, &arguments.out)?;
    let made = Tokenizer::load(&arguments.out)?;
    let (n_tokens, n_texts) = (made.vocab_size() as u64, n_texts as u64);
    bar.finish(&format!("{} tokens from {} documents", thousands(n_tokens), thousands(n_texts)));
    if arguments.json {
        print::json(&json!({
            "out": arguments.out, "vocabulary": n_tokens, "documents": n_texts, "digest": made.digest(),
        }))?;
    }
    Ok(())
}
