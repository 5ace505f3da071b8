//! What the ledger is told of a step.

use temper_ledger::{Measure, RowRecord, SegmentRecord, SourceLoss, StepReport};
use temper_mix::{Plan, PlannedStep, Segment, row_digest};

use crate::measured::Measured;

/// The step's numbers; sources without a row in it are left out.
pub(crate) fn step_report(
    plan: &Plan,
    step: &PlannedStep,
    learning_rate: f64,
    measured: Measured,
) -> StepReport {
    let names = plan.sources().iter().map(|source| source.name.clone());
    let measures = names.clone().zip(measured.measures).flat_map(|(source, measures)| {
        let named = measures.into_iter();
        named.map(move |(name, value)| Measure { source: source.clone(), name, value })
    });
    // What the stage itself and what is replayed beside it would each have moved.
    let norms =
        measured.norms.into_iter().flat_map(|norms| ["stage", "replay"].into_iter().zip(norms));
    let norms = norms.map(|(source, value)| Measure {
        source: source.to_owned(),
        name: "gradient_norm".to_owned(),
        value,
    });
    let updates = measured.updates.map(|updates| Measure {
        source: "stage".to_owned(),
        name: "updates".to_owned(),
        value: f64::from(updates),
    });
    let terms = measured.terms.into_iter().map(|(name, value)| Measure {
        source: "anchor".to_owned(),
        name: name.to_owned(),
        value,
    });
    let measures = measures.chain(norms).chain(updates).chain(terms).collect();
    let sources = names
        .zip(measured.sources)
        .filter(|(_, (tokens, _))| *tokens > 0)
        .map(|(source, (tokens, loss_sum))| SourceLoss { source, tokens, loss_sum })
        .collect();
    StepReport {
        step: step.index,
        tokens: step.tokens(),
        learning_rate,
        loss: measured.loss,
        gradient_norm: measured.gradient_norm,
        sources,
        measures,
    }
}

/// The step's rows, with the documents in them.
pub(crate) fn row_records(plan: &Plan, step: &PlannedStep, rows_per_lane: usize) -> Vec<RowRecord> {
    (0..step.rows.len()).map(|number| row_record(plan, step, number, rows_per_lane)).collect()
}

/// One of them.
pub(crate) fn row_record(
    plan: &Plan,
    step: &PlannedStep,
    number: usize,
    rows_per_lane: usize,
) -> RowRecord {
    let row = &step.rows[number];
    let segment_record = |segment: &Segment| {
        let (tokens, document) = (plan.tokens(row.source), segment.document as usize);
        let origin = tokens.origin(document);
        SegmentRecord {
            document: segment.document,
            ids: tokens.ids_digest(document).into(),
            file: origin.file,
            row_group: origin.row_group,
            row: origin.row,
            start: segment.start,
            length: segment.len,
        }
    };
    RowRecord {
        step: step.index,
        row: number as u32,
        lane: step.lane_of(number, rows_per_lane) as u32,
        source: plan.sources()[row.source].name.clone(),
        epoch: row.epoch,
        tokens: row.positions() as u32,
        supervised: row.supervised,
        ids: row_digest(plan, row).into(),
        refills: row.refills,
        segments: row.segments.iter().map(segment_record).collect(),
    }
}
