//! `temper audit`: what happened, proven from recipe, manifests and shards.

use std::path::Path;

use anyhow::Result;
use temper_audit::{AuditReport, audit as audit_run};
use temper_recipe::Project;

use crate::args::RunPath;
use crate::exit::Failure;
use crate::print::{self, Table, counted, thousands};
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

/// The project around a run.
pub(super) fn project_of(run: &Path) -> Result<Project> {
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
            source.asked.map_or("?".to_owned(), percent),
            format!("{:.2} %", 100.0 * source.realised),
            thousands(source.tokens),
            thousands(source.rows),
            source.epochs.map_or("?".to_owned(), |epochs| format!("{epochs:.2}")),
            format!(
                "{:+.0} ({:+.2} rows)",
                source.largest_deviation.units, source.largest_deviation.rows
            ),
            source.largest_deviation.step.to_string(),
        ]);
    }
    let checks = report.checks.iter().map(|check| format!("{} {}", thousands(check.n), check.what));
    let checks = checks.collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!(
            "{}: {}, {} in {}",
            report.run,
            counted(report.steps, "step", "steps"),
            counted(report.tokens, "token", "tokens"),
            counted(report.rows, "row", "rows")
        ),
        table.to_string(),
        format!("compared: {checks}"),
    ];
    lines.extend(report.derived.map(|digest| {
        format!("derived rows: sha256 {digest}, for whoever has the recipe, manifests and shards")
    }));
    if report.is_clean() {
        lines.push("nothing differs".to_owned());
    } else {
        let more = report.n_more_findings;
        lines.push(counted(report.findings.len() as u64 + more, "difference", "differences"));
        lines.extend(report.findings.iter().map(|finding| format!("  {finding}")));
        lines.extend((more > 0).then(|| format!("  … and {} more", thousands(more))));
    }
    lines.join("\n")
}
