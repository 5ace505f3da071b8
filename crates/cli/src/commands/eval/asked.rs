//! The prompts of a corpus as a model is asked them.

use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use temper_corpus::{ChatFormat, Corpus, Supervised, tokenize};
use temper_model::Prompt;
use temper_recipe::{OnBadRow, Project, Tokenization};
use temper_tokens::TokenSource as _;

use crate::args::EvalArguments;
use crate::model::Model;

/// Prompts that leave room for an answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) prompts: Vec<Prompt>,
    /// Which documents of the corpus they are.
    pub(super) documents: Vec<u64>,
    /// Prompts that leave none.
    pub(super) n_left_out: usize,
}

impl Asked {
    /// Those of `corpus`, as the model's template writes them.
    pub(super) fn of(
        corpus: &Corpus,
        model: &Model,
        arguments: &EvalArguments,
        project: &Project,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let chat = model.chat_template.as_ref().map(|template| ChatFormat {
            template,
            supervised: Supervised::Prompt,
            on_bad_row: OnBadRow::Refuse,
            references: None,
        });
        let policy = Tokenization { bos: false, eos: false };
        let (tokenizer, cache) = (&model.tokenizer, project.cache_dir());
        let tokens = tokenize(corpus, tokenizer, policy, chat, &cache, stop, &mut |_| {})?;
        let room = model.config.max_position_embeddings.saturating_sub(arguments.max_tokens);
        let (mut prompts, mut documents) = (Vec::new(), Vec::new());
        for document in 0..tokens.n_documents() {
            let n_ids = tokens.document_len(document);
            if !(1..=room).contains(&n_ids) {
                continue;
            }
            let mut ids = vec![0; n_ids];
            tokens.read(document, 0, &mut ids);
            prompts.push(Prompt {
                ids,
                n_samples: arguments.samples as usize,
                seed: arguments.seed.wrapping_add(document as u64),
            });
            documents.push(document as u64);
        }
        if prompts.is_empty() {
            bail!(
                "--prompts: found no prompt of `{}` that leaves room for {} tokens in the model's context\n\n\
                 hint: lower `--max-tokens`",
                corpus.id(),
                arguments.max_tokens
            );
        }
        let n_left_out = tokens.n_documents() - prompts.len();
        Ok(Self { prompts, documents, n_left_out })
    }
}
