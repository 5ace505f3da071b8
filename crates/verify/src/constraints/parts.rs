//! The parts of an answer: paragraphs, sections, highlights, responses.

/// What stands between empty lines.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty())
}

/// The first word of a paragraph, counted from 1, without quotes before it and punctuation behind it.
pub(super) fn first_word(text: &str, nth: usize) -> Option<&str> {
    let paragraph = paragraphs(text).nth(nth.checked_sub(1)?)?;
    let word = paragraph.split_whitespace().next()?.trim_start_matches(['\'', '"']);
    word.split(['.', ',', '?', '!', '\'', '"']).next()
}

/// How many sections begin with a mark and a number: `SECTION 1`.
pub(super) fn sections(text: &str, mark: &str) -> usize {
    let is_numbered = |rest: &&str| rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
    text.split(mark).skip(1).filter(is_numbered).count()
}

/// How many stretches of a line stand between asterisks: `*this*`, `**this**`.
pub(super) fn highlights(text: &str) -> usize {
    text.lines().map(in_line).sum()
}

fn in_line(line: &str) -> usize {
    let (mut n, mut rest) = (0, line);
    while let Some(start) = rest.find('*') {
        let marked = &rest[start..];
        let mark = if marked.starts_with("**") { "**" } else { "*" };
        let inside = &marked[mark.len()..];
        // One that is never closed leaves those behind it as they are.
        rest = match inside.find(mark) {
            Some(end) => {
                n += usize::from(!inside[..end].trim().is_empty());
                &inside[end + mark.len()..]
            }
            None => inside,
        };
    }
    n
}

/// Whether two different responses stand on either side of six asterisks; more of these may begin and end the text.
pub(super) fn are_two_responses(text: &str) -> bool {
    let parts: Vec<&str> = text.split("******").map(str::trim).collect();
    let within = |parts: &[&str]| match parts {
        [first, second] => !first.is_empty() && !second.is_empty() && first != second,
        _ => false,
    };
    let parts = parts.strip_prefix(&[""]).unwrap_or(&parts);
    within(parts.strip_suffix(&[""]).unwrap_or(parts))
}
