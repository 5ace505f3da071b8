//! Recorded steps against derived ones, column by column.

use rayon::prelude::*;
use temper_ledger::{LedgerStep, RowRecord, SegmentRecord};
use temper_mix::{Plan, PlannedStep};
use temper_recipe::{Hasher, Recipe};

use crate::finding::{Findings, What};
use crate::rederive::row_record;

/// Compares the derived columns of one step, and adds its derived rows to `derived`.
pub(crate) fn compare_step(
    found: &LedgerStep,
    plan: &Plan,
    planned: &PlannedStep,
    recipe: &Recipe,
    derived: &mut Hasher,
    findings: &mut Findings,
) {
    let step = planned.index;
    let place = |column: &str| format!("step {step}, {column}");
    let report = &found.step.report;
    findings.compare(What::Step, &place("tokens"), report.tokens, planned.tokens());
    let optimizer = &recipe.optimizer;
    let progress = plan.progress(&planned.next);
    let expected = optimizer.schedule.learning_rate(optimizer.lr, progress);
    findings.compare(What::Step, &place("learning_rate"), report.learning_rate, expected);
    findings.compare(What::Step, &place("rows"), found.rows.len(), planned.rows.len());
    findings.compare(
        What::Step,
        &place("tokens per source"),
        recorded_tokens(found),
        planned_tokens(plan, planned),
    );
    // Reading and digesting the ids is most of an audit.
    let expected: Vec<RowRecord> = (0..planned.rows.len())
        .into_par_iter()
        .map(|number| row_record(plan, planned, number, recipe))
        .collect();
    let mut recorded = found.rows.iter();
    for expected in expected {
        expected.digest_into(derived);
        if let Some(row) = recorded.next().filter(|row| **row != expected) {
            compare_row(row, &expected, findings);
        }
    }
}

/// `chem 512, prose 128`, in order of the recipe.
fn planned_tokens(plan: &Plan, planned: &PlannedStep) -> String {
    let mut tokens = vec![0; plan.sources().len()];
    for row in &planned.rows {
        tokens[row.source] += row.tokens();
    }
    let sources = plan.sources().iter().map(|source| source.name.as_str());
    listed(sources.zip(tokens).filter(|(_, tokens)| *tokens > 0))
}

fn recorded_tokens(found: &LedgerStep) -> String {
    listed(found.step.report.sources.iter().map(|source| (source.source.as_str(), source.tokens)))
}

fn listed<'a>(tokens: impl Iterator<Item = (&'a str, u64)>) -> String {
    tokens.map(|(source, tokens)| format!("{source} {tokens}")).collect::<Vec<_>>().join(", ")
}

fn compare_row(found: &RowRecord, expected: &RowRecord, findings: &mut Findings) {
    let place = |column: &str| format!("step {}, row {}, {column}", expected.step, expected.row);
    findings.compare(What::Row, &place("lane"), found.lane, expected.lane);
    findings.compare(What::Row, &place("source"), found.source.as_str(), expected.source.as_str());
    findings.compare(What::Row, &place("epoch"), found.epoch, expected.epoch);
    findings.compare(What::Row, &place("tokens"), found.tokens, expected.tokens);
    findings.compare(What::Row, &place("supervised"), found.supervised, expected.supervised);
    findings.compare(What::Row, &place("ids"), found.ids.to_string(), expected.ids.to_string());
    findings.compare(What::Row, &place("refills"), found.refills, expected.refills);
    let (n_found, n_expected) = (found.segments.len(), expected.segments.len());
    findings.compare(What::Row, &place("segments"), n_found, n_expected);
    // The first one shows the difference; those after it are shifted by it.
    let different = found.segments.iter().zip(&expected.segments).position(|(a, b)| a != b);
    if let Some(i) = different {
        let place = place(&format!("segment {i}"));
        findings.add(What::Row, place, said(&found.segments[i]), said(&expected.segments[i]));
    }
}

fn said(segment: &SegmentRecord) -> String {
    let SegmentRecord { document, ids, file, row_group, row, start, length } = segment;
    format!(
        "{length} tokens from {start} of document {document} (file {file}, row group {row_group}, row {row}, ids {ids})"
    )
}
