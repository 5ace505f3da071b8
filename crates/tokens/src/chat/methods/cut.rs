//! The methods of Python's strings that cut them.

use minijinja::Error;
use minijinja::value::{Tuple, Value};

use super::refused;
use crate::chat::python::is_space;

/// `str.strip`: `chars`, else white space, off the ends asked for.
pub(in crate::chat) fn strip<'a>(
    text: &'a str,
    chars: Option<&str>,
    left: bool,
    right: bool,
) -> &'a str {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left { text.trim_start_matches(goes) } else { text };
    if right { text.trim_end_matches(goes) } else { text }
}

/// `str.split` and `str.rsplit`; a negative limit is none.
pub(super) fn split<'a>(
    text: &'a str,
    separator: Option<&Value>,
    limit: i64,
    from_right: bool,
) -> Result<Vec<&'a str>, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX - 1);
    let Some(separator) = separator else {
        return Ok(split_words(text, limit, from_right));
    };
    let separator = separator
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| refused("empty separator"))?;
    if from_right {
        let mut parts: Vec<&str> = text.rsplitn(limit + 1, separator).collect();
        parts.reverse();
        return Ok(parts);
    }
    Ok(text.splitn(limit + 1, separator).collect())
}

/// Words between white space; at most `limit` cuts, the rest stays whole.
fn split_words(text: &str, limit: usize, from_right: bool) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = strip(text, None, !from_right, from_right);
    while !rest.is_empty() {
        let end = if from_right {
            rest.char_indices().rev().find(|(_, c)| is_space(*c)).map(|(at, c)| at + c.len_utf8())
        } else {
            rest.find(is_space)
        };
        let Some(end) = end.filter(|_| words.len() < limit) else {
            words.push(rest);
            break;
        };
        let (left, right) = rest.split_at(end);
        let (word, others) = if from_right { (right, left) } else { (left, right) };
        words.push(word);
        rest = strip(others, None, !from_right, from_right);
    }
    if from_right {
        words.reverse();
    }
    words
}

/// `str.splitlines`, with all of Python's line ends.
pub(in crate::chat) fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    const ENDS: [char; 10] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ];
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(ENDS).unwrap_or(rest.len());
        let end = match rest[at..].chars().next() {
            Some('\r') if rest[at..].starts_with("\r\n") => at + 2,
            Some(c) => at + c.len_utf8(),
            None => at,
        };
        lines.push(&rest[..if keep_ends { end } else { at }]);
        rest = &rest[end..];
    }
    lines
}

pub(super) fn partition(text: &str, separator: &str, from_right: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(refused("empty separator"));
    }
    let cut = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match cut {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}
