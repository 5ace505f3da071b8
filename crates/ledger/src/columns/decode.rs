//! Columns to steps.

use arrow::array::{Float64Array, StringArray, UInt32Array, UInt64Array};

use super::TablePart;
use crate::error::Error;
use crate::record::{
    LedgerStep, Measure, RowRecord, SegmentRecord, SourceLoss, StepRecord, StepReport,
};

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
