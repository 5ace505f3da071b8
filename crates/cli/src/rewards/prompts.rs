//! What judges and environments are told of the prompts of a source.

use anyhow::{Result, bail};
use serde_json::{Map, Value};
use temper_corpus::{CheckReference, Content, Corpus};
use temper_judge::Case;
use temper_recipe::Manifest;
use temper_tokens::Conversation;

use crate::references::ReferenceCheck;

/// The prompts of a source, by document.
#[derive(Debug)]
pub(super) struct Prompts {
    source: String,
    /// `None` for null, where no verifier looks at them.
    pub(super) references: Vec<Option<String>>,
    /// Only where somebody outside is asked.
    pub(super) asked: Vec<Conversation>,
    /// Only where the manifest names columns for it.
    metadata: Option<Vec<Map<String, Value>>>,
}

impl Prompts {
    /// Reads the references, and refuses those that nobody can judge by; what those outside are told only where
    /// somebody `is_outside`.
    pub(super) fn read(
        manifest: &Manifest,
        corpus: &Corpus,
        check: Option<&ReferenceCheck>,
        is_outside: bool,
    ) -> Result<Self> {
        let references = references(manifest, corpus, check)?;
        let asked = if is_outside { conversations(corpus)? } else { Vec::new() };
        let columns = &manifest.columns.metadata;
        let metadata = (is_outside && !columns.is_empty())
            .then(|| corpus.read_metadata(columns))
            .transpose()?;
        Ok(Self { source: manifest.id.clone(), references, asked, metadata })
    }

    /// A document as those outside are told of it.
    pub(super) fn case(&self, document: u64) -> Case<'_> {
        let at = document as usize;
        Case {
            source: &self.source,
            messages: self.asked[at].messages(),
            tools: self.asked[at].tools(),
            reference: self.references[at].as_deref(),
            metadata: self.metadata.as_ref().map(|all| &all[at]),
        }
    }
}

/// The references of a corpus, in its order; null where nobody looks at them.
fn references(
    manifest: &Manifest,
    corpus: &Corpus,
    check: Option<&ReferenceCheck>,
) -> Result<Vec<Option<String>>> {
    match (&manifest.columns.answer, check) {
        (Some(column), check) => {
            let check = check.map(|check| check as &dyn CheckReference);
            Ok(corpus.read_answers(column, check)?)
        }
        (None, None) => Ok(vec![None; corpus.n_documents() as usize]),
        (None, Some(_)) => bail!(
            "corpus `{}` has no column for `answer`, expected prompts with references\n\n\
             hint: `temper corpus import --prompts` makes such a corpus",
            manifest.id
        ),
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
