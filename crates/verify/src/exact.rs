//! The same text.

/// White space around words says nothing.
pub(crate) fn is_right(answer: &str, reference: &str) -> bool {
    answer.split_whitespace().eq(reference.split_whitespace())
}
