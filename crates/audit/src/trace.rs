//! Which documents a step was made of, derived again.

use std::path::Path;

use serde::Serialize;
use temper_ledger::{LedgerReader, RowRecord, RunDir, SegmentRecord};
use temper_mix::Plan;
use temper_recipe::Project;

use crate::error::Error;
use crate::finding::Findings;
use crate::inputs::{Bytes, Inputs};
use crate::rederive::{Plans, row_record};
use crate::refilled::Refilled;

/// One step, from recipe and shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The step, from 0.
    pub step: u64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// Whether the ledger says the same; `None` when it does not have the step.
    pub as_recorded: Option<bool>,
    /// In order of the step.
    pub rows: Vec<TraceRow>,
}

/// One row of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceRow {
    /// The row within the step.
    pub row: u32,
    /// The lane that carries it.
    pub lane: u32,
    /// The source.
    pub source: String,
    /// Passes over the source before this one.
    pub epoch: u32,
    /// Tokens that carry loss.
    pub tokens: u32,
    /// How often another document took the place of what was planned.
    pub refills: u32,
    /// What it holds, in order.
    pub segments: Vec<TraceSegment>,
}

/// A run of positions of one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceSegment {
    /// The Parquet file, relative to `data-manifests/`.
    pub file: String,
    /// The row group of that file.
    pub row_group: u32,
    /// The row within the row group.
    pub row: u32,
    /// The number of the document in its source.
    pub document: u64,
    /// The first position.
    pub start: u32,
    /// How many positions.
    pub length: u32,
    /// The ids it reads and the one after, which it predicts last.
    #[serde(skip)]
    pub ids: Vec<u32>,
}

/// Derives step `step` of a run again and names its documents.
///
/// Rows before the step are counted, not read; how often rows were refilled is what the ledger says. Shards
/// are taken as they are: `as_recorded` tells whether the step came out the same.
///
/// # Errors
/// [`Error::NoShards`] when shards cannot be opened; [`Error::NoStep`] beyond
/// the plan's end.
pub fn trace(run: &Path, project: &Project, step: u64) -> Result<Trace, Error> {
    let path = run.to_owned();
    let run = RunDir::open(run)?;
    let mut findings = Findings::default();
    let inputs = Inputs::load(&run, project, Bytes::Trust, &mut findings)?;
    let Some(plans) = Plans::new(&inputs)? else {
        let missing = inputs.sources.iter().filter(|source| source.tokens.is_none());
        let missing: Vec<String> = missing.map(|source| format!("`{}`", source.corpus)).collect();
        return Err(Error::NoShards { path, missing: missing.join(", ") });
    };
    let Some((plan, planned)) = plans.step(step)? else {
        let last = plans.n_steps()?.saturating_sub(1);
        return Err(Error::NoStep { path, step, last });
    };
    let ledger = LedgerReader::open(&run)?;
    let recorded = ledger.step(step)?;
    let mut refilled = Refilled::new(&inputs.recipe, &run);
    refilled.pass_over(&ledger, step)?;
    let planned = match &recorded {
        Some(recorded) => refilled.derived(plan, planned, recorded, &mut findings).0,
        None => planned,
    };
    let rows: Vec<RowRecord> = (0..planned.rows.len())
        .map(|number| row_record(plan, &planned, number, &inputs.recipe))
        .collect();
    Ok(Trace {
        step,
        tokens: planned.tokens(),
        as_recorded: recorded.map(|recorded| recorded.rows == rows),
        rows: rows
            .iter()
            .zip(&planned.rows)
            .map(|(row, planned)| trace_row(row, planned.source, plan, &inputs))
            .collect(),
    })
}

fn trace_row(row: &RowRecord, source: usize, plan: &Plan, inputs: &Inputs) -> TraceRow {
    let file = |segment: &SegmentRecord| {
        let manifest = inputs.source(&row.source).and_then(|source| source.manifest.as_ref());
        let file = manifest.and_then(|manifest| manifest.files.get(segment.file as usize));
        // Without its manifest the file still has a number.
        file.map_or_else(
            || format!("file {} of `{}`", segment.file, row.source),
            |file| file.path.clone(),
        )
    };
    let segment = |segment: &SegmentRecord| TraceSegment {
        file: file(segment),
        row_group: segment.row_group,
        row: segment.row,
        document: segment.document,
        start: segment.start,
        length: segment.length,
        ids: {
            let mut ids = vec![0; segment.length as usize + 1];
            plan.tokens(source).read(segment.document as usize, segment.start as usize, &mut ids);
            ids
        },
    };
    TraceRow {
        row: row.row,
        lane: row.lane,
        source: row.source.clone(),
        epoch: row.epoch,
        tokens: row.tokens,
        refills: row.refills,
        segments: row.segments.iter().map(segment).collect(),
    }
}

#[cfg(test)]
mod tests;
