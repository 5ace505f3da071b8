//! The files of a checkpoint that travel with the weights unchanged.

use std::{fs, io, path::Path};

use super::partial::Partial;
use crate::Error;

/// A small file that travels with the weights. Its bytes are held, because the folder it came from
/// may be gone when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its path within the folder, with `/` between the parts.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// Said once, in the order in which they are written.
const FILES: [&str; 9] = [
    GENERATION,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
];

/// How the model generates; made from the configuration where no file says it.
pub(super) const GENERATION: &str = "generation_config.json";

/// Chat templates with names of their own.
const TEMPLATES: &str = "additional_chat_templates";

/// Reads the files beside the weights that say how to use them: the tokenizer's, chat templates and
/// `generation_config.json`. Those that are not there are left out.
///
/// # Errors
///
/// [`Error::Read`] for one that is there and cannot be read.
pub fn companions(folder: &Path) -> Result<Vec<Companion>, Error> {
    let mut names: Vec<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    let templates = folder.join(TEMPLATES);
    if templates.is_dir() {
        let failed = |source: io::Error| Error::Read { path: templates.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&templates).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // A name that is no Unicode is none that transformers wrote.
            found.extend(name.to_str().filter(|name| name.ends_with(".jinja")).map(String::from));
        }
        found.sort();
        names.extend(found.into_iter().map(|name| format!("{TEMPLATES}/{name}")));
    }
    let there = names.into_iter().filter(|name| folder.join(name).is_file());
    there
        .map(|name| {
            let path = folder.join(&name);
            let bytes = fs::read(&path).map_err(|source| Error::Read { path, source })?;
            Ok(Companion { name, bytes })
        })
        .collect()
}

/// Writes companions beside their places.
pub(super) fn write(folder: &Path, companions: &[Companion]) -> Result<Vec<Partial>, Error> {
    companions
        .iter()
        .map(|companion| {
            let path = folder.join(&companion.name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)
                    .map_err(|source| Error::Write { path: parent.into(), source })?;
            }
            Partial::of_bytes(&path, &companion.bytes)
        })
        .collect()
}
