//! `temper audit`, `trace` and `query`: what happened, proven from recipe, manifests and shards.

use std::path::Path;

use anyhow::Result;
use temper_audit::{AuditReport, audit as audit_run, query as query_run, trace as trace_run};
use temper_recipe::Project;

use crate::args::{QueryArguments, RunPath, TraceArguments};
use crate::exit::Failure;
use crate::print::{self, Table, thousands};
use crate::tables::percent;

/// Exit code 1 when anything differs.
pub(crate) fn audit(arguments: &RunPath) -> Result<(), Failure> {
    let report = audit_run(&arguments.run, &project_of(&arguments.run)?)?;
    if arguments.json {
        print::json(&report)?;
    } else {
        print::data(&text(&report));
    }
    if report.is_clean() { Ok(()) } else { Err(Failure::Refused) }
}

/// The documents of one step.
pub(crate) fn trace(arguments: &TraceArguments) -> Result<(), Failure> {
    let trace = trace_run(&arguments.run, &project_of(&arguments.run)?, arguments.step)?;
    if arguments.json {
        print::json(&trace)?;
        return Ok(());
    }
    let mut table = Table::new(&[
        "file",
        "row group",
        "row",
        "positions",
        "source",
        "step's row",
        "lane",
        "epoch",
    ]);
    for row in &trace.rows {
        for segment in &row.segments {
            table.row(vec![
                segment.file.clone(),
                segment.row_group.to_string(),
                segment.row.to_string(),
                format!("{}..{}", segment.start, segment.start + segment.length),
                row.source.clone(),
                row.row.to_string(),
                row.lane.to_string(),
                row.epoch.to_string(),
            ]);
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
    Ok(())
}

/// One SQL statement over the ledger.
pub(crate) fn query(arguments: &QueryArguments) -> Result<(), Failure> {
    let answer = query_run(&arguments.run, &arguments.sql)?;
    if arguments.json {
        print::json(&answer.to_json())?
    } else {
        print::data(&answer.to_text())
    }
    Ok(())
}

fn project_of(run: &Path) -> Result<Project> {
    Ok(Project::find(run)?)
}

fn text(report: &AuditReport) -> String {
    let mut table = Table::new(&[
        "source",
        "asked",
        "realised",
        "tokens",
        "rows",
        "epochs",
        "largest deviation",
        "at step",
    ]);
    for source in &report.sources {
        table.row(vec![
            source.source.clone(),
            percent(source.asked),
            format!("{:.2} %", 100.0 * source.realised),
            thousands(source.tokens),
            thousands(source.rows),
            source.epochs.map_or("?".to_owned(), |epochs| format!("{epochs:.2}")),
            format!(
                "{:+.0} tokens ({:+.2} rows)",
                source.largest_deviation.tokens, source.largest_deviation.rows
            ),
            source.largest_deviation.step.to_string(),
        ]);
    }
    let checks = report.checks.iter().map(|check| format!("{} {}", thousands(check.n), check.what));
    let checks = checks.collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!(
            "{}: {} steps, {} tokens in {} rows",
            report.run,
            thousands(report.steps),
            thousands(report.tokens),
            thousands(report.rows)
        ),
        table.to_string(),
        format!("compared: {checks}"),
    ];
    if report.is_clean() {
        lines.push("nothing differs".to_owned());
    } else {
        let more = report.n_more_findings;
        lines.push(format!("{} differences", thousands(report.findings.len() as u64 + more)));
        lines.extend(report.findings.iter().map(|finding| format!("  {finding}")));
        lines.extend((more > 0).then(|| format!("  … and {} more", thousands(more))));
    }
    lines.join("\n")
}
