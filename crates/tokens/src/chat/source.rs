//! What is read in a template's text before the template engine sees it.
//!
//! `{% generation %}` is an extension of transformers, not Jinja: it becomes a call block, which
//! has the same scope (in transformers it is one) and keeps every line where it was. Blocks of that
//! kind, and macros, see a namespace of the template only if they read it; those that are assigned
//! to somewhere are read at their beginning. On the way the literal text of the template is
//! collected.
//!
//! `a ~ b` becomes `a ~ ''|safe ~ b`. The engine would print both sides itself, otherwise than
//! Python and without counting: a list of lists with parts in common fills the memory. What is
//! joined to a safe string goes through the environment's formatter.

use std::fmt::Write as _;

mod escapes;

use escapes::{engine_escapes, unescape};

/// The name under which a rendering provides what `{% generation %}` calls.
pub(super) const GENERATED: &str = "__generated";

/// A template's text, ready for the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Jinja without extensions.
    pub(super) jinja: String,
    /// True when it marks what the model generates.
    pub(super) marks_generation: bool,
    /// The line, from 1, of a tag that says what is escaped.
    pub(super) autoescape: Option<usize>,
    /// The text outside of tags and the string constants inside, in order.
    pub(super) literals: Vec<String>,
}

impl Source {
    /// Reads a template. Text that is no Jinja passes unchanged: the engine names what is wrong.
    pub(super) fn read(template: &str) -> Self {
        let template = template.replace("\r\n", "\n").replace('\r', "\n");
        let mut reader = Reader {
            rest: &template,
            reads: reads(&template),
            source: Self {
                jinja: String::with_capacity(template.len()),
                marks_generation: false,
                autoescape: None,
                literals: Vec::new(),
            },
        };
        while !reader.rest.is_empty() {
            reader.text();
        }
        reader.source
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// A tag that reads all namespaces and prints nothing; empty where there are none.
    reads: String,
    source: Source,
}

impl<'a> Reader<'a> {
    /// Text up to the next tag, and the tag.
    fn text(&mut self) {
        let tag = self.rest.match_indices('{').find_map(|(at, _)| {
            let opening = self.rest.get(at..at + 2)?;
            ["{{", "{%", "{#"].contains(&opening).then_some((at, opening))
        });
        let (at, opening) = tag.unwrap_or((self.rest.len(), ""));
        let text = self.copy(at);
        if !text.is_empty() {
            self.source.literals.push(text.to_owned());
        }
        match opening {
            "{#" => _ = self.copy_past("#}"),
            "{{" => {
                self.copy(2);
                self.expression("}}");
            }
            "{%" => self.statement(),
            _ => {}
        }
    }

    fn statement(&mut self) {
        let Some((before, word, after)) = tag_of_one_word(self.rest) else {
            let first = first_word(self.rest).unwrap_or_default();
            let own_scope = ["macro", "call"].contains(&first);
            if first == "autoescape" && self.source.autoescape.is_none() {
                self.source.autoescape = Some(self.source.jinja.matches('\n').count() + 1);
            }
            self.copy(2);
            self.expression("%}");
            if own_scope {
                self.read_namespaces();
            }
            return;
        };
        let tag = before.len() + word.len() + after.len();
        match word {
            "raw" => {
                self.copy(tag);
                let end = self.rest.match_indices("{%").find(|(at, _)| {
                    tag_of_one_word(&self.rest[*at..]).is_some_and(|(_, word, _)| word == "endraw")
                });
                let end = end.map_or(self.rest.len(), |(at, _)| at);
                let text = self.copy(end);
                self.source.literals.push(text.to_owned());
            }
            "generation" | "endgeneration" => {
                self.source.marks_generation = true;
                self.source.jinja.push_str(before);
                let _ = match word {
                    "generation" => write!(self.source.jinja, "call {GENERATED}()"),
                    _ => write!(self.source.jinja, "endcall"),
                };
                self.source.jinja.push_str(after);
                self.rest = &self.rest[tag..];
                if word == "generation" {
                    self.read_namespaces();
                }
            }
            _ => _ = self.copy(tag),
        }
    }

    /// Puts `reads` behind the tag that was just written. The tag's closing mark stays last, since
    /// it says what happens to the white space behind it.
    fn read_namespaces(&mut self) {
        let Some(inside) = self.source.jinja.strip_suffix("%}") else { return };
        let inside = inside.strip_suffix(['-', '+']).unwrap_or(inside).len();
        if !self.reads.is_empty() {
            self.source.jinja.insert_str(inside, &format!(" %}}{} ", self.reads));
        }
    }

    /// The inside of a tag, and its end: the first `end` outside of strings and brackets.
    fn expression(&mut self, end: &str) {
        let mut depth = 0_usize;
        while let Some(c) = self.rest.chars().next() {
            if depth == 0 && self.rest.starts_with(end) {
                self.copy(end.len());
                return;
            }
            match c {
                '\'' | '"' => {
                    self.string(c);
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '~' => self.source.jinja.push_str("~''|safe"),
                _ => {}
            }
            self.copy(c.len_utf8());
        }
    }

    fn string(&mut self, quote: char) {
        let mut escaped = false;
        let inside = self.rest[1..].find(|c| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(inside) = inside else {
            self.copy(self.rest.len());
            return;
        };
        let (string, rest) = self.rest.split_at(inside + 2);
        self.rest = rest;
        self.source.jinja.push_str(&engine_escapes(string));
        self.source.literals.push(unescape(&string[1..=inside]));
    }

    fn copy(&mut self, bytes: usize) -> &'a str {
        let (copied, rest) = self.rest.split_at(bytes);
        self.source.jinja.push_str(copied);
        self.rest = rest;
        copied
    }

    fn copy_past(&mut self, end: &str) -> &'a str {
        let at = self.rest.find(end).map_or(self.rest.len(), |at| at + end.len());
        self.copy(at)
    }
}

/// A tag without its end that reads the namespaces which the template assigns to.
fn reads(template: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (at, _) in template.match_indices("{%") {
        if first_word(&template[at..]) != Some("set") {
            continue;
        }
        let behind = &template[at..];
        let behind = behind[behind.find("set").map_or(0, |at| at + 3)..].trim_start();
        let end = behind.find(|c| !is_word(c)).unwrap_or(behind.len());
        if behind[end..].starts_with('.') && end > 0 && !names.contains(&&behind[..end]) {
            names.push(&behind[..end]);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| format!("{name} is defined")).collect();
    format!("{{% if {} %}}{{% endif", names.join(" or "))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The word that a statement begins with.
fn first_word(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("{%")?;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start();
    let end = inside.find(|c| !is_word(c)).unwrap_or(inside.len());
    (end > 0).then(|| &inside[..end])
}

/// `{%- word -%}` as what is before, the word, and what is behind it.
fn tag_of_one_word(text: &str) -> Option<(&str, &str, &str)> {
    let inside = text.strip_prefix("{%")?;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start();
    let start = text.len() - inside.len();
    let word = inside.find(|c| !is_word(c))?;
    let behind = inside[word..].trim_start();
    let behind = behind.strip_prefix(['-', '+']).unwrap_or(behind).strip_prefix("%}")?;
    let end = text.len() - behind.len();
    (word > 0).then(|| (&text[..start], &text[start..start + word], &text[start + word..end]))
}

#[cfg(test)]
mod tests;
