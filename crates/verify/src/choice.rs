//! The letter that is answered with.

use std::sync::LazyLock;

use regex::Regex;

use crate::number::shortened;
use temper_recipe::VerifierName;

use crate::Error;

/// As models say it, the surest way first; of each the last one counts.
static WAYS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        r"(?i:answer|choice|option)[\s*]*(?i:is)?[\s*:(]*([A-J])(?:[^\w\s']|\s*$|\s*\n)",
        r"\(([A-J])\)",
        r"(?m)^\s*\*{0,2}([A-J])\*{0,2}[.):]?\s*$",
        r"\b([A-J])[.):]",
    ]
    .map(|way| Regex::new(way).expect("a pattern of ours"))
});

pub(crate) fn is_right(answer: &str, reference: &str) -> Result<bool, Error> {
    let trimmed = reference.trim().trim_matches(['(', ')', '.']);
    let mut letters = trimmed.chars();
    let (Some(expected @ 'A'..='J'), None) = (letters.next(), letters.next()) else {
        let problem = format!("found `{}`, expected a letter A to J", shortened(reference));
        return Err(Error::Reference { verifier: VerifierName::Choice, problem });
    };
    Ok(letter(answer) == Some(expected))
}

fn letter(answer: &str) -> Option<char> {
    let way = WAYS.iter().find_map(|way| way.captures_iter(answer).last());
    let letter = match way {
        Some(found) => found.get(1)?.as_str(),
        // Nothing but the letter.
        None => answer.trim().trim_matches(['*', '.', '"']),
    };
    let mut letters = letter.chars();
    letters.next().filter(|_| letters.next().is_none())
}
