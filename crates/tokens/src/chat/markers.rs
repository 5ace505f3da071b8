//! Special markers that a template prints and a tokenizer does not know as one token.

use crate::chat::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

/// A longer stretch between brackets is text.
const LONGEST_MARKER_CHARS: usize = 48;

impl ChatTemplate {
    /// The markers in the template's text and string constants that are no single token of
    /// `tokenizer`, in order of appearance.
    ///
    /// A marker is `<|name|>`, `<name>` or `</name>`, `[NAME]` or `[/NAME]`, without white space in
    /// it. Only the first kind is meant as a token without doubt (`certain`); XML in a prompt
    /// such as `<tools>` is often plain text, so the others are listed apart. Markers that a
    /// template builds from parts (`'<|' + message['role'] + '|>'`) cannot be seen.
    pub fn missing_markers(&self, tokenizer: &Tokenizer) -> MissingMarkers {
        let mut missing = MissingMarkers::default();
        for literal in self.literals() {
            for (marker, certain) in markers(literal) {
                let list = if certain { &mut missing.certain } else { &mut missing.possible };
                if tokenizer.token_id(marker).is_none() && !list.iter().any(|known| known == marker)
                {
                    list.push(marker.to_owned());
                }
            }
        }
        missing
    }
}

/// What [`ChatTemplate::missing_markers`] finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingMarkers {
    /// `<|name|>`: a token everywhere.
    pub certain: Vec<String>,
    /// `<name>`, `[NAME]`: a token in some families, text in others.
    pub possible: Vec<String>,
}

/// The markers in `text`, and whether each is one without doubt.
fn markers(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find(['<', '['])?..];
            let found = marker(rest);
            rest = &rest[found.map_or(1, |(marker, _)| marker.len())..];
            if found.is_some() {
                return found;
            }
        }
    })
}

/// The marker that `text` begins with.
fn marker(text: &str) -> Option<(&str, bool)> {
    let close = if text.starts_with('<') { '>' } else { ']' };
    let end = text.chars().take(LONGEST_MARKER_CHARS).position(|c| c == close)?;
    let end = text.char_indices().nth(end)?.0;
    let (marker, inside) = (&text[..=end], &text[1..end]);
    let is_name = |name: &str, upper: bool| {
        let fits = |c: char| match upper {
            true => c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_',
            false => c.is_alphanumeric() || "_-/.:▁".contains(c),
        };
        !name.is_empty() && name.chars().all(fits) && name.contains(char::is_alphabetic)
    };
    if let Some(name) = inside.strip_prefix('|').and_then(|inside| inside.strip_suffix('|')) {
        return (close == '>' && is_name(name, false)).then_some((marker, true));
    }
    let name = inside.strip_prefix('/').unwrap_or(inside);
    is_name(name, close == ']').then_some((marker, false))
}

#[cfg(test)]
mod tests {
    use super::markers;

    #[test]
    fn markers_are_told_from_text() {
        let text = "<|im_start|>user\n<think>[INST] a [1] < b > <a b></s><|x y|>[/INST]<|end▁of|><<|eot|>[list]";
        let found: Vec<(&str, bool)> = markers(text).collect();
        assert_eq!(
            found,
            [
                ("<|im_start|>", true),
                ("<think>", false),
                ("[INST]", false),
                ("</s>", false),
                ("[/INST]", false),
                ("<|end▁of|>", true),
                ("<|eot|>", true),
            ]
        );
    }
}
