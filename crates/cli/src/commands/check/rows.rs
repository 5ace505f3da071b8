//! The rows of conversations, pairs, judged answers and prompts, looked at as tokenizing would.

use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use temper_corpus::BadRows;
use temper_recipe::{Project, Recipe};

use crate::chat_formats::ChatFormats;
use crate::commands::corpus::with_bar;
use crate::corpora::{LOOKING, opened};
use crate::model::Model;
use crate::print::thousands;

/// Bad rows of a corpus that are printed.
const SHOWN: usize = 5;

/// The rows of one source.
#[derive(Debug)]
pub(super) struct CheckedRows {
    corpus: String,
    drops: bool,
    bad: BadRows,
}

/// Looks at all rows of those sources of a recipe that hold conversations.
pub(super) fn check(
    project: &Project,
    recipe: &Recipe,
    model: &Model,
    stop: &AtomicBool,
) -> Result<Vec<CheckedRows>> {
    let formats = ChatFormats::of(project, recipe, model)?;
    let mut checked = Vec::new();
    for (at, source) in recipe.sources().enumerate() {
        let manifest = project.manifest(&source.corpus)?;
        // Texts have no bad rows, and are not even opened.
        if manifest.columns.messages.is_none() {
            continue;
        }
        let Some(chat) = formats.of_source(at, &manifest) else {
            let corpus = source.corpus.clone();
            bail!(temper_corpus::Error::NoChatTemplate { corpus });
        };
        let corpus = opened(project, source)?;
        let bad = with_bar(LOOKING, corpus.n_documents(), |told| {
            BadRows::find(&corpus, &model.tokenizer, chat, stop, &mut |n| told(n))
        })?;
        let drops = chat.drops_bad_rows();
        checked.push(CheckedRows { corpus: source.corpus.clone(), drops, bad });
    }
    Ok(checked)
}

impl CheckedRows {
    /// Whether a run would be refused for one of them.
    pub(super) fn is_refused(&self) -> bool {
        let n = self.bad.n();
        n > 0 && (!self.drops || n == self.bad.n_documents)
    }

    /// As a person reads it.
    pub(super) fn text(&self) -> String {
        let Self { corpus, drops, bad } = self;
        let n_documents = thousands(bad.n_documents);
        if bad.n() == 0 {
            return format!("  `{corpus}`: all {n_documents} rows can be learned from");
        }
        let counts = bad.counts.iter().map(|(fault, n)| format!("{} {fault}", thousands(*n)));
        let counts: Vec<String> = counts.collect();
        let what = if *drops { "are dropped" } else { "cannot be learned from" };
        let mut text = format!(
            "  `{corpus}`: {} of {n_documents} rows {what}: {}",
            thousands(bad.n()),
            counts.join(", ")
        );
        for row in bad.named.iter().take(SHOWN) {
            text += &format!("\n    {}: {}", row.place, row.problem);
        }
        if bad.n() > SHOWN as u64 {
            text += &format!("\n    and {} more", thousands(bad.n() - SHOWN as u64));
        }
        if self.is_refused() {
            text += match drops {
                true => "\n    hint: no row is left",
                false => {
                    "\n    hint: correct or remove them, or leave them out with \
                     `data_mixing.on_bad_row = \"drop\"`"
                }
            };
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let counts = self.bad.counts.iter().map(|(fault, n)| (fault.to_string(), json!(n)));
        let named = self.bad.named.iter().map(|row| {
            json!({
                "file": row.place.path, "row_group": row.place.row_group, "row": row.place.row,
                "fault": row.fault, "problem": row.problem,
            })
        });
        json!({
            "source": self.corpus, "rows": self.bad.n_documents, "bad": self.bad.n(),
            "dropped": self.drops, "faults": Value::Object(counts.collect::<Map<_, _>>()),
            "named": named.collect::<Value>(),
        })
    }
}
