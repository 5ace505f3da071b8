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

use std::borrow::Cow;
use std::fmt::Write as _;

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

/// A string constant with Python's escapes that the engine does not know written out.
fn engine_escapes(string: &str) -> Cow<'_, str> {
    if !["\\U", "\\\n", "\\a", "\\v"].iter().any(|escape| string.contains(escape)) {
        return string.into();
    }
    let mut text = String::with_capacity(string.len());
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let code = escape.get(2..10).filter(|_| escape.starts_with("\\U"));
        let wide =
            code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        let length = match (wide, escape.chars().nth(1)) {
            (Some(c), _) => {
                text.push(c);
                10
            }
            (None, Some('\n')) => 2,
            (None, Some('a')) => {
                text.push('\u{7}');
                2
            }
            (None, Some('v')) => {
                text.push('\u{b}');
                2
            }
            (None, next) => {
                let length = 1 + next.map_or(0, char::len_utf8);
                text.push_str(&escape[..length]);
                length
            }
        };
        rest = &escape[length..];
    }
    text.push_str(rest);
    text.into()
}

/// The escapes that occur in templates, so that the constant is what the template prints.
fn unescape(string: &str) -> String {
    let mut text = String::with_capacity(string.len());
    let mut chars = string.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match escaped {
            None => text.push(c),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some(same @ ('\'' | '"' | '\\')) => text.push(same),
            Some(kind @ ('x' | 'u')) => {
                let digits = if kind == 'x' { 2 } else { 4 };
                let code = chars.as_str().get(..digits);
                match code.and_then(|code| u32::from_str_radix(code, 16).ok()).map(char::from_u32) {
                    Some(Some(c)) => {
                        text.push(c);
                        chars = chars.as_str()[digits..].chars();
                    }
                    _ => text.extend(['\\', kind]),
                }
            }
            Some(other) => text.extend(['\\', other]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[track_caller]
    fn check(template: &str, jinja: &str, literals: &[&str]) {
        let source = Source::read(template);
        assert_eq!(source.jinja, jinja);
        assert_eq!(source.literals, literals);
        assert_eq!(source.marks_generation, jinja.contains("__generated"));
    }

    #[test]
    fn generation_becomes_a_call_and_the_rest_stays() {
        check("a{{ b }}c", "a{{ b }}c", &["a", "c"]);
        check(
            "{%- generation -%}x{% endgeneration +%}",
            "{%- call __generated() -%}x{% endcall +%}",
            &["x"],
        );
        check("{%generation%}{%\nendgeneration %}", "{%call __generated()%}{%\nendcall %}", &[]);
        // Not where it is text, a comment or a string.
        check("{# {% generation %} #}", "{# {% generation %} #}", &[]);
        check(
            "{% raw %}{% generation %}{% endraw %}",
            "{% raw %}{% generation %}{% endraw %}",
            &["{% generation %}"],
        );
        check(
            "{{ '{% generation %}' }}{% set x = \"}}\" %}",
            "{{ '{% generation %}' }}{% set x = \"}}\" %}",
            &["{% generation %}", "}}"],
        );
        check("{% set generation = 1 %}", "{% set generation = 1 %}", &[]);
    }

    #[test]
    fn strings_are_read_as_the_template_prints_them() {
        check(
            r"{{ 'it\'s\n' + '\u6c34' + '\x41\d' }}",
            r"{{ 'it\'s\n' + '\u6c34' + '\x41\d' }}",
            &["it's\n", "水", r"A\d"],
        );
        check("{{ {'a': {'b': 1}} }}!", "{{ {'a': {'b': 1}} }}!", &["a", "b", "!"]);
    }

    #[test]
    fn what_is_joined_is_joined_to_a_safe_string() {
        check(
            "{{ 'a~b' ~ c ~d }}~{% set x = (a~ b) %}{# ~ #}",
            "{{ 'a~b' ~''|safe~ c ~''|safe~d }}~{% set x = (a~''|safe~ b) %}{# ~ #}",
            &["a~b", "~"],
        );
    }

    #[test]
    fn blocks_with_a_scope_read_the_namespaces() {
        check(
            "{% set ns.a = 1 %}{%- set ns.b=2 %}{% set x = 3 %}{%- generation -%} {% set m.c %}",
            "{% set ns.a = 1 %}{%- set ns.b=2 %}{% set x = 3 %}{%- call __generated()  %}{% if ns is defined or m is defined %}{% endif -%} {% set m.c %}",
            &[" "],
        );
        check(
            "{% macro f(x) %}{% set ns.a = 1 %}{% endmacro %}",
            "{% macro f(x)  %}{% if ns is defined %}{% endif %}{% set ns.a = 1 %}{% endmacro %}",
            &[],
        );
    }

    #[test]
    fn escapes_of_python_alone_are_written_out() {
        check(
            r"{{ '\U0001f600\\U0001f600\n\a' }}",
            "{{ '😀\\\\U0001f600\\n\u{7}' }}",
            &["\\U0001f600\\U0001f600\n\\a"],
        );
        check("{{ 'a\\\nb' }}", "{{ 'ab' }}", &["a\\\nb"]);
    }

    #[test]
    fn line_ends_are_line_feeds() {
        check("a\r\nb\rc", "a\nb\nc", &["a\nb\nc"]);
    }

    #[test]
    fn what_is_no_template_passes_unchanged() {
        for text in ["", "{", "{{", "{%", "{#", "{{ 'a", "{% raw %}", "{% generation", "{%-", "}}"]
        {
            assert_eq!(Source::read(text).jinja, text);
        }
    }
}
