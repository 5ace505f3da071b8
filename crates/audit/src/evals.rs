//! The scores of a run as a table, a line per step and item.

use polars::frame::DataFrame;
use polars::prelude::{Column, IntoLazy as _, LazyFrame, NamedFrom as _, PolarsResult, Series};
use serde_json::Value;
use temper_ledger::RunDir;

use crate::error::Error;

/// Columns of words, with the field they come from.
const WORDS: [&str; 4] = ["id", "group", "kind", "category"];

/// Reads every eval of `run`: step, task, group, kind, category, item, cluster, nats, tokens, bytes,
/// correct, dropped.
///
/// # Errors
/// [`Error::Run`] for an eval that cannot be read.
pub(crate) fn evals(run: &RunDir) -> Result<PolarsResult<LazyFrame>, Error> {
    let mut lines = Lines::default();
    for step in run.evals()? {
        let (score, _) = run.eval(step)?;
        for task in score["tasks"].as_array().into_iter().flatten() {
            for item in task["items"].as_array().into_iter().flatten() {
                lines.push(step, task, item);
            }
        }
    }
    Ok(lines.frame())
}

#[derive(Default)]
struct Lines {
    step: Vec<i64>,
    of_task: [Vec<Option<String>>; WORDS.len()],
    item: Vec<Option<String>>,
    cluster: Vec<Option<String>>,
    nats: Vec<Option<f64>>,
    tokens: Vec<Option<i64>>,
    bytes: Vec<Option<i64>>,
    correct: Vec<Option<bool>>,
    dropped: Vec<Option<i64>>,
}

impl Lines {
    fn push(&mut self, step: u64, task: &Value, item: &Value) {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        self.step.push(step as i64);
        for (column, field) in self.of_task.iter_mut().zip(WORDS) {
            column.push(word(&task[field]));
        }
        self.item.push(word(&item["id"]));
        self.cluster.push(word(&item["cluster"]));
        self.nats.push(item["nats"].as_f64());
        self.tokens.push(item["tokens"].as_i64());
        self.bytes.push(item["bytes"].as_i64());
        self.correct.push(item["correct"].as_bool());
        self.dropped.push(item["dropped"].as_i64());
    }

    fn frame(self) -> PolarsResult<LazyFrame> {
        let [task, group, kind, category] = self.of_task;
        let columns: Vec<Column> = vec![
            Series::new("step".into(), self.step).into(),
            Series::new("task".into(), task).into(),
            Series::new("group".into(), group).into(),
            Series::new("kind".into(), kind).into(),
            Series::new("category".into(), category).into(),
            Series::new("item".into(), self.item).into(),
            Series::new("cluster".into(), self.cluster).into(),
            Series::new("nats".into(), self.nats).into(),
            Series::new("tokens".into(), self.tokens).into(),
            Series::new("bytes".into(), self.bytes).into(),
            Series::new("correct".into(), self.correct).into(),
            Series::new("dropped".into(), self.dropped).into(),
        ];
        Ok(DataFrame::new_infer_height(columns)?.lazy())
    }
}
