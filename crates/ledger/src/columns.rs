//! Steps as columns and back: five flat tables, so that any reader of Parquet can ask them.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};

use crate::error::Error;
use crate::record::{
    IdsDigest, LedgerStep, Measure, RowRecord, SegmentRecord, SourceLoss, StepRecord, StepReport,
};

/// The tables of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One line per row: step, row, lane, source, epoch, tokens, supervised, ids, refills.
    Rows,
    /// One line per segment: step, row, segment, source, document, document_ids, file, row_group, group_row, start, length.
    Segments,
    /// One line per step: step, tokens, learning_rate, loss, gradient_norm, chain.
    Steps,
    /// One line per step and source: step, source, tokens, loss_sum.
    Losses,
    /// One line per step, source and quantity: step, source, measure, value.
    Measures,
}

impl Table {
    /// All of them, in the order they are written.
    pub const ALL: [Self; 5] =
        [Self::Rows, Self::Segments, Self::Losses, Self::Measures, Self::Steps];

    /// The first word of its file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Segments => "segments",
            Self::Steps => "steps",
            Self::Losses => "losses",
            Self::Measures => "measures",
        }
    }

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

/// One table of a part, with the file it came from.
pub(crate) struct TablePart {
    pub(crate) path: PathBuf,
    pub(crate) batch: RecordBatch,
}

impl TablePart {
    /// Without the lines of steps after `last`; lines are in order of the step.
    pub(crate) fn until(self, last: u64) -> Result<Self, Error> {
        let steps = self.column::<UInt64Array>("step")?.values();
        let n_lines = steps.iter().take_while(|step| **step <= last).count();
        Ok(Self { batch: self.batch.slice(0, n_lines), path: self.path })
    }

    /// Which ids the documents of a table of segments hold.
    pub(crate) fn document_ids(&self) -> Result<Vec<IdsDigest>, Error> {
        let ids = self.column::<StringArray>("document_ids")?;
        ids.iter().map(|ids| self.parse(ids.unwrap_or_default())).collect()
    }

    pub(crate) fn column<T: Array + 'static>(&self, name: &str) -> Result<&T, Error> {
        let column = self
            .batch
            .column_by_name(name)
            .ok_or_else(|| self.unreadable(format!("found no column `{name}`")))?;
        let typed = column.as_any().downcast_ref::<T>().ok_or_else(|| {
            self.unreadable(format!("column `{name}` has type {}", column.data_type()))
        })?;
        if typed.null_count() > 0 {
            return Err(self.unreadable(format!("column `{name}` has empty cells, expected none")));
        }
        Ok(typed)
    }

    fn parse<T: std::str::FromStr<Err = String>>(&self, text: &str) -> Result<T, Error> {
        text.parse().map_err(|reason| self.unreadable(reason))
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::UnreadablePart { path: self.path.clone(), reason }
    }
}

/// The steps `first..=last` of a part, whose tables must agree with each other.
pub(crate) fn decode(
    [rows, segments, losses, measures, steps]: &[TablePart; 5],
    first: u64,
    last: u64,
) -> Result<Vec<LedgerStep>, Error> {
    let mut decoded = decode_steps(steps, first, last)?;
    decode_losses(losses, first, &mut decoded)?;
    decode_measures(measures, first, &mut decoded)?;
    decode_rows(rows, first, &mut decoded)?;
    decode_segments(segments, first, &mut decoded)?;
    Ok(decoded)
}

/// The steps of a part without their losses and rows.
pub(crate) fn decode_steps(
    table: &TablePart,
    first: u64,
    last: u64,
) -> Result<Vec<LedgerStep>, Error> {
    let step = table.column::<UInt64Array>("step")?;
    let tokens = table.column::<UInt64Array>("tokens")?;
    let learning_rate = table.column::<Float64Array>("learning_rate")?;
    let loss = table.column::<Float64Array>("loss")?;
    let gradient_norm = table.column::<Float64Array>("gradient_norm")?;
    let chain = table.column::<StringArray>("chain")?;
    if !step.values().iter().copied().eq(first..=last) {
        let reason = format!("found {} steps, expected each of {first} to {last} once", step.len());
        return Err(table.unreadable(reason));
    }
    (0..step.len())
        .map(|i| {
            let report = StepReport {
                step: step.value(i),
                tokens: tokens.value(i),
                learning_rate: learning_rate.value(i),
                loss: loss.value(i),
                gradient_norm: gradient_norm.value(i),
                sources: Vec::new(),
                measures: Vec::new(),
            };
            let chain = table.parse(chain.value(i))?;
            Ok(LedgerStep { step: StepRecord { report, chain }, rows: Vec::new() })
        })
        .collect()
}

