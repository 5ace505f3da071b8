//! What judges and environments are told of the prompts of a source.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};
use temper_corpus::{Content, Corpus};
use temper_recipe::Manifest;
use temper_tokens::Conversation;
use temper_verify::Verifier;

/// The prompts of a source, by document.
#[derive(Debug)]
pub(super) struct Prompts {
    pub(super) source: String,
    pub(super) references: Vec<String>,
    /// Only where somebody outside is asked.
    pub(super) asked: Vec<Conversation>,
    /// Only where the manifest names columns for it.
    metadata: Option<Vec<Map<String, Value>>>,
}

impl Prompts {
    /// Reads the references, and refuses those that `verifiers` cannot judge by; what those outside are told only
    /// where somebody `is_outside`.
    pub(super) fn read<'a>(
        manifest: &Manifest,
        corpus: &Corpus,
        verifiers: impl Iterator<Item = &'a Verifier> + Clone,
        is_outside: bool,
    ) -> Result<Self> {
        let column = manifest.columns.answer.as_deref().unwrap_or_default();
        let references = corpus.read_answers(column)?;
        for (document, reference) in references.iter().enumerate() {
            for verifier in verifiers.clone() {
                verifier.score("", reference).with_context(|| {
                    format!("corpus `{}`, document {document}: `{column}`", manifest.id)
                })?;
            }
        }
        let asked = if is_outside { conversations(corpus)? } else { Vec::new() };
        let columns = &manifest.columns.metadata;
        let metadata = (is_outside && !columns.is_empty())
            .then(|| corpus.read_metadata(columns))
            .transpose()?;
        Ok(Self { source: manifest.id.clone(), references, asked, metadata })
    }

    /// Of a document.
    pub(super) fn metadata(&self, document: usize) -> Option<&Map<String, Value>> {
        self.metadata.as_ref().map(|all| &all[document])
    }
}

/// The prompts of a corpus, in its order; all are held.
fn conversations(corpus: &Corpus) -> Result<Vec<Conversation>> {
    let mut prompts = Vec::with_capacity(corpus.n_documents() as usize);
    for group in corpus.row_groups() {
        for document in corpus.read_row_group(group.file, group.row_group)? {
            prompts.push(match document?.content {
                Content::Conversation(conversation) | Content::Judged(conversation, _) => conversation,
                Content::Pair(pair) => pair.chosen,
                Content::Text(_) => bail!(
                    "corpus `{}`: found texts, expected prompts\n\nhint: name its column of `messages`",
                    corpus.id()
                ),
            });
        }
    }
    Ok(prompts)
}
