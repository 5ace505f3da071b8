//! `temper checkpoint`: what a checkpoint is, in another type, beside another one, and what it computes.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use temper_model::hf;

use crate::args::{
    CheckpointConvertArguments, CheckpointDiffArguments, CheckpointLogitsArguments, DtypeName,
};
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::print::{self, Table};
use crate::{device, lineage, tables};

pub(crate) use self::merge::merge;
pub(crate) use self::show::show;

mod merge;
mod show;

/// Writes a checkpoint in another type of weights, and beside it the runs it came from.
pub(crate) fn convert(arguments: &CheckpointConvertArguments) -> Result<(), Failure> {
    let checkpoint = Checkpoint::find(Path::new(""), &arguments.checkpoint)?;
    let shard = byte_count(&arguments.max_shard_size)?;
    let dtype = dtype(arguments.dtype);
    let runs = lineage::behind(&[&checkpoint])?;
    let beside = lineage::file(&runs);
    let report = hf::convert(&checkpoint.located, &arguments.out, dtype, shard, beside.as_slice())?;
    print::note(&report.to_string());
    if arguments.json {
        print::json(&json!({
            "out": arguments.out, "dtype": dtype.name(), "tensors": report.loaded.len(),
            "merged": report.merged, "ignored": ignored(&report), "runs": runs,
        }))?;
    } else {
        let runs = match runs.len() {
            0 => String::new(),
            1 => ", with the run behind it in `lineage.json`".to_owned(),
            n => format!(", with the {n} runs behind it in `lineage.json`"),
        };
        let out = print::path(&arguments.out);
        print::data(&format!("written: {out} as {}{runs}", dtype.name()));
    }
    Ok(())
}

fn dtype(name: DtypeName) -> hf::Dtype {
    match name {
        DtypeName::F32 => hf::Dtype::F32,
        DtypeName::F16 => hf::Dtype::F16,
        DtypeName::Bf16 => hf::Dtype::Bf16,
    }
}

fn ignored(report: &hf::LoadReport) -> Vec<&str> {
    report.ignored.iter().map(|tensor| tensor.name.as_str()).collect()
}

/// `500MB` or `5GB` as bytes; units are powers of ten, as Hugging Face counts shards.
fn byte_count(text: &str) -> Result<u64> {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1), ("", 1)];
    let upper = text.to_uppercase();
    let found = units.iter().find_map(|(unit, bytes)| {
        let number: u64 = upper.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(*bytes)
    });
    found.filter(|bytes| *bytes > 0).ok_or_else(|| {
        anyhow!("--max-shard-size: found `{text}`, expected a size\n\nhint: write 500MB or 5GB")
    })
}

/// Compares what two checkpoints store; exits with 1 when they differ.
pub(crate) fn diff(arguments: &CheckpointDiffArguments) -> Result<(), Failure> {
    let folder = |asked: &str| -> Result<_> {
        let located = Checkpoint::find(Path::new(""), asked)?.located;
        if located.adapter.is_some() {
            bail!(
                "diff: `{asked}` is an adapter, expected whole weights\n\nhint: merge it first with \
                 `temper checkpoint convert {asked} OUT`"
            );
        }
        Ok(located.folder)
    };
    let difference = hf::diff(&folder(&arguments.a)?, &folder(&arguments.b)?)?;
    if arguments.json {
        print::json(&difference_json(&difference))?;
    } else {
        print::data(&difference_text(&difference));
    }
    if difference.is_none() { Ok(()) } else { Err(Failure::Refused) }
}

fn difference_json(difference: &hf::Difference) -> Value {
    let tensors = difference.tensors.iter().map(|tensor| {
        json!({
            "name": tensor.name, "shape": tensor.shape, "max_abs": tensor.max_abs,
            "relative_norm": tensor.relative_norm,
        })
    });
    let mismatched = difference.mismatched.iter().map(|tensor| {
        json!({ "name": tensor.name, "shape_a": tensor.expected, "shape_b": tensor.found })
    });
    json!({
        "equal": difference.is_none(),
        "tensors": tensors.collect::<Vec<_>>(),
        "mismatched": mismatched.collect::<Vec<_>>(),
        "only_a": difference.only_a,
        "only_b": difference.only_b,
    })
}

fn difference_text(difference: &hf::Difference) -> String {
    let mut table = Table::new(&["tensor", "shape", "max |a − b|", "‖a − b‖ / ‖a‖"]);
    for tensor in difference.tensors.iter().filter(|tensor| tensor.max_abs > 0.0) {
        table.row(vec![
            tensor.name.clone(),
            tables::shape(&tensor.shape),
            format!("{:.3e}", tensor.max_abs),
            format!("{:.3e}", tensor.relative_norm),
        ]);
    }
    for tensor in &difference.mismatched {
        let shapes = [&tensor.expected, &tensor.found].map(|shape| tables::shape(shape));
        table.row(vec![tensor.name.clone(), shapes.join(" / "), String::new(), String::new()]);
    }
    for (names, which) in [(&difference.only_a, "only in A"), (&difference.only_b, "only in B")] {
        for name in names {
            table.row(vec![name.clone(), which.to_owned(), String::new(), String::new()]);
        }
    }
    let equal = difference.tensors.iter().filter(|tensor| tensor.max_abs == 0.0).count();
    let n = difference.tensors.len();
    if difference.is_none() {
        return format!("all {n} tensors are equal");
    }
    format!("{table}\n  {equal} of {n} common tensors are equal")
}

/// Prints the logits after each id.
pub(crate) fn logits(arguments: &CheckpointLogitsArguments) -> Result<(), Failure> {
    let device = device::open(&arguments.device.device)?;
    let checkpoint = Checkpoint::find(Path::new(""), &arguments.checkpoint)?;
    let (decoder, _) = checkpoint.load(None, &device)?;
    let logits = decoder.logits(&arguments.ids)?;
    let [n, width] = logits.dims();
    let values: Vec<f32> =
        logits.into_data().try_into_vec().map_err(|error| anyhow!("logits: {error:?}"))?;
    let first = n - arguments.last.unwrap_or(n).min(n);
    let rows: Vec<&[f32]> = values.chunks_exact(width).skip(first).collect();
    if arguments.json {
        // One line, as a program reads it.
        print::data(&serde_json::to_string(&rows)?);
    } else {
        print::data(&likeliest(&arguments.ids[first..], &rows));
    }
    Ok(())
}

/// The five likeliest tokens after each id.
fn likeliest(ids: &[u32], rows: &[&[f32]]) -> String {
    let mut table = Table::new(&["after", "1st", "2nd", "3rd", "4th", "5th"]);
    for (id, row) in ids.iter().zip(rows) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(a.cmp(b)));
        order.resize(5.min(row.len()), 0);
        let shown = order.iter().map(|next| format!("{next}: {:.3}", row[*next]));
        let mut cells: Vec<String> = std::iter::once(id.to_string()).chain(shown).collect();
        cells.resize(6, String::new());
        table.row(cells);
    }
    table.to_string()
}
