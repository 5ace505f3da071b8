//! The scores of one checkpoint.

use temper_eval::{Summary, TaskSummary};

use super::{BY_PERIOD, four_decimals, or_dash, tenths, word};
use crate::print::{Table, thousands};

/// The score of each task and of each period, and what an accuracy has to be read beside.
pub(crate) fn tasks(tasks: &[TaskSummary], periods: &[TaskSummary]) -> String {
    let mut table = Table::new(&[
        "task",
        "group",
        "measure",
        "items",
        "clusters",
        "nats/token",
        "bits/byte",
        "accuracy",
        "chance",
        "majority",
        "confounder",
    ]);
    for (at, task) in tasks.iter().chain(periods).enumerate() {
        if at == tasks.len() {
            table.heading(BY_PERIOD);
        }
        let baselines = task.baselines.as_ref();
        table.row(vec![
            task.task.clone(),
            word(&task.group),
            word(&task.kind),
            thousands(task.n_items as u64),
            thousands(task.n_clusters as u64),
            four_decimals(task.loss),
            or_dash(task.bits_per_byte, four_decimals),
            or_dash(task.accuracy, tenths),
            or_dash(baselines.map(|baselines| baselines.chance), tenths),
            or_dash(baselines.and_then(|baselines| baselines.majority), tenths),
            or_dash(baselines.and_then(|baselines| baselines.confounder_only), tenths),
        ]);
    }
    let note = "chance, majority, confounder: accuracies without a model, by guessing, by always giving the\n  \
                commonest answer, and by the confounder alone";
    let has_baselines = tasks.iter().any(|task| task.baselines.is_some());
    if has_baselines { format!("{table}  {note}") } else { table.to_string() }
}

/// The score of each category.
pub(crate) fn categories(lines: &[Summary]) -> String {
    let mut table = Table::new(&[
        "group",
        "category",
        "measure",
        "items",
        "tokens",
        "nats/token",
        "bits/byte",
        "accuracy",
    ]);
    for line in lines {
        table.row(vec![
            word(&line.group),
            line.category.clone().unwrap_or("all".to_owned()),
            word(&line.kind),
            thousands(line.n_items as u64),
            thousands(line.tokens),
            four_decimals(line.loss),
            or_dash(line.bits_per_byte, four_decimals),
            or_dash(line.accuracy, tenths),
        ]);
    }
    table.to_string()
}
