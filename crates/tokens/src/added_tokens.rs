//! Special tokens that a tokenizer did not have: a chat template's markers, a recipe's own.

use serde_json::{Value, json};

use crate::error::Error;
use crate::tokenizer::Tokenizer;

/// A tokenizer with more special tokens than before.
#[derive(Debug)]
pub struct WithAddedTokens {
    /// Knows the new tokens.
    pub tokenizer: Tokenizer,
    /// Its `tokenizer.json`: the former one with further `added_tokens`, every other byte as it was.
    pub tokenizer_json: Vec<u8>,
    /// The tokens that were not there, with their ids, in the order given.
    pub added: Vec<(String, u32)>,
}

impl Tokenizer {
    /// Adds special tokens. They get the ids after the highest one there is, in the order given; a
    /// word of the vocabulary becomes special and keeps its id; tokens that were added before stay
    /// what they are. These are the ids that `add_special_tokens` of the tokenizers library gives.
    ///
    /// The model needs [`Tokenizer::vocab_size`] rows of embeddings afterwards.
    ///
    /// # Errors
    /// [`Error::AddToken`] for an empty token and where the library would number otherwise,
    /// [`Error::Read`], [`Error::Tokenizer`] when the file has changed since it was read.
    pub fn with_added_tokens(&self, tokens: &[String]) -> Result<WithAddedTokens, Error> {
        let refused = |token: &str, problem: &str| Error::AddToken {
            token: token.to_owned(),
            problem: problem.to_owned(),
        };
        let text = self.reread()?;
        let list = added_tokens(&text)
            .ok_or_else(|| self.problem("no list `added_tokens`, expected one".to_owned()))?;
        let items: Vec<Value> = serde_json::from_str(&text[list.clone()])
            .map_err(|error| self.problem(error.to_string()))?;

        let mut next = self.vocab_size() as u32;
        let mut added: Vec<(String, u32)> = Vec::new();
        for token in tokens {
            if token.trim().is_empty() {
                return Err(refused(token, "nothing but white space, expected characters"));
            }
            let is_there = items.iter().any(|item| item["content"] == **token)
                || added.iter().any(|(other, _)| other == token);
            if is_there {
                continue;
            }
            let id = self.token_id(token).unwrap_or(next);
            next = next.max(id + 1);
            added.push((token.clone(), id));
        }
        // The library writes them by id.
        let mut by_id: Vec<&(String, u32)> = added.iter().collect();
        by_id.sort_by_key(|(_, id)| *id);
        let entries = by_id.into_iter().enumerate().map(|(i, (token, id))| {
            let first = items.is_empty() && i == 0;
            entry(token, *id, first, is_pretty(&text))
        });
        let entries: String = entries.collect();

        // Before the white space that closes the list.
        let end = text[..list.end - 1].trim_end().len();
        let close = match (items.is_empty() && !added.is_empty(), is_pretty(&text)) {
            (true, true) => "\n  ",
            (true, false) | (false, _) => "",
        };
        let json = [&text[..end], &entries, close, &text[end..]].concat();
        let tokenizer = self.replaced_by(json.as_bytes())?;
        for (token, id) in &added {
            if tokenizer.token_id(token) != Some(*id) {
                return Err(refused(
                    token,
                    &format!(
                        "the tokenizers library would not give it the id {id}: the vocabulary has gaps"
                    ),
                ));
            }
        }
        Ok(WithAddedTokens { tokenizer, tokenizer_json: json.into_bytes(), added })
    }
}

/// As the tokenizers library writes an added token, in a file with or without line ends.
fn entry(token: &str, id: u32, first: bool, pretty: bool) -> String {
    let entry = json!({
        "id": id,
        "content": token,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": true,
    });
    let comma = if first { "" } else { "," };
    if !pretty {
        return format!("{comma}{entry}");
    }
    // The list lies two levels deep.
    format!("{comma}\n{entry:#}").replace('\n', "\n    ")
}

fn is_pretty(text: &str) -> bool {
    text.trim_start_matches('{').starts_with('\n')
}

/// Where the value of the top-level key `added_tokens` lies, when it is a list. The file is
/// spliced and not written anew: a parsed float may not come back as it was.
fn added_tokens(text: &str) -> Option<std::ops::Range<usize>> {
    let (mut depth, mut start) = (0_usize, None);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at)?;
                if depth == 1 && start.is_none() && &text[at..end] == "\"added_tokens\"" {
                    let value = text[end..].trim_start().strip_prefix(':')?.trim_start();
                    start = Some(text.len() - value.len());
                    if !value.starts_with('[') {
                        return None;
                    }
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if let (1, Some(start)) = (depth, start) {
                    return Some(start..at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests;
