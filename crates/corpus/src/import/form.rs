//! What a row of an input is.

use super::feedback::Ratings;
use super::prompt::REFERENCES;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowForm {
    /// A text.
    Texts,
    /// A conversation (OpenAI, Converse, ShareGPT, Alpaca, prompt and completion), from JSONL or Parquet.
    Conversations,
    /// A conversation with two answers, of which one was preferred, from JSONL or Parquet.
    Pairs,
    /// A conversation whose answer was judged, from a log in JSONL or Parquet; rows that say neither good
    /// nor bad are left out and counted.
    Feedback(Ratings),
    /// Of such a log the rows whose answer was corrected, as pairs; others are left out and counted.
    Edits,
    /// A conversation to be answered, and perhaps a reference that answers are judged by, from JSONL or Parquet.
    Prompts,
}

/// The `problem` that the field with the text is missing, and the option that reads rows with the fields that there are.
pub(super) fn with_option(problem: String, has: impl Fn(&str) -> bool) -> String {
    match option_for(has) {
        Some(told) => format!("{problem}; {told}"),
        None => problem,
    }
}

/// `None` for fields of no form.
fn option_for(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let told = if has("chosen") && has("rejected") {
        "rows with two answers are read with `--pairs`"
    } else if any(&["messages", "prompt"]) && any(&["label", "thumbs", "rating"]) {
        "rows with judged answers are read with `--feedback`"
    } else if any(&["messages", "prompt", "question"]) && any(&REFERENCES) {
        "rows with a prompt and a reference are read with `--prompts`"
    } else if any(&["messages", "conversations"])
        || any(&["prompt", "instruction"]) && any(&["completion", "output", "response"])
    {
        "rows with a conversation are read with `--conversations`"
    } else if any(&["prompt", "question"]) {
        "rows with a prompt are read with `--prompts`"
    } else {
        return None;
    };
    Some(told)
}
