//! The rows of every source, looked at as tokenizing would.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use temper_corpus::{BadRows, Fault, LongRow, LongRows, RowPlace};
use temper_mix::PlanSpec;
use temper_recipe::{OnBadRow, Project, Recipe};

use crate::chat_formats::ChatFormats;
use crate::commands::corpus::with_bar;
use crate::corpora::{LOOKING, opened};
use crate::labels::Labels;
use crate::model::Model;
use crate::print::{counted, thousands};
use crate::too_long::cut;

/// Rows of a kind that are printed of a corpus.
const SHOWN: usize = 5;

/// The rows of one source.
#[derive(Debug)]
pub(super) struct CheckedRows {
    corpus: String,
    drops: bool,
    /// Positions of a row of tokens.
    positions: usize,
    bad: BadRows,
}

/// Looks at all rows of the sources of a recipe.
pub(super) fn check(
    project: &Project,
    recipe: &Recipe,
    model: &Model,
    stop: &AtomicBool,
) -> Result<Vec<CheckedRows>> {
    let formats = ChatFormats::of(project, recipe, model)?;
    let spec = PlanSpec::new(recipe, recipe.training.budget);
    let mut checked = Vec::new();
    for (at, source) in recipe.sources().enumerate() {
        let manifest = project.manifest(&source.corpus)?;
        let chat = formats.of_source(at, &manifest);
        if manifest.columns.messages.is_some() && chat.is_none() {
            let corpus = source.corpus.clone();
            bail!(temper_corpus::Error::NoChatTemplate { corpus });
        }
        let (corpus, limit) = (opened(project, source)?, spec.row_limit(at));
        let bad = with_bar(LOOKING, corpus.n_documents(), |told| {
            let tokenizer = &model.tokenizer;
            BadRows::find(&corpus, tokenizer, chat, Some(limit), stop, &mut |n| told(n))
        })?;
        let drops = formats.on_bad_row(at) == OnBadRow::Drop;
        let (corpus, positions) = (source.corpus.clone(), limit.positions);
        checked.push(CheckedRows { corpus, drops, positions, bad });
    }
    Ok(checked)
}

/// The judged answers of all of them that are learned from; `None` where no judgements are.
pub(super) fn labels(rows: &[CheckedRows]) -> Option<Labels> {
    let desirable = rows.iter().map(|rows| rows.bad.desirable).sum();
    let undesirable = rows.iter().map(|rows| rows.bad.undesirable).sum();
    (desirable + undesirable > 0).then_some(Labels { desirable, undesirable })
}

impl CheckedRows {
    /// Whether a run would be refused for one of them, or because none is left.
    pub(super) fn is_refused(&self) -> bool {
        (self.bad.n() > 0 && !self.drops) || self.n_left() == 0
    }

    /// Rows that are neither bad nor left out because they are too long.
    fn n_left(&self) -> u64 {
        let BadRows { n_documents, long, .. } = &self.bad;
        n_documents - self.bad.n() - long.left_out
    }

    /// As a person reads it.
    pub(super) fn text(&self) -> String {
        let hints = self.hints().into_iter().map(|hint| format!("\n    hint: {hint}"));
        self.bad_text() + &self.long_text() + &hints.collect::<String>()
    }

    /// The ways out: those that the chat template's refusals name, then what can be done about the rows.
    fn hints(&self) -> Vec<String> {
        let Self { drops, bad, .. } = self;
        let named: BTreeSet<&String> =
            bad.named.iter().filter_map(|row| row.hint.as_ref()).collect();
        let mut hints: Vec<String> = named.into_iter().cloned().collect();
        if self.n_left() == 0 {
            // Dropping them would leave nothing.
            let mut hint = "no row is left".to_owned();
            if bad.counts.keys().any(|fault| *fault != Fault::Template) {
                hint += "; correct them";
            }
            if bad.long.left_out > 0 {
                hint += "; raise `training.sequence_length`";
            }
            hints.push(hint);
        } else if bad.n() > 0 && !drops {
            hints.push(
                "correct or remove them, or leave them out with `data_mixing.on_bad_row = \"drop\"`"
                    .to_owned(),
            );
        }
        hints
    }

    fn bad_text(&self) -> String {
        let Self { corpus, drops, bad, .. } = self;
        let n_documents = thousands(bad.n_documents);
        if bad.n() == 0 {
            let n_left = self.n_left();
            return match (n_left, bad.n_documents - n_left) {
                (1, 0) => format!("  `{corpus}`: its only row can be learned from"),
                (_, 0) => format!("  `{corpus}`: all {n_documents} rows can be learned from"),
                (0, _) => format!("  `{corpus}`: no row can be learned from"),
                (_, _) => format!(
                    "  `{corpus}`: {} of {n_documents} rows can be learned from",
                    thousands(n_left)
                ),
            };
        }
        let counts = bad.counts.iter().map(|(fault, n)| format!("{} {fault}", thousands(*n)));
        let counts: Vec<String> = counts.collect();
        let what = match (*drops, bad.n()) {
            (true, 1) => "is dropped",
            (true, _) => "are dropped",
            (false, _) => "cannot be learned from",
        };
        let named = bad.named.iter().map(|row| (&row.place, &row.problem));
        format!(
            "  `{corpus}`: {} of {n_documents} rows {what}: {}{}",
            thousands(bad.n()),
            counts.join(", "),
            shown(named, bad.n())
        )
    }

    /// Of rows that are longer than a row of tokens; nothing where there are none.
    fn long_text(&self) -> String {
        let LongRows { truncated, left_out, named } = &self.bad.long;
        if truncated + left_out == 0 {
            return String::new();
        }
        let named = named.iter().map(|LongRow { place, n_positions }| {
            (place, format!("{} positions, a row has {}", thousands(*n_positions), self.positions))
        });
        format!(
            "\n  `{}`: {} longer than a row of {} positions: {}{}",
            self.corpus,
            counted(truncated + left_out, "row is", "rows are"),
            self.positions,
            cut(*truncated, *left_out),
            shown(named, *left_out)
        )
    }

    pub(super) fn json(&self) -> Value {
        let BadRows { n_documents, named, counts, long, .. } = &self.bad;
        let counts = counts.iter().map(|(fault, n)| (fault.to_string(), json!(n)));
        let named = named.iter().map(|row| {
            json!({
                "file": row.place.path, "row_group": row.place.row_group, "row": row.place.row,
                "fault": row.fault, "problem": row.problem, "hint": row.hint,
            })
        });
        let too_long = long.named.iter().map(|LongRow { place, n_positions }| {
            json!({
                "file": place.path, "row_group": place.row_group, "row": place.row,
                "positions": n_positions,
            })
        });
        json!({
            "source": self.corpus, "rows": n_documents, "bad": self.bad.n(),
            "dropped": self.drops, "faults": Value::Object(counts.collect::<Map<_, _>>()),
            "named": named.collect::<Value>(), "sequence_length": self.positions,
            "truncated": long.truncated, "left_out": long.left_out, "too_long": too_long.collect::<Value>(),
        })
    }
}

/// The first of `n` rows, a line each.
fn shown<'a>(named: impl Iterator<Item = (&'a RowPlace, impl Display)>, n: u64) -> String {
    let lines = named.take(SHOWN).map(|(place, problem)| format!("\n    {place}: {problem}"));
    let mut text: String = lines.collect();
    if n > SHOWN as u64 {
        text += &format!("\n    and {} more", thousands(n - SHOWN as u64));
    }
    text
}
