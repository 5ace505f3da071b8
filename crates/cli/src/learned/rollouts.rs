//! What a run with rewards sampled at its beginning and at its end, as a table.

use temper_audit::{Completions, RolloutReport, SourceRollouts};

use crate::print::{Table, thousands};

/// Completions of the first and the last tenth of the steps, and whether rewards still taught something.
pub(super) fn rollouts(report: &RolloutReport) -> String {
    let mut table = Table::new(&[
        "rewards",
        "steps",
        "completions",
        "reward",
        "tokens",
        "truncated",
        "equal groups",
        "refills",
        "clipped",
        "entropy",
        "divergence",
        "drift",
    ]);
    let mut parts = String::new();
    for source in &report.sources {
        table.row(row(&source.source, "first tenth", &source.first));
        table.row(row("", "last tenth", &source.last));
        if let (Some(first), Some(last)) = (source.first.turns, source.last.turns) {
            parts += &format!("\n  {} turns: {first:.2} → {last:.2}", source.source);
        }
        for (name, last) in &source.last.parts {
            let first = source.first.parts.get(name).copied().unwrap_or(0.0);
            parts += &format!("\n  {} {name}: {first:.3} → {last:.3}", source.source);
        }
    }
    let note = "equal groups: prompts whose completions were all equally good, which teach nothing; refills: others\n  \
                in their place, for each prompt; entropy of what was sampled, divergence from the starting model\n  \
                and drift from the one that sampled: nats per token, – where it was not measured";
    let warnings: String = report.sources.iter().filter_map(unlearned).collect();
    format!("{table}  {note}{parts}{warnings}")
}

/// That rewards taught nothing in the end.
fn unlearned(of: &SourceRollouts) -> Option<String> {
    let last = &of.last;
    (last.completions > 0 && last.equal_groups >= 1.0).then(|| {
        format!(
            "\n  {}: rewards taught nothing in the last tenth: all completions of a prompt were equally good in \
             every group, reward {:.3};\n  other prompts or rewards, a larger `rl.group_size` or a higher \
             `rl.temperature` tell them apart",
            of.source, last.reward
        )
    })
}

fn row(source: &str, steps: &str, of: &Completions) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let none = || "–".to_owned();
    let nats = |mean: Option<f64>| mean.map_or_else(none, |mean| format!("{mean:.4}"));
    vec![
        source.to_owned(),
        steps.to_owned(),
        thousands(of.completions),
        format!("{:.3}", of.reward),
        format!("{:.1}", of.tokens),
        percent(of.truncated),
        percent(of.equal_groups),
        format!("{:.2}", of.refills),
        of.clipped.map_or_else(none, percent),
        of.entropy.map_or_else(none, |entropy| format!("{entropy:.3}")),
        nats(of.divergence),
        nats(of.drift),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_that_taught_nothing_in_the_end_are_named() {
        let check = |completions, first: f64, last: f64, expected: bool| {
            let of =
                |equal_groups| Completions { completions, equal_groups, ..Completions::default() };
            let (first, last) = (of(first), of(last));
            let report = RolloutReport {
                sources: vec![SourceRollouts { source: "asked".to_owned(), first, last }],
            };
            let shown = rollouts(&report);
            assert_eq!(shown.contains("asked: rewards taught nothing"), expected, "{shown}");
        };
        check(8, 0.5, 1.0, true);
        check(8, 1.0, 1.0, true);
        check(8, 1.0, 0.99, false);
        check(8, 0.0, 0.0, false);
        // A source that had no row in the last tenth.
        check(0, 0.0, 1.0, false);
    }

    #[test]
    fn what_was_not_measured_is_no_number() {
        let cells = |of: &Completions| row("asked", "last tenth", of)[8..].to_vec();
        assert_eq!(cells(&Completions::default()), ["–"; 4]);
        let measured = Completions {
            clipped: Some(0.0),
            entropy: Some(0.25),
            divergence: Some(0.5),
            drift: Some(0.0),
            ..Completions::default()
        };
        assert_eq!(cells(&measured), ["0.0 %", "0.250", "0.5000", "0.0000"]);
    }
}
