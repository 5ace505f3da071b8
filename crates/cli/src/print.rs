//! What a person reads: the only file that prints.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// A line for the person at the terminal; data goes through [`data`].
pub(crate) fn note(line: &str) {
    // Where it cannot be written nobody reads it; a run does not end because of that.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Output that can be piped. A reader that went away is no reason to stop working; a disk that
/// takes nothing more is one.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            note(&format!(
                "error: cannot write to standard output: {error}\n\nhint: send it elsewhere"
            ));
            std::process::exit(3);
        }
        Ok(()) | Err(_) => {}
    }
}

/// A path as the person would type it: relative to the working directory where it lies below.
pub(crate) fn path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    relative.as_deref().unwrap_or(path).display().to_string()
}

/// A value as JSON on stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> serde_json::Result<()> {
    data(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// An error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {}", chain(error)));
}

/// The text of an error with its causes, each once, and the hint at the end.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        // Hints close a message: causes go before them.
        let cause = format!(": {cause}");
        match text.find("\n\nhint:") {
            Some(at) => text.insert_str(at, &cause),
            None => text.push_str(&cause),
        }
    }
    text
}

/// Columns as wide as their widest cell; the first is flush left, the others flush right.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds one row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// A row that only names what follows.
    pub(crate) fn heading(&mut self, title: &str) {
        self.rows.push(vec![title.to_owned()]);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter(|row| row.len() > 1 || columns == 1);
            cells
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (i, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
                if column == 0 {
                    line.push_str(cell);
                    line.push_str(&padding);
                } else {
                    line.push_str("  ");
                    line.push_str(&padding);
                    line.push_str(cell);
                }
            }
            writeln!(f, "  {}", line.trim_end())?;
            if i == 0 {
                let rule = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1);
                writeln!(f, "  {}", "─".repeat(rule))?;
            }
        }
        Ok(())
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2,000 rows`.
pub(crate) fn counted(number: u64, one: &str, several: &str) -> String {
    let noun = if number == 1 { one } else { several };
    format!("{} {noun}", thousands(number))
}

/// Bytes in the unit that suits them.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        10_000_000..=9_999_999_999 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["task", "before", "after"]);
        table.heading("general");
        table.row(vec!["prose".into(), "3.21".into(), "3.5".into()]);
        expect![[r#"
              task   before  after
              ────────────────────
              general
              prose    3.21    3.5
        "#]]
        .assert_eq(table.to_string().replace("\n  ", "\n").trim_start_matches(' '));
    }

    #[test]
    fn numbers_read_well() {
        let check = |number, expected: &str| assert_eq!(thousands(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn one_is_singular() {
        let check = |number, expected: &str| {
            assert_eq!(counted(number, "process", "processes"), expected);
        };
        check(0, "0 processes");
        check(1, "1 process");
        check(2_000, "2,000 processes");
    }
}
