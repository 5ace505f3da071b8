//! Lines of a pipe, of which a program can write without end.

use std::io::{self, BufRead as _, BufReader, Read};

/// Bytes of a line that are held; a reply has some dozens.
const MOST_BYTES: u64 = 1 << 20;

/// A line, without its end.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// All of it.
    Whole(String),
    /// One that has no end within a megabyte: its beginning.
    TooLong(String),
}

/// Reads lines until the pipe ends or `each` has had enough.
pub(super) fn read(pipe: impl Read, mut each: impl FnMut(Line) -> bool) -> io::Result<()> {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        if pipe.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let is_whole = line.last() == Some(&b'\n') || (line.len() as u64) < MOST_BYTES;
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        let line = if is_whole { Line::Whole(text) } else { Line::TooLong(text) };
        if !each(line) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_where_they_end_or_grow_too_long() {
        let long = "a".repeat(MOST_BYTES as usize + 3);
        let text = format!("one\r\n\n{long}\nlast");
        let mut lines = Vec::new();
        read(text.as_bytes(), |line| {
            lines.push(line);
            true
        })
        .unwrap();
        let whole = |text: &str| Line::Whole(text.to_owned());
        let expected = [
            whole("one"),
            whole(""),
            Line::TooLong("a".repeat(MOST_BYTES as usize)),
            whole("aaa"),
            whole("last"),
        ];
        assert!(lines == expected);
    }
}
