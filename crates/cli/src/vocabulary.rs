//! What a recipe changes about a tokenizer: the tokens it adds, and the chat template.

use std::path::Path;

use anyhow::{Result, bail};
use temper_ledger::Growth;
use temper_model::hf::Companion;
use temper_recipe::{ModelSpec, Project};
use temper_tokens::{ChatTemplate, Tokenizer, chat_template_files, special_tokens};

use crate::project_file;

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// A tokenizer as a recipe wants it, and the files that say so.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) companions: Vec<Companion>,
    /// The recipe's, or else the checkpoint's own.
    pub(crate) chat_template: Option<ChatTemplate>,
    /// Tokens that were not there before.
    added: Vec<String>,
}

impl Vocabulary {
    /// The tokenizer in `folder`, whose files `companions` holds, with what `spec` adds to it.
    pub(crate) fn of_recipe(
        project: &Project,
        spec: &ModelSpec,
        folder: &Path,
        mut companions: Vec<Companion>,
    ) -> Result<Self> {
        let tokenizer = Tokenizer::load(folder)?;
        let mut wanted = spec.added_tokens.clone();
        let mut chat_template = ChatTemplate::load(folder)?;
        if let Some(file) = &spec.chat_template {
            let text = project_file::read(project, "model.chat_template", file)?;
            let template = ChatTemplate::new(&file.path, &text, special_tokens(folder)?)?;
            // Only what is a token in every family: `<tools>` may be meant as text.
            wanted.extend(template.missing_markers(&tokenizer).certain);
            let config = companions.iter().find(|companion| companion.name == TOKENIZER_CONFIG);
            let config = config.map_or(&b"{}"[..], |companion| &companion.bytes);
            for (name, bytes) in chat_template_files(&text, config)? {
                put(&mut companions, name, bytes);
            }
            chat_template = Some(template);
        }
        if wanted.is_empty() {
            return Ok(Self { tokenizer, companions, chat_template, added: Vec::new() });
        }
        let grown = tokenizer.with_added_tokens(&wanted)?;
        put(&mut companions, TOKENIZER, grown.tokenizer_json);
        let added = grown.added.into_iter().map(|(token, _)| token).collect();
        Ok(Self { tokenizer: grown.tokenizer, companions, chat_template, added })
    }

    /// How an embedding of `rows` rows has to change; `None` when nothing was added to what it holds.
    pub(crate) fn growth(&self, model: &str, rows: usize) -> Result<Option<Growth>> {
        let (base, needed) = (self.tokenizer.base_vocab_size(), self.tokenizer.vocab_size());
        if base > rows {
            bail!(
                "model `{model}`: its tokenizer has {base} tokens besides added ones, config.json a \
                 vocab_size of {rows}; expected at least as many\n\nhint: use the tokenizer that the \
                 model was trained with"
            );
        }
        if self.added.is_empty() && needed <= rows {
            return Ok(None);
        }
        // A padded embedding may have room for them already.
        let initialization = if needed > rows { "mean of the old rows" } else { "as stored" };
        Ok(Some(Growth {
            from: rows,
            to: needed.max(rows),
            added_tokens: self.added.clone(),
            initialization: initialization.to_owned(),
        }))
    }
}

/// Sets the bytes of a companion.
fn put(companions: &mut Vec<Companion>, name: &str, bytes: Vec<u8>) {
    match companions.iter_mut().find(|companion| companion.name == name) {
        Some(companion) => companion.bytes = bytes,
        None => companions.push(Companion { name: name.to_owned(), bytes }),
    }
}
