//! Plain text: a document per file, or per paragraph.

use std::path::Path;

use crate::documents::LONGEST_DOCUMENT_BYTES;
use crate::error::Error;
use crate::import::sink::{Row, RowContent, Sink};
use crate::import::{ImportOptions, TextUnit};
use crate::place::RowNumber;

/// A file is read whole, so larger ones are refused, whatever they are split into.
const LONGEST_FILE_BYTES: u64 = 4 * LONGEST_DOCUMENT_BYTES;

/// Reads `input` as one document, or as one per paragraph.
pub(super) fn read(input: &Path, options: &ImportOptions, sink: &mut Sink) -> Result<(), Error> {
    let failed = |source| Error::Read { path: input.to_owned(), source };
    let bytes = std::fs::metadata(input).map_err(failed)?.len();
    if bytes > LONGEST_FILE_BYTES {
        let problem = format!("{bytes} bytes, expected at most {LONGEST_FILE_BYTES}; split it");
        return Err(Error::Import { path: input.to_owned(), problem });
    }
    let bytes = std::fs::read(input).map_err(failed)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes[..error.valid_up_to()].iter();
            let line = before.filter(|byte| **byte == b'\n').count() as u64 + 1;
            let (at, problem) = (RowNumber::Line(line), "no UTF-8".to_owned());
            return match options.unit {
                TextUnit::File => {
                    sink.refuse(input, at, problem);
                    Ok(())
                }
                // Of how many documents it would be is not known.
                TextUnit::Paragraph => {
                    Err(Error::ImportEnds { path: input.to_owned(), at, problem })
                }
            };
        }
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut push = |line, text: &str| {
        sink.push(
            input,
            RowNumber::Line(line),
            Row {
                id: None,
                content: RowContent::Text(text.to_owned()),
                kept: vec![None; options.keep.len()],
            },
        )
    };
    match options.unit {
        TextUnit::File => push(1, text),
        TextUnit::Paragraph => {
            paragraphs(text).try_for_each(|(line, paragraph)| push(line, paragraph))
        }
    }
}

/// What stands between blank lines, with the line it begins on; line ends around it are dropped.
fn paragraphs(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut lines = text.split_inclusive('\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line))
    });
    let mut line = 0;
    std::iter::from_fn(move || {
        let mut paragraph: Option<(u64, usize, usize)> = None;
        for (start, content) in lines.by_ref() {
            line += 1;
            let is_blank = content.trim().is_empty();
            let end = start + content.trim_end_matches(['\r', '\n']).len();
            paragraph = match paragraph {
                Some(_) if is_blank => break,
                Some((first, start, _)) => Some((first, start, end)),
                None if is_blank => None,
                None => Some((line, start, end)),
            };
        }
        paragraph.map(|(first, start, end)| (first, &text[start..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::paragraphs;

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &str)]) {
        assert_eq!(paragraphs(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn paragraphs_stand_between_blank_lines() {
        check("", &[]);
        check("\n \n", &[]);
        check("one\ntwo\n\n\n three\n", &[(1, "one\ntwo"), (5, " three")]);
        check("\r\none\r\n\t\r\ntwo", &[(2, "one"), (4, "two")]);
    }
}
