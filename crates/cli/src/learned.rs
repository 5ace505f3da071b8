//! What a run with preferences or rewards learned, and what held it near its start, as tables.

mod rollouts;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::Serialize;
use temper_audit::{
    AnchorReport, Answers, FeedbackReport, Pairs, PreferenceReport, ReplayReport, RolloutReport,
};
use temper_ledger::{RunDir, TOO_LONG};

use crate::corpora::dropped_text;
use crate::print::{Table, counted, thousands};
use rollouts::rollouts;

/// Nats that a table's decimal shows: answers that become less likely by fewer are not warned of.
const NOTICED: f64 = 0.05;

/// What the ledger of a run says of it, beside losses.
#[derive(Debug, Serialize)]
pub(crate) struct Learned {
    #[serde(skip_serializing_if = "Option::is_none")]
    preference: Option<PreferenceReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<FeedbackReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollouts: Option<RolloutReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<ReplayReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<AnchorReport>,
    /// By source and reason, rows that it did not learn from because it could not, or because they are too
    /// long.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dropped: BTreeMap<String, BTreeMap<String, u64>>,
    /// By source, conversations whose end it did not learn from because they are longer than a row.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    truncated: BTreeMap<String, u64>,
}

impl Learned {
    /// Of a run; `None` where it had neither pairs nor judged answers nor rewards, nothing held it, and it
    /// dropped and cut no row.
    pub(crate) fn of(run: &RunDir) -> Result<Option<Self>> {
        let (preference, rollouts) = (temper_audit::preference(run)?, temper_audit::rollouts(run)?);
        let feedback = temper_audit::feedback(run)?;
        let (replay, anchor) = (temper_audit::replay(run)?, temper_audit::anchor(run)?);
        let sources = run.plan()?.map(|plan| plan.sources).unwrap_or_default();
        let dropped = sources.iter().map(|data| (data.source.clone(), data.all_dropped()));
        let dropped: BTreeMap<_, _> = dropped.filter(|(_, dropped)| !dropped.is_empty()).collect();
        let truncated = sources.iter().filter_map(|data| {
            let truncated = data.too_long.map_or(0, |too_long| too_long.truncated);
            (truncated > 0).then(|| (data.source.clone(), truncated))
        });
        let truncated: BTreeMap<_, _> = truncated.collect();
        let is_there = preference.is_some()
            || feedback.is_some()
            || rollouts.is_some()
            || anchor.is_some()
            || !dropped.is_empty()
            || !truncated.is_empty();
        Ok(is_there.then_some(Self {
            preference,
            feedback,
            rollouts,
            replay,
            anchor,
            dropped,
            truncated,
        }))
    }
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = [
            self.preference.as_ref().map(preference),
            self.feedback.as_ref().map(feedback),
            self.rollouts.as_ref().map(rollouts),
            self.replay.as_ref().map(replay),
            self.anchor.as_ref().map(anchor),
        ];
        let dropped = self.dropped.iter();
        let dropped =
            dropped.map(|(source, dropped)| format!("  {source}: {}", dropped_text(dropped)));
        let truncated = self.truncated.iter().map(|(source, n)| {
            format!("  {source}: {} truncated: {TOO_LONG}", counted(*n, "row", "rows"))
        });
        let dropped: Vec<String> = dropped.chain(truncated).collect();
        let dropped = (!dropped.is_empty()).then(|| dropped.join("\n"));
        let parts: Vec<String> = tables.into_iter().flatten().chain(dropped).collect();
        f.write_str(&parts.join("\n"))
    }
}

/// Pairs of the first and the last tenth of the steps, and whether better answers became less likely.
fn preference(report: &PreferenceReport) -> String {
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
    let row = |source: &str, steps: &str, pairs: &Pairs| {
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
    };
    for source in &report.sources {
        table.row(row(&source.source, "first tenth", &source.first));
        table.row(row("", "last tenth", &source.last));
    }
    let note = "accuracy: pairs whose better answer is preferred more than by the starting model; nats: how much\n  \
                likelier an answer is than under it";
    let sank = report.sources.iter().filter(|source| source.last.chosen < -NOTICED);
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

/// Judged answers of the first and the last tenth of the steps, and whether those that were liked became
/// less likely.
fn feedback(report: &FeedbackReport) -> String {
    let mut table = Table::new(&[
        "feedback",
        "steps",
        "desirable",
        "undesirable",
        "loss",
        "rewards",
        "kl",
        "desirable, nats",
        "undesirable, nats",
    ]);
    let row = |source: &str, steps: &str, of: &Answers| {
        vec![
            source.to_owned(),
            steps.to_owned(),
            thousands(of.desirable.answers),
            thousands(of.undesirable.answers),
            format!("{:.4}", of.loss),
            format!("{:+.3}, {:+.3}", of.desirable.reward, of.undesirable.reward),
            format!("{:+.3}", of.kl),
            format!("{:+.2}", of.desirable.ratio),
            format!("{:+.2}", of.undesirable.ratio),
        ]
    };
    for source in &report.sources {
        table.row(row(&source.source, "first tenth", &source.first));
        table.row(row("", "last tenth", &source.last));
    }
    let note = "rewards: beta times nats, of desirable and undesirable answers; nats: how much likelier an answer is\n  \
                than under the starting model; kl: the same of answers to other prompts";
    let sank = report.sources.iter().filter(|source| source.last.desirable.ratio < -NOTICED);
    let warnings: String = sank
        .map(|source| {
            format!(
                "\n  {}: desirable answers are {:.1} nats less likely than at the start; a larger \
                 `preference.desirable_weight` or a lower `optimizer.lr` holds them",
                source.source, -source.last.desirable.ratio
            )
        })
        .collect();
    format!("{table}  {note}{warnings}")
}

/// What was replayed in the first and the last tenth of the steps.
fn replay(report: &ReplayReport) -> String {
    let sources = report.first.losses.keys();
    let names: Vec<String> = sources.map(|source| format!("{source}, nats")).collect();
    let headings = ["replay", "of the tokens", "gradient, over the stage's"].into_iter();
    let headings: Vec<&str> = headings.chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new(&headings);
    for (steps, of) in [("first tenth", &report.first), ("last tenth", &report.last)] {
        let ratio = of.gradient_ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let losses = report.first.losses.keys().map(|source| {
            of.losses.get(source).map_or("–".to_owned(), |loss| format!("{loss:.4}"))
        });
        let cells = [steps.to_owned(), format!("{:.1} %", 100.0 * of.token_share), ratio];
        table.row(cells.into_iter().chain(losses).collect());
    }
    table.to_string()
}

/// What the anchor added to the objective in the first and the last tenth of the steps.
fn anchor(report: &AnchorReport) -> String {
    let names = report.last.terms.keys();
    let headings = ["anchor", "loss"].into_iter().chain(names.map(String::as_str));
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for (steps, of) in [("first tenth", &report.first), ("last tenth", &report.last)] {
        let terms =
            report.last.terms.keys().map(|name| {
                of.terms.get(name).map_or("–".to_owned(), |term| format!("{term:.3e}"))
            });
        let cells = [steps.to_owned(), format!("{:.4}", of.loss)];
        table.row(cells.into_iter().chain(terms).collect());
    }
    table.to_string()
}
