//! Where a text can be cut so that the ids of the parts are the ids of the whole.
//!
//! The tokenizers library keeps hundreds of bytes per byte of text while it encodes, so a long
//! document is encoded in parts. That changes nothing only where the tokenizer itself would have
//! split: byte-level BPE works on each match of its split pattern alone, so a cut is safe where
//! the whole text has a border between matches and both sides match as they do in the whole.
//!
//! For the patterns in [`PATTERNS`] two cuts are safe (a property test holds them against the
//! whole on arbitrary text):
//!
//! * before a space that follows something visible: no match has a space behind a visible
//!   character, no match begins before the space and looks beyond it;
//! * after a single line feed between visible characters: it ends a match of punctuation, or is
//!   a match of its own.
//!
//! NFC changes nothing across these cuts: neither a space nor a line feed composes with a neighbour.

use serde_json::Value;

/// Text is cut into parts of about this many bytes.
pub(crate) const PIECE_BYTES: usize = 16 << 10;

/// Split patterns without look-behind, where only white space looks ahead, by one character.
pub(crate) const PATTERNS: [&str; 3] = [
    crate::train::SPLIT_PATTERN,
    // Llama 3.
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    // GPT-2, where it is spelled out instead of `use_regex`.
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
];

/// True when the cuts above are safe for the tokenizer described by `json` (`tokenizer.json`).
pub(crate) fn is_cuttable(json: &Value) -> bool {
    let kind = |value: &Value| value["type"].as_str().unwrap_or_default().to_owned();
    let normalizer = &json["normalizer"];
    let steps = match kind(&json["pre_tokenizer"]).as_str() {
        "Sequence" => json["pre_tokenizer"]["pretokenizers"].as_array().map_or(&[][..], |all| all),
        _ => std::slice::from_ref(&json["pre_tokenizer"]),
    };
    let splits = |step: &Value| {
        let pattern = step["pattern"]["Regex"].as_str().unwrap_or_default();
        let known = kind(step) == "Split"
            && step["behavior"] == "Isolated"
            && step["invert"] == false
            && PATTERNS.contains(&pattern);
        known || (kind(step) == "ByteLevel" && step["use_regex"] != false)
    };
    let harmless = |step: &Value| match kind(step).as_str() {
        "ByteLevel" => step["add_prefix_space"] == false,
        "Split" => splits(step),
        "Digits" => true,
        _ => false,
    };
    // An added token that holds white space, or takes it in, could lie across a cut.
    // Special ones are never looked for, so what they would take in does not matter.
    let local = |token: &Value| {
        let greedy = ["lstrip", "rstrip", "single_word"].iter().any(|key| token[*key] == true);
        let content = token["content"].as_str().unwrap_or_default();
        !content.contains(char::is_whitespace) && (token["special"] == true || !greedy)
    };
    json["model"]["type"] == "BPE"
        && (normalizer.is_null() || kind(normalizer) == "NFC")
        && steps.iter().any(splits)
        && steps.iter().all(harmless)
        && json["added_tokens"].as_array().is_none_or(|tokens| tokens.iter().all(local))
}

/// True when no special token takes in white space around it: where they are looked for, such a
/// token could lie across a cut.
pub(crate) fn are_specials_local(json: &Value) -> bool {
    let greedy =
        |token: &Value| ["lstrip", "rstrip", "single_word"].iter().any(|key| token[*key] == true);
    json["added_tokens"].as_array().is_none_or(|tokens| !tokens.iter().any(greedy))
}

/// Cuts `text` into parts of at most `piece_bytes`, longer where there is no safe cut.
pub(crate) fn cut(text: &str, piece_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(first_cut(rest, piece_bytes));
        rest = tail;
        Some(piece)
    })
}

/// The last safe cut within `piece_bytes`, else the first one after, else the end.
fn first_cut(text: &str, piece_bytes: usize) -> usize {
    if text.len() <= piece_bytes {
        return text.len();
    }
    let within = (1..=piece_bytes).rev().find(|at| is_safe(text, *at));
    let after = || (piece_bytes..text.len()).find(|at| is_safe(text, *at));
    within.or_else(after).unwrap_or(text.len())
}

/// True when the ids of `text[..at]` and of `text[at..]` are together those of `text`.
fn is_safe(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b' ') => ends_visible(&text[..at]),
        Some(_) if bytes[at - 1] == b'\n' => {
            ends_visible(&text[..at - 1]) && text[at..].chars().next().is_some_and(is_visible)
        }
        Some(_) | None => false,
    }
}

fn ends_visible(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_visible)
}

/// Neither white space nor anything that regular expression engines of some Unicode version take for it.
fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && c != '\u{180e}'
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[track_caller]
    fn check(text: &str, piece_bytes: usize, expected: &[&str]) {
        let pieces: Vec<&str> = cut(text, piece_bytes).collect();
        assert_eq!(pieces, expected);
        assert_eq!(pieces.concat(), text);
    }

    #[test]
    fn text_is_cut_where_nothing_changes() {
        check("", 4, &[]);
        check("one", 4, &["one"]);
        check("one two three", 8, &["one two", " three"]);
        check("one two three", 4, &["one", " two", " three"]);
        // Too long for a part, so the next safe cut after it.
        check("longword end", 4, &["longword", " end"]);
        // Only the first of two spaces follows something visible.
        check("a  b c", 3, &["a", "  b", " c"]);
        check("ab\ncd\n\nef", 4, &["ab\n", "cd\n\nef"]);
        check("水水。\n水水。", 6, &["水水。\n", "水水。"]);
    }
}
