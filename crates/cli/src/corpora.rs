//! The corpora of a recipe's sources: opened, rid of rows that cannot be learned from, tokenized.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use temper_corpus::Corpus;
use temper_ledger::DroppedRow;
use temper_recipe::{Manifest, OnBadRow, Project, Recipe, Source};

use crate::chat_formats::ChatFormats;
use crate::commands::corpus::with_bar;
use crate::model::Model;
use crate::print::{counted, thousands};
use crate::progress::Progress;
use crate::tokens::{Tokenized, Tokens};

/// What it says while rows are looked at.
pub(crate) const LOOKING: &str = "row check";

/// The corpora of a recipe's sources, checked but not tokenized.
#[derive(Debug)]
pub(crate) struct Corpora(Vec<(Manifest, Corpus)>);

impl Corpora {
    /// Opens and checks the corpora of `recipe`'s sources, in their order; without bad rows, where the recipe
    /// drops them.
    pub(crate) fn open(
        project: &Project,
        recipe: &Recipe,
        model: &Model,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let formats = ChatFormats::of(project, recipe, model)?;
        let mut corpora = Vec::new();
        for (at, source) in recipe.sources().enumerate() {
            let (manifest, corpus) = (project.manifest(&source.corpus)?, opened(project, source)?);
            let chat = formats.of_source(at, &manifest);
            let cache = project.cache_dir();
            let (tokenizer, policy) = (&model.tokenizer, recipe.tokenization);
            let corpus = match formats.on_bad_row(at) {
                OnBadRow::Drop => with_bar(LOOKING, corpus.n_documents(), |told| {
                    corpus.without_bad_rows(tokenizer, policy, chat, &cache, stop, &mut |n| told(n))
                })?,
                OnBadRow::Refuse => corpus,
            };
            corpora.push((manifest, corpus));
        }
        Ok(Self(corpora))
    }

    /// In the order of the sources.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.0.iter().map(|(manifest, _)| manifest)
    }

    /// In the order of the sources.
    pub(crate) fn corpora(&self) -> impl Iterator<Item = &Corpus> {
        self.0.iter().map(|(_, corpus)| corpus)
    }

    /// Tokenizes what is not in the cache yet.
    pub(crate) fn tokenize(
        &self,
        project: &Project,
        recipe: &Recipe,
        model: &Model,
        stop: &AtomicBool,
    ) -> Result<Tokens> {
        let tokenizer = &model.tokenizer;
        let formats = ChatFormats::of(project, recipe, model)?;
        let total = self.0.iter().map(|(_, corpus)| corpus.n_documents()).sum();
        let mut bar = Progress::start("tokenizing", total);
        let (mut sources, mut tokenized, mut n_ids) = (Vec::new(), 0, 0);
        for (at, (manifest, corpus)) in self.0.iter().enumerate() {
            let chat = formats.of_source(at, manifest);
            let mut done = 0;
            let tokens = temper_corpus::tokenize(
                corpus,
                tokenizer,
                recipe.tokenization,
                chat,
                &project.cache_dir(),
                stop,
                &mut |progress| {
                    done = progress.documents;
                    bar.at(tokenized + done, || {
                        format!("{}: {} tokens", manifest.id, thousands(progress.tokens))
                    });
                },
            )?;
            tokenized += done;
            n_ids += tokens.n_tokens();
            if !tokens.set().dropped.is_empty() {
                bar.note(&format!("{}: {}", manifest.id, dropped_text(&tokens.set().dropped)));
            }
            sources.push(Tokenized::new(manifest.digest(), tokens, dropped_rows(corpus)));
        }
        let from_cache = if tokenized == 0 { " (all from the cache)" } else { "" };
        bar.finish(&format!(
            "{} documents, {} tokens{from_cache}",
            thousands(total),
            thousands(n_ids)
        ));
        Ok(Tokens::new(tokenizer.digest(), sources))
    }
}

/// The corpus of a source, checked.
pub(crate) fn opened(project: &Project, source: &Source) -> Result<Corpus> {
    let manifest = project.manifest(&source.corpus)?;
    Ok(Corpus::open(&manifest, &project.manifests_dir())?)
}

/// As a run keeps them.
fn dropped_rows(corpus: &Corpus) -> Vec<DroppedRow> {
    let dropped = corpus.dropped_rows().iter();
    let dropped = dropped.map(|temper_corpus::DroppedRow { origin, fault }| DroppedRow {
        file: origin.file,
        row_group: origin.row_group,
        row: origin.row,
        reason: fault.to_string(),
    });
    dropped.collect()
}

/// `12 rows dropped: 7 turns out of order, 5 no pair`
pub(crate) fn dropped_text(dropped: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> =
        dropped.iter().map(|(why, n)| format!("{} {why}", thousands(*n))).collect();
    let rows = counted(dropped.values().sum(), "row", "rows");
    format!("{rows} dropped: {}", counts.join(", "))
}
