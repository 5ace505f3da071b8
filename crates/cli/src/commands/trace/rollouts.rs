//! What a step of `rl` sampled of its prompts, and how it was judged.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use temper_ledger::RunDir;
use temper_train::Rollout;

use crate::print::Table;

/// Of one row, if it is named; none in other stages.
pub(super) fn of_step(run: &Path, step: u64, row: Option<u32>) -> Result<Vec<Rollout>> {
    let sampled = temper_train::rollouts(&RunDir::open(run)?, step).unwrap_or_default();
    let is_asked = |rollout: &Rollout| row.is_none_or(|row| row == rollout.row);
    Ok(sampled.into_iter().filter(is_asked).collect())
}

/// What was said is the customer's: it is shown to those who ask for texts.
pub(super) fn json(sampled: &[Rollout], with_text: bool) -> Value {
    let line = |rollout: &Rollout| {
        let mut line = json!({
            "row": rollout.row, "refill": rollout.refill, "sample": rollout.sample, "source": rollout.source,
            "document": rollout.document, "tokens": rollout.ids.len(), "truncated": rollout.is_truncated,
            "rewards": rollout.rewards, "reward": rollout.reward, "advantage": rollout.advantage,
        });
        if with_text {
            line["text"] = json!(rollout.text);
        }
        line
    };
    sampled.iter().map(line).collect()
}

/// A line for each completion; which group of its row it is of, where there were several.
pub(super) fn table(sampled: &[Rollout], with_text: bool) -> String {
    let with_refills = sampled.iter().any(|rollout| rollout.refill > 0);
    let mut headings = vec!["step's row"];
    headings.extend(with_refills.then_some("refill"));
    headings.extend(["sample", "tokens", "ended", "reward", "its parts", "advantage"]);
    headings.extend(with_text.then_some("completion"));
    let mut table = Table::new(&headings);
    for rollout in sampled {
        let parts: Vec<String> = rollout.rewards.iter().map(f64::to_string).collect();
        let mut cells = vec![rollout.row.to_string()];
        cells.extend(with_refills.then(|| rollout.refill.to_string()));
        cells.extend([
            rollout.sample.to_string(),
            rollout.ids.len().to_string(),
            if rollout.is_truncated { "no" } else { "yes" }.to_owned(),
            rollout.reward.to_string(),
            parts.join(", "),
            format!("{:+.3}", rollout.advantage),
        ]);
        cells.extend(with_text.then(|| format!("{:?}", rollout.text)));
        table.row(cells);
    }
    table.to_string()
}