fn decode_losses(table: &TablePart, first: u64, steps: &mut [LedgerStep]) -> Result<(), Error> {
    let step = table.column::<UInt64Array>("step")?;
    let source = table.column::<StringArray>("source")?;
    let tokens = table.column::<UInt64Array>("tokens")?;
    let loss_sum = table.column::<Float64Array>("loss_sum")?;
    for i in 0..step.len() {
        step_of(table, steps, first, step.value(i))?.step.report.sources.push(SourceLoss {
            source: source.value(i).to_owned(),
            tokens: tokens.value(i),
            loss_sum: loss_sum.value(i),
        });
    }
    Ok(())
}

fn decode_measures(table: &TablePart, first: u64, steps: &mut [LedgerStep]) -> Result<(), Error> {
    let step = table.column::<UInt64Array>("step")?;
    let source = table.column::<StringArray>("source")?;
    let measure = table.column::<StringArray>("measure")?;
    let value = table.column::<Float64Array>("value")?;
    for i in 0..step.len() {
        step_of(table, steps, first, step.value(i))?.step.report.measures.push(Measure {
            source: source.value(i).to_owned(),
            name: measure.value(i).to_owned(),
            value: value.value(i),
        });
    }
    Ok(())
}

fn decode_rows(table: &TablePart, first: u64, steps: &mut [LedgerStep]) -> Result<(), Error> {
    let step = table.column::<UInt64Array>("step")?;
    let row = table.column::<UInt32Array>("row")?;
    let lane = table.column::<UInt32Array>("lane")?;
    let source = table.column::<StringArray>("source")?;
    let epoch = table.column::<UInt32Array>("epoch")?;
    let tokens = table.column::<UInt32Array>("tokens")?;
    let supervised = table.column::<UInt32Array>("supervised")?;
    let ids = table.column::<StringArray>("ids")?;
    // Ledgers of before there were any have none.
    let refills = match table.batch.column_by_name("refills") {
        Some(_) => Some(table.column::<UInt32Array>("refills")?),
        None => None,
    };
    for i in 0..step.len() {
        let rows = &mut step_of(table, steps, first, step.value(i))?.rows;
        if row.value(i) as usize != rows.len() {
            let (step, found, expected) = (step.value(i), row.value(i), rows.len());
            let reason = format!("step {step}: found row {found}, expected row {expected}");
            return Err(table.unreadable(reason));
        }
        rows.push(RowRecord {
            step: step.value(i),
            row: row.value(i),
            lane: lane.value(i),
            source: source.value(i).to_owned(),
            epoch: epoch.value(i),
            tokens: tokens.value(i),
            supervised: supervised.value(i),
            ids: table.parse(ids.value(i))?,
            refills: refills.map_or(0, |refills| refills.value(i)),
            segments: Vec::new(),
        });
    }
    Ok(())
}

fn decode_segments(table: &TablePart, first: u64, steps: &mut [LedgerStep]) -> Result<(), Error> {
    let step = table.column::<UInt64Array>("step")?;
    let row = table.column::<UInt32Array>("row")?;
    let segment = table.column::<UInt32Array>("segment")?;
    let source = table.column::<StringArray>("source")?;
    let document = table.column::<UInt64Array>("document")?;
    let ids = table.column::<StringArray>("document_ids")?;
    let file = table.column::<UInt32Array>("file")?;
    let row_group = table.column::<UInt32Array>("row_group")?;
    let group_row = table.column::<UInt32Array>("group_row")?;
    let start = table.column::<UInt32Array>("start")?;
    let length = table.column::<UInt32Array>("length")?;
    for i in 0..step.len() {
        let owner =
            step_of(table, steps, first, step.value(i))?.rows.get_mut(row.value(i) as usize);
        let fitting = owner.filter(|owner| {
            owner.source == source.value(i) && owner.segments.len() == segment.value(i) as usize
        });
        let Some(owner) = fitting else {
            let (step, row, segment) = (step.value(i), row.value(i), segment.value(i));
            let reason = format!(
                "segment {segment} of row {row} in step {step} does not follow its row in `rows`"
            );
            return Err(table.unreadable(reason));
        };
        owner.segments.push(SegmentRecord {
            document: document.value(i),
            ids: table.parse(ids.value(i))?,
            file: file.value(i),
            row_group: row_group.value(i),
            row: group_row.value(i),
            start: start.value(i),
            length: length.value(i),
        });
    }
    Ok(())
}

fn step_of<'a>(
    table: &TablePart,
    steps: &'a mut [LedgerStep],
    first: u64,
    step: u64,
) -> Result<&'a mut LedgerStep, Error> {
    let last = first + steps.len() as u64 - 1;
    step.checked_sub(first).and_then(|i| steps.get_mut(i as usize)).ok_or_else(|| {
        table.unreadable(format!("found step {step}, expected steps {first} to {last}"))
    })
}
