//! `temper runs`: the runs in a folder and their state.

use std::path::Path;

use temper_ledger::list_runs;
use temper_recipe::Project;

use crate::args::RunsArguments;
use crate::exit::Failure;
use crate::print::{self, Table};

/// Characters of a note that a table has room for; `--json` has all of it.
const MOST_CHARS: usize = 100;

/// Lists runs by name.
pub(crate) fn runs(arguments: &RunsArguments) -> Result<(), Failure> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => Project::find(Path::new("."))?.runs_dir(),
    };
    let runs = list_runs(&folder)?;
    if arguments.json {
        print::json(&runs)?;
        return Ok(());
    }
    if runs.is_empty() {
        print::note(&format!("no runs in `{}`", print::path(&folder)));
        return Ok(());
    }
    let mut table = Table::new(&["run", "stage", "state", "steps", "note"]);
    for run in runs {
        let word = |value: serde_json::Value| value.as_str().unwrap_or("–").to_owned();
        let planned = run.steps_planned.map_or("?".to_owned(), |steps| steps.to_string());
        let note = run.note.unwrap_or_default();
        table.row(vec![
            run.name,
            word(serde_json::to_value(run.stage)?),
            word(serde_json::to_value(run.state)?),
            format!("{}/{planned}", run.steps_done),
            short(&note),
        ]);
    }
    print::data(&table.to_string());
    Ok(())
}

/// The beginning of a note.
fn short(note: &str) -> String {
    let line = note.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST_CHARS) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_fit_into_a_table() {
        let check = |note: &str, expected: &str| assert_eq!(short(note), expected);
        check("", "");
        check("signal 2", "signal 2");
        check("no room on the disk\n\nhint: make some", "no room on the disk");
        let whole = "é".repeat(MOST_CHARS);
        check(&whole, &whole);
        check(&format!("{whole}s"), &format!("{whole}…"));
        check(&format!("{} {}", &whole[2..], "s".repeat(300)), &format!("{}…", &whole[2..]));
    }
}
