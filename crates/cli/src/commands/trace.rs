//! `temper trace`: which documents were in a step, and where a document was.

mod rollouts;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use temper_audit::{Trace, sightings, trace as trace_run};
use temper_recipe::Project;
use temper_tokens::Tokenizer;

use super::audit::project_of;
use crate::args::TraceArguments;
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::print::{self, Table, thousands};

/// The documents of one step, or the steps of one document.
pub(crate) fn trace(arguments: &TraceArguments) -> Result<(), Failure> {
    let project = project_of(&arguments.run)?;
    match (&arguments.document, arguments.step) {
        (Some(document), _) => trace_document(arguments, &project, document),
        (None, Some(step)) => trace_step(arguments, &project, step),
        (None, None) => unreachable!("clap asks for one of them"),
    }
}

fn trace_step(arguments: &TraceArguments, project: &Project, step: u64) -> Result<(), Failure> {
    let mut trace = trace_run(&arguments.run, project, step)?;
    if let Some(row) = arguments.row {
        let n_rows = trace.rows.len();
        trace.rows.retain(|traced| traced.row == row);
        if trace.rows.is_empty() {
            let last = n_rows.saturating_sub(1);
            return Err(anyhow!(
                "step {step} has no row {row}, it has 0 to {last}\n\nhint: rows count from 0"
            )
            .into());
        }
    }
    let sampled = rollouts::of_step(&arguments.run, step, arguments.row)?;
    if arguments.json {
        let mut document = serde_json::to_value(&trace).context("a trace as JSON")?;
        if !sampled.is_empty() {
            document["rollouts"] = rollouts::json(&sampled, arguments.text);
        }
        print::json(&document)?;
        return Ok(());
    }
    let mut headings =
        vec!["file", "row group", "row", "positions", "source", "step's row", "lane", "epoch"];
    // Times that another prompt took the place of the planned one.
    let with_refills = trace.rows.iter().any(|row| row.refills > 0);
    headings.extend(with_refills.then_some("refills"));
    let mut table = Table::new(&headings);
    for row in &trace.rows {
        for segment in &row.segments {
            let mut cells = vec![
                segment.file.clone(),
                segment.row_group.to_string(),
                segment.row.to_string(),
                format!("{}..{}", segment.start, segment.start + segment.length),
                row.source.clone(),
                row.row.to_string(),
                row.lane.to_string(),
                row.epoch.to_string(),
            ];
            cells.extend(with_refills.then(|| row.refills.to_string()));
            table.row(cells);
        }
    }
    let recorded = match trace.as_recorded {
        Some(true) => "as the ledger says",
        Some(false) => "the ledger says something else: see `temper audit`",
        None => "not in the ledger",
    };
    print::data(&format!(
        "step {}: {} tokens, {recorded}\n{table}",
        trace.step,
        thousands(trace.tokens)
    ));
    if arguments.text {
        print_text(&arguments.run, &trace)?;
    }
    if !sampled.is_empty() {
        print::data(&format!("\n{}", rollouts::table(&sampled, arguments.text)));
    }
    Ok(())
}

/// What the rows of a step say, with the tokenizer of the run.
fn print_text(run: &Path, trace: &Trace) -> Result<(), Failure> {
    let checkpoint = Checkpoint::find(Path::new(""), &run.to_string_lossy())?;
    let tokenizer = Tokenizer::load(checkpoint.located.tokenizer_folder())?;
    for row in &trace.rows {
        for segment in &row.segments {
            let until = segment.start + segment.length;
            let place = format!("{}, row {}.{}", segment.file, segment.row_group, segment.row);
            print::data(&format!("── {place}, {}..{until}", segment.start));
            print::data(&tokenizer.decode(&segment.ids, false)?);
        }
    }
    Ok(())
}

fn trace_document(
    arguments: &TraceArguments,
    project: &Project,
    document: &str,
) -> Result<(), Failure> {
    let found = sightings(&arguments.run, project, document)?;
    if arguments.json {
        print::json(&found)?;
        return Ok(());
    }
    let mut table = Table::new(&["step", "row", "positions"]);
    for seen in &found.seen {
        let until = seen.start + seen.length;
        let positions = format!("{}..{until}", seen.start);
        table.row(vec![seen.step.to_string(), seen.row.to_string(), positions]);
    }
    let subject = format!(
        "row {}.{} of `{}` (document {})",
        found.row_group, found.row, found.file, found.document
    );
    if found.seen.is_empty() {
        print::data(&format!("{subject}: this run has not been trained on it"));
        return Ok(());
    }
    let containing =
        found.checkpoints.iter().map(|found| format!("  {}@{}", found.run, found.step));
    let containing: Vec<String> = containing.collect();
    let containing = match containing.is_empty() {
        true => "no checkpoint that is left contains it".to_owned(),
        false => format!("checkpoints that contain it:\n{}", containing.join("\n")),
    };
    print::data(&format!("{subject}\n{table}\n{containing}"));
    Ok(())
}
