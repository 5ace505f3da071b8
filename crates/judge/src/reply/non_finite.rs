//! Numbers that JSON cannot write, as programs write them all the same: `NaN`, `Infinity`, `1e999`.

/// Whether a word stands for no number, or for one beyond 64-bit floats.
pub(super) fn is(word: &str) -> bool {
    word.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// The text with such numbers as strings, and the first of them; `None` where there are none.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut quoted, mut first, mut rest) = (String::with_capacity(text.len()), None, text);
    while let Some(start) = rest.bytes().next() {
        let is_end = |byte: u8| match is_of_word(start) {
            true => !is_of_word(byte),
            false => byte == b'"' || is_of_word(byte),
        };
        let length = match start {
            b'"' => string_length(rest),
            _ => rest.bytes().position(is_end).unwrap_or(rest.len()),
        };
        let (part, behind) = rest.split_at(length);
        if is(part) {
            first = first.or(Some(part));
            quoted.extend(["\"", part, "\""]);
        } else {
            quoted.push_str(part);
        }
        rest = behind;
    }
    first.map(|first| (quoted, first))
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Bytes of the string that a text begins with, its quotes among them; all where it does not end.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_of_strings_are_quoted() {
        #[track_caller]
        fn check(text: &str, expected: Option<(&str, &str)>) {
            let found = quoted(text);
            let found = found.as_ref().map(|(quoted, first)| (quoted.as_str(), *first));
            assert_eq!(found, expected, "{text}");
        }
        check(r#"{"a": NaN}"#, Some((r#"{"a": "NaN"}"#, "NaN")));
        check(r#"[1e999,-Infinity]"#, Some((r#"["1e999","-Infinity"]"#, "1e999")));
        check("NaN", Some((r#""NaN""#, "NaN")));
        check(
            r#"{"NaN": "é \" NaN \\", "b": inf}"#,
            Some((r#"{"NaN": "é \" NaN \\", "b": "inf"}"#, "inf")),
        );
        check(r#"{"a": 1e300, "b": "NaN", "c": null, "d": -0.5}"#, None);
        check(r#"{"a": "NaN"#, None);
        check(r#"{"a": é}"#, None);
        check("NaNs and Infinity_", Some((r#"NaNs and "Infinity"_"#, "Infinity")));
        check("", None);
    }
}
