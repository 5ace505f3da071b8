//! Numbers as GSM8K answers with them (Cobbe et al. 2021, arXiv 2110.14168).

use std::sync::LazyLock;

use regex::Regex;

use temper_recipe::VerifierName;

use crate::Error;

/// Digits with thousands apart, or without; a point needs a digit behind it.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?").expect("a pattern of ours")
});

/// Stands before the answer, where somebody took care to mark it.
const MARK: &str = "####";

pub(crate) fn is_right(answer: &str, reference: &str) -> Result<bool, Error> {
    let Some(expected) = last(reference) else {
        let problem = format!("found `{}`, expected a number", shortened(reference));
        return Err(Error::Reference { verifier: VerifierName::Number, problem });
    };
    Ok(last(answer).is_some_and(|found| is_equal(found, expected)))
}

/// The last number; the first behind the mark where there is one.
fn last(text: &str) -> Option<f64> {
    let (text, found) = match text.rsplit_once(MARK) {
        Some((_, behind)) => (behind, NUMBER.find(behind)),
        None => (text, NUMBER.find_iter(text).last()),
    };
    let found = found?;
    // In 5-3 the sign joins two numbers and belongs to none.
    let before = text[..found.start()].chars().next_back();
    let is_joined = before.is_some_and(|before| before.is_alphanumeric() || before == ')');
    let digits =
        if is_joined { found.as_str().trim_start_matches(['-', '+']) } else { found.as_str() };
    digits.replace(',', "").parse().ok()
}

/// Whole numbers are what they are; others may be rounded.
fn is_equal(a: f64, b: f64) -> bool {
    let is_whole = a.fract() == 0.0 && b.fract() == 0.0;
    let apart = if is_whole { 0.0 } else { 1e-6 * a.abs().max(b.abs()).max(1.0) };
    a.is_finite() && b.is_finite() && (a - b).abs() <= apart
}

pub(crate) fn shortened(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(at, _)| &text[..at])
}
