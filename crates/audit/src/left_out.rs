//! What a plan says of rows that nothing is learned from, against the shards.

use temper_ledger::{DroppedRow, MOST_PLACES, SourceData, TOO_LONG, TooLongRecord};
use temper_mix::{PlanSpec, TooLong};
use temper_tokens::{DocumentOrigin, RowLimit, TokenSource};

use crate::finding::{Findings, What};
use crate::inputs::{InputSource, Inputs};

/// Compares the counts of every source, and where its rows stand, as far as the run recorded them.
pub(crate) fn check_left_out(inputs: &Inputs, findings: &mut Findings) {
    let recipe = &inputs.recipe;
    let spec = PlanSpec::new(recipe, recipe.training.budget);
    let planned = inputs.plan.iter().flat_map(|plan| &plan.sources);
    for (data, source) in planned.zip(&inputs.sources) {
        check_dropped(data, source, findings);
        let at = recipe.sources().position(|named| named.corpus == data.source);
        // Remixes change no row, only the mix itself: a source of theirs has its rows.
        check_too_long(data, source, spec.row_limit(at.unwrap_or(0)), findings);
    }
}

/// The rows that are no documents: the shards count them, and have none of those named.
fn check_dropped(data: &SourceData, source: &InputSource, findings: &mut Findings) {
    let Some(tokens) = &source.tokens else { return };
    let said = |data| format!("{data:?}");
    let (found, expected) = (said(&data.dropped), said(&tokens.set().dropped));
    findings.compare(What::Plan, &format!("rows of `{}` dropped", data.source), found, expected);
    for row in data.dropped_rows.iter().filter(|row| row.reason != TOO_LONG) {
        if holds(tokens.as_ref(), origin(row)) {
            let DroppedRow { file, row_group, row, .. } = row;
            let place = format!("`{}`, file {file}, row group {row_group}, row {row}", data.source);
            findings.add(What::Plan, place, "dropped", "a document of its shards");
        }
    }
}

/// The documents that are longer than a row: derived again.
fn check_too_long(
    data: &SourceData,
    source: &InputSource,
    limit: RowLimit,
    findings: &mut Findings,
) {
    let (Some(recorded), Some(documents)) = (data.too_long, source.documents()) else { return };
    let derived = TooLong::of(documents.as_ref(), limit);
    let said = |truncated, left_out| format!("{truncated} truncated, {left_out} left out");
    let TooLongRecord { truncated, left_out } = recorded;
    let place = format!("documents of `{}` longer than a row", data.source);
    let expected = said(derived.truncated, derived.left_out.len() as u64);
    findings.compare(What::Plan, &place, said(truncated, left_out), expected);
    let named = data.dropped_rows.iter().filter(|row| row.reason == TOO_LONG).map(origin);
    let first = derived.left_out.iter().take(MOST_PLACES);
    if !named.eq(first.map(|document| documents.origin(*document as usize))) {
        findings.add(What::Plan, place, "other rows named", "the first of those left out");
    }
}

fn origin(row: &DroppedRow) -> DocumentOrigin {
    let DroppedRow { file, row_group, row, .. } = *row;
    DocumentOrigin { file, row_group, row }
}

/// Whether a row is a document; documents stand in corpus order.
fn holds(source: &dyn TokenSource, origin: DocumentOrigin) -> bool {
    let (mut first, mut end) = (0, source.n_documents());
    while first < end {
        let middle = first.midpoint(end);
        match source.origin(middle) < origin {
            true => first = middle + 1,
            false => end = middle,
        }
    }
    first < source.n_documents() && source.origin(first) == origin
}
