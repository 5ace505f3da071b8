//! Where a checkpoint keeps its chat template, as transformers reads and writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::template::{ChatTemplate, SpecialTokens};
use crate::error::Error;

/// The template's own file.
pub const CHAT_TEMPLATE_FILE: &str = "chat_template.jinja";

/// Further templates, `<name>.jinja` each.
const MORE_TEMPLATES: &str = "additional_chat_templates";

const CONFIG: &str = "tokenizer_config.json";

/// The tokens that have a role; templates know them by these names.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl ChatTemplate {
    /// Reads the chat template of a Hugging Face folder, where it has one: `chat_template.jinja`
    /// (and `additional_chat_templates/`), else `chat_template` in `tokenizer_config.json`, a
    /// string or a list of named ones of which `default` counts, and `tool_use` for conversations
    /// with tools.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::ChatTemplateFile`] for JSON of another form,
    /// [`Error::ChatTemplate`] for a template that is no Jinja.
    pub fn load(folder: &Path) -> Result<Option<Self>, Error> {
        let config = json(&folder.join(CONFIG))?;
        let own = folder.join(CHAT_TEMPLATE_FILE);
        let (path, mut templates) = match of_files(folder, &own)? {
            templates if templates.is_empty() => {
                let path = folder.join(CONFIG);
                let templates = of_config(&path, &config["chat_template"])?;
                (path, templates)
            }
            templates => (own, templates),
        };
        if templates.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = templates.keys().cloned().collect();
        let (default, tool_use) = (templates.remove("default"), templates.remove("tool_use"));
        let Some(default) = default else {
            return Err(Error::ChatTemplateFile {
                path,
                problem: format!(
                    "chat templates named {}, expected one named `default`",
                    names.join(", ")
                ),
            });
        };
        let name = path.display().to_string();
        let template = Self::new(&name, &default, special_tokens(folder)?)?;
        match tool_use {
            Some(tool_use) => template.with_tool_use(&tool_use).map(Some),
            None => Ok(Some(template)),
        }
    }
}

/// The tokens with a role in a Hugging Face folder, by role: from `tokenizer_config.json`, and
/// from `special_tokens_map.json` what that does not name.
///
/// # Errors
/// [`Error::Read`], [`Error::ChatTemplateFile`].
pub fn special_tokens(folder: &Path) -> Result<SpecialTokens, Error> {
    let mut tokens = SpecialTokens::new();
    for file in [CONFIG, "special_tokens_map.json"] {
        let json = json(&folder.join(file))?;
        for role in ROLES {
            let named = json[role].as_str().or_else(|| json[role]["content"].as_str());
            if let Some(token) = named {
                tokens.entry(role.to_owned()).or_insert_with(|| token.to_owned());
            }
        }
    }
    Ok(tokens)
}

/// The files that give a checkpoint the chat template `text`, to be written beside its weights,
/// given its `tokenizer_config.json`: the template's own file, and the configuration where it held
/// another template, without it.
///
/// # Errors
/// [`Error::ChatTemplateFile`] for a configuration that is no JSON object.
pub fn chat_template_files(
    text: &str,
    tokenizer_config: &[u8],
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let mut files = vec![(CHAT_TEMPLATE_FILE, text.as_bytes().to_vec())];
    let mut config = match serde_json::from_slice(tokenizer_config) {
        Ok(Value::Object(config)) => config,
        Ok(_) | Err(_) => {
            return Err(Error::ChatTemplateFile {
                path: CONFIG.into(),
                problem: "no JSON object".to_owned(),
            });
        }
    };
    if config.shift_remove("chat_template").is_some() {
        files.push((CONFIG, format!("{:#}\n", Value::Object(config)).into_bytes()));
    }
    Ok(files)
}

fn of_files(folder: &Path, own: &Path) -> Result<BTreeMap<String, String>, Error> {
    let mut templates = BTreeMap::new();
    if own.exists() {
        templates.insert("default".to_owned(), text(own)?);
    }
    let more = folder.join(MORE_TEMPLATES);
    if more.is_dir() {
        let unreadable = |source| Error::Read { path: more.clone(), source };
        for entry in fs::read_dir(&more).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            if let (Some(name), Some("jinja")) = (name, path.extension().and_then(|e| e.to_str())) {
                templates.insert(name, text(&path)?);
            }
        }
    }
    Ok(templates)
}

fn of_config(path: &Path, value: &Value) -> Result<BTreeMap<String, String>, Error> {
    let problem = |found: &Value| Error::ChatTemplateFile {
        path: path.to_owned(),
        problem: format!(
            "`chat_template` holds {found}, expected a string or a list of `name` and `template`"
        ),
    };
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::String(text) => Ok(BTreeMap::from([("default".to_owned(), text.clone())])),
        Value::Array(named) => {
            let pair = |item: &Value| {
                let (name, text) = (item["name"].as_str(), item["template"].as_str());
                name.zip(text)
                    .map(|(name, text)| (name.to_owned(), text.to_owned()))
                    .ok_or_else(|| problem(item))
            };
            named.iter().map(pair).collect()
        }
        other => Err(problem(other)),
    }
}

/// The JSON of a file, null where there is none.
fn json(path: &Path) -> Result<Value, Error> {
    if !path.exists() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text(path)?).map_err(|error| Error::ChatTemplateFile {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
