//! The escapes of string constants, which Python and the engine read differently.

use std::borrow::Cow;

/// A string constant with Python's escapes that the engine does not know written out.
pub(super) fn engine_escapes(string: &str) -> Cow<'_, str> {
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
pub(super) fn unescape(string: &str) -> String {
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
