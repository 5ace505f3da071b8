//! What a preference run learned, as a table.

use temper_audit::{Pairs, PreferenceReport};

use crate::print::{Table, thousands};

/// Pairs of the first and the last tenth of the steps, and whether better answers became less likely.
pub(crate) fn preference(report: &PreferenceReport) -> String {
    let mut table = Table::new(&[
        "preference",
        "steps",
        "pairs",
        "loss",
        "accuracy",
        "margin",
        "chosen, nats",
        "rejected, nats",
    ]);
    for source in &report.sources {
        table.row(row(&source.source, "first tenth", &source.first));
        table.row(row("", "last tenth", &source.last));
    }
    let note = "accuracy: pairs whose better answer is preferred more than by the starting model; nats: how much\n  \
                likelier an answer is than under it";
    let sank = report.sources.iter().filter(|source| source.last.chosen < 0.0);
    let warnings: String = sank
        .map(|source| {
            format!(
                "\n  {}: better answers are {:.1} nats less likely than at the start; a larger \
                 `preference.beta` or a lower `optimizer.lr` holds them",
                source.source, -source.last.chosen
            )
        })
        .collect();
    format!("{table}  {note}{warnings}")
}

fn row(source: &str, steps: &str, pairs: &Pairs) -> Vec<String> {
    vec![
        source.to_owned(),
        steps.to_owned(),
        thousands(pairs.pairs),
        format!("{:.4}", pairs.loss),
        format!("{:.1} %", 100.0 * pairs.accuracy),
        format!("{:+.3}", pairs.margin),
        format!("{:+.2}", pairs.chosen),
        format!("{:+.2}", pairs.rejected),
    ]
}
