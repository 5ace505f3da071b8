//! Documents that are longer than a row, as a person reads of them.

use temper_mix::{Plan, TooLong};
use temper_recipe::{Recipe, Source};

use crate::print::{counted, thousands};

/// The documents that are longer than a row and lose something by it, a line per source.
pub(crate) fn lines(recipe: &Recipe, plan: &Plan) -> String {
    let line = |(at, source): (usize, &Source)| {
        let TooLong { truncated, left_out } = plan.too_long(at);
        let left_out = left_out.len() as u64;
        if truncated + left_out == 0 {
            return String::new();
        }
        format!(
            "\n  {}: {} of {} {} longer than a row of {} positions: {}",
            source.corpus,
            thousands(truncated + left_out),
            counted(plan.tokens(at).n_documents() as u64, "document", "documents"),
            if truncated + left_out == 1 { "is" } else { "are" },
            plan.row_length(at),
            cut(truncated, left_out)
        )
    };
    recipe.sources().enumerate().map(line).collect()
}

/// `9 truncated, 3 left out`
pub(crate) fn cut(truncated: u64, left_out: u64) -> String {
    let parts = [(truncated, "truncated"), (left_out, "left out")].into_iter();
    let parts = parts.filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(n)));
    parts.collect::<Vec<_>>().join(", ")
}
