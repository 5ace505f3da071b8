//! What a step of `rl` sampled of its prompts, and how it was judged.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use temper_ask::Turn;
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
        if !rollout.turns.is_empty() {
            let turns = rollout.turns.iter().map(|turn| turn_json(turn, with_text));
            line["turns"] = turns.collect();
        }
        if with_text {
            line["text"] = json!(rollout.text);
        }
        line
    };
    sampled.iter().map(line).collect()
}

fn turn_json(turn: &Turn, with_text: bool) -> Value {
    let mut line = json!({ "tokens": turn.ids.len(), "reward": turn.reward, "done": turn.is_done });
    if with_text {
        line["text"] = json!(turn.text);
        line["messages"] = json!(turn.messages);
    }
    line
}

/// A line for each completion; which group of its row it is of, where there were several, and what was said in
/// episodes to those who ask for texts.
pub(super) fn table(sampled: &[Rollout], with_text: bool) -> String {
    let is_played = sampled.iter().any(|rollout| !rollout.turns.is_empty());
    let with_refills = sampled.iter().any(|rollout| rollout.refill > 0);
    let mut headings = vec!["step's row"];
    headings.extend(with_refills.then_some("refill"));
    headings.extend(["sample", "tokens", "ended"]);
    headings.extend(is_played.then_some("turns"));
    headings.extend(["reward", "its parts", "advantage"]);
    headings.extend(with_text.then_some("completion"));
    let mut table = Table::new(&headings);
    for rollout in sampled {
        let of_environment = is_played.then(|| rollout.environment_reward());
        let parts = of_environment.iter().chain(&rollout.rewards).map(f64::to_string);
        let mut cells = vec![rollout.row.to_string()];
        cells.extend(with_refills.then(|| rollout.refill.to_string()));
        cells.extend([
            rollout.sample.to_string(),
            rollout.ids.len().to_string(),
            if rollout.is_truncated { "no" } else { "yes" }.to_owned(),
        ]);
        cells.extend(is_played.then(|| rollout.n_answers().to_string()));
        cells.push(rollout.reward.to_string());
        cells.push(parts.collect::<Vec<_>>().join(", "));
        cells.push(format!("{:+.3}", rollout.advantage));
        cells.extend(with_text.then(|| format!("{:?}", rollout.text)));
        table.row(cells);
    }
    let played = sampled.iter().filter(|rollout| with_text && !rollout.turns.is_empty());
    let played: Vec<String> = played.map(episode).collect();
    format!("{table}{}", played.join(""))
}

/// What was said in an episode, a line each.
fn episode(rollout: &Rollout) -> String {
    let refill = match rollout.refill {
        0 => String::new(),
        refill => format!(", refill {refill}"),
    };
    let mut lines = format!("\nstep's row {}{refill}, sample {}\n", rollout.row, rollout.sample);
    for (number, turn) in rollout.turns.iter().enumerate() {
        if number > 0 {
            lines += &format!("  assistant: {:?}, rewarded {}\n", turn.text, turn.reward);
        }
        for message in &turn.messages {
            let said = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
            lines += &format!("  {}: {:?}\n", said("role"), said("content"));
        }
    }
    lines
}
