//! Conversations whose last answer is scored, and pairs of which one answer is to be likelier.

use std::path::Path;

use temper_recipe::{Manifest, OnBadRow};
use temper_tokens::{ChatTemplate, Tokenizer};

use super::check_ids;
use super::rows::read;
use crate::chat_format::{ChatFormat, Supervised};
use crate::corpus::Corpus;
use crate::documents::Content;
use crate::error::Error;
use crate::place::RowPlace;

/// A conversation or pair to be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatItem {
    /// Unique in the task.
    pub id: String,
    /// What resampling keeps together.
    pub cluster: String,
    /// A conversation or a pair.
    pub content: Content,
    place: RowPlace,
}

/// As a template writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatIds {
    /// What comes before the last answer; not empty.
    pub context: Vec<u32>,
    /// The last answer with what ends it; of a pair the better one, then the worse one.
    pub answers: Vec<Vec<u32>>,
    /// Length of the first answer in UTF-8, without what ends it.
    pub bytes: usize,
}

/// Reads the rows of a task that scores conversations (`messages`) or pairs (`messages`, `rejected`).
///
/// # Errors
/// As [`Corpus::open`], for a row that is no conversation or pair, and for an id used twice.
pub fn read_chat_items(manifest: &Manifest, manifests_dir: &Path) -> Result<Vec<ChatItem>, Error> {
    let corpus = Corpus::open(manifest, manifests_dir)?;
    let mut names = Vec::new();
    read(manifest, manifests_dir, &[], |rows| {
        names.extend(rows.origins().zip(rows.names(manifest)?));
        Ok(())
    })?;
    let mut names = names.into_iter();
    let mut items = Vec::with_capacity(names.len());
    for group in corpus.row_groups() {
        for document in corpus.read_row_group(group.file, group.row_group)? {
            let document = document?;
            let origin = document.origin;
            // Both go over the rows that the manifest takes, in the order of the files.
            let Some((_, (id, cluster))) = names.by_ref().find(|(of, _)| *of == origin) else {
                continue;
            };
            let path = corpus.path(origin.file).to_owned();
            let place = RowPlace { path, row_group: origin.row_group, row: origin.row };
            items.push(ChatItem { id, cluster, content: document.content, place });
        }
    }
    check_ids(manifest, items.iter().map(|item| &item.id)).map(|()| items)
}

impl ChatItem {
    /// What it says, right answer included, one message below the other.
    pub fn text(&self) -> String {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Conversation(conversation) | Content::Judged(conversation, _) => {
                conversation.plain_text()
            }
            Content::Pair(pair) => pair.chosen.plain_text(),
        }
    }

    /// The ids that `template` makes of it.
    ///
    /// # Errors
    /// [`Error::Document`] for a conversation that the template or the stage refuses, [`Error::Item`] for a pair
    /// whose answers do not come behind the same ids.
    pub fn encode(&self, template: &ChatTemplate, tokenizer: &Tokenizer) -> Result<ChatIds, Error> {
        let format = ChatFormat {
            template,
            supervised: Supervised::Pairs,
            on_bad_row: OnBadRow::Refuse,
            references: None,
        };
        let encoded = format
            .encode(&self.content, tokenizer)
            .map_err(|source| Error::Document { place: self.place.clone(), source })?;
        let mut context: Option<Vec<u32>> = None;
        let mut answers = Vec::new();
        for chat in [Some(encoded.chat), encoded.rejected].into_iter().flatten() {
            let first = chat.assistant_mask.iter().position(|scored| *scored).unwrap_or(0);
            let last = chat.assistant_mask.iter().rposition(|scored| *scored).unwrap_or(0);
            let (before, answer) = (&chat.ids[..first], &chat.ids[first..=last]);
            if context.as_ref().is_some_and(|context| context != before) {
                let problem =
                    "its answers stand behind other ids, expected the same question before both";
                return Err(Error::Item { place: self.place.clone(), problem: problem.to_owned() });
            }
            context = Some(before.to_vec());
            answers.push(answer.to_vec());
        }
        let bytes = tokenizer.decode(&answers[0], true)?.len();
        Ok(ChatIds { context: context.unwrap_or_default(), answers, bytes })
    }
}
