//! Steps to columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};

use super::Table;
use crate::record::{LedgerStep, Measure, RowRecord, SegmentRecord, SourceLoss};

impl Table {
    /// The lines of this table for `steps`.
    pub(crate) fn encode(self, steps: &[LedgerStep]) -> RecordBatch {
        let columns = match self {
            Self::Rows => rows(steps),
            Self::Segments => segments(steps),
            Self::Steps => step_lines(steps),
            Self::Losses => losses(steps),
            Self::Measures => measures(steps),
        };
        RecordBatch::try_from_iter(columns).expect("columns of one length, one per field")
    }
}

type Columns = Vec<(&'static str, ArrayRef)>;

fn rows(steps: &[LedgerStep]) -> Columns {
    let rows: Vec<&RowRecord> = steps.iter().flat_map(|step| &step.rows).collect();
    vec![
        ("step", u64s(rows.iter().map(|row| row.step))),
        ("row", u32s(rows.iter().map(|row| row.row))),
        ("lane", u32s(rows.iter().map(|row| row.lane))),
        ("source", texts(rows.iter().map(|row| row.source.clone()))),
        ("epoch", u32s(rows.iter().map(|row| row.epoch))),
        ("tokens", u32s(rows.iter().map(|row| row.tokens))),
        ("supervised", u32s(rows.iter().map(|row| row.supervised))),
        ("ids", texts(rows.iter().map(|row| row.ids.to_string()))),
        ("refills", u32s(rows.iter().map(|row| row.refills))),
    ]
}

fn segments(steps: &[LedgerStep]) -> Columns {
    let segments: Vec<(&RowRecord, usize, &SegmentRecord)> = steps
        .iter()
        .flat_map(|step| &step.rows)
        .flat_map(|row| row.segments.iter().enumerate().map(move |(i, segment)| (row, i, segment)))
        .collect();
    vec![
        ("step", u64s(segments.iter().map(|(row, ..)| row.step))),
        ("row", u32s(segments.iter().map(|(row, ..)| row.row))),
        ("segment", u32s(segments.iter().map(|(_, i, _)| *i as u32))),
        ("source", texts(segments.iter().map(|(row, ..)| row.source.clone()))),
        ("document", u64s(segments.iter().map(|(.., segment)| segment.document))),
        ("document_ids", texts(segments.iter().map(|(.., segment)| segment.ids.to_string()))),
        ("file", u32s(segments.iter().map(|(.., segment)| segment.file))),
        ("row_group", u32s(segments.iter().map(|(.., segment)| segment.row_group))),
        ("group_row", u32s(segments.iter().map(|(.., segment)| segment.row))),
        ("start", u32s(segments.iter().map(|(.., segment)| segment.start))),
        ("length", u32s(segments.iter().map(|(.., segment)| segment.length))),
    ]
}

fn step_lines(steps: &[LedgerStep]) -> Columns {
    let reports = || steps.iter().map(|step| &step.step.report);
    vec![
        ("step", u64s(reports().map(|report| report.step))),
        ("tokens", u64s(reports().map(|report| report.tokens))),
        ("learning_rate", f64s(reports().map(|report| report.learning_rate))),
        ("loss", f64s(reports().map(|report| report.loss))),
        ("gradient_norm", f64s(reports().map(|report| report.gradient_norm))),
        ("chain", texts(steps.iter().map(|step| step.step.chain.to_string()))),
    ]
}

fn losses(steps: &[LedgerStep]) -> Columns {
    let losses: Vec<(u64, &SourceLoss)> = steps
        .iter()
        .map(|step| &step.step.report)
        .flat_map(|report| report.sources.iter().map(move |loss| (report.step, loss)))
        .collect();
    vec![
        ("step", u64s(losses.iter().map(|(step, _)| *step))),
        ("source", texts(losses.iter().map(|(_, loss)| loss.source.clone()))),
        ("tokens", u64s(losses.iter().map(|(_, loss)| loss.tokens))),
        ("loss_sum", f64s(losses.iter().map(|(_, loss)| loss.loss_sum))),
    ]
}

fn measures(steps: &[LedgerStep]) -> Columns {
    let measures: Vec<(u64, &Measure)> = steps
        .iter()
        .map(|step| &step.step.report)
        .flat_map(|report| report.measures.iter().map(move |measure| (report.step, measure)))
        .collect();
    vec![
        ("step", u64s(measures.iter().map(|(step, _)| *step))),
        ("source", texts(measures.iter().map(|(_, measure)| measure.source.clone()))),
        ("measure", texts(measures.iter().map(|(_, measure)| measure.name.clone()))),
        ("value", f64s(measures.iter().map(|(_, measure)| measure.value))),
    ]
}

fn u32s(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

fn u64s(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn f64s(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}
