//! The runs behind a checkpoint, and what each was trained on up to where the next one began.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use temper_audit::query;
use temper_ledger::{Import, Lineage, MergeInput, Parent, RunDir};
use temper_recipe::{Digest, Stage};

use crate::checkpoint::Checkpoint;
use crate::print::{Table, thousands};

/// A run behind a checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Ancestor {
    run: String,
    /// Its steps that count.
    steps: u64,
    recipe: Digest,
    /// What its ledger says; `None` where the run is not there any more.
    trained: Option<Trained>,
}

#[derive(Debug, Serialize)]
struct Trained {
    stage: Stage,
    sources: Vec<Learned>,
}

/// What was learned from a source.
#[derive(Debug, Serialize)]
struct Learned {
    source: String,
    rows: u64,
    tokens: u64,
}

/// The runs that are behind `checkpoint`, the last one first; of a merged one those of all models.
pub(super) fn ancestors(checkpoint: &Checkpoint) -> Result<Vec<Ancestor>> {
    let run = checkpoint.origin.run.as_ref();
    // They lie beside each other.
    let runs = run.and_then(|(run, _)| run.path().parent().map(Path::to_owned));
    let mut found = Ancestors { runs: runs.unwrap_or_else(|| "runs".into()), all: Vec::new() };
    found.add(checkpoint.origin.parent()?.as_deref(), checkpoint.origin.import.as_ref())?;
    Ok(found.all)
}

struct Ancestors {
    runs: PathBuf,
    all: Vec<Ancestor>,
}

impl Ancestors {
    fn add(&mut self, parent: Option<&Parent>, import: Option<&Import>) -> Result<()> {
        if let Some(parent) = parent {
            self.all.push(self.ancestor(parent)?);
            if let Lineage::Checkpoint { parent, import, .. } = &parent.started_from {
                self.add(parent.as_deref(), import.as_ref())?;
            }
        }
        let merge = import.and_then(|import| import.merge.as_deref());
        let inputs = merge.into_iter().flat_map(|merge| merge.base.iter().chain(&merge.models));
        for MergeInput { parent, import, .. } in inputs {
            self.add(parent.as_deref(), import.as_deref())?;
        }
        Ok(())
    }

    fn ancestor(&self, parent: &Parent) -> Result<Ancestor> {
        let Parent { run, step, recipe, .. } = parent;
        let ancestor =
            |trained| Ancestor { run: run.clone(), steps: *step, recipe: *recipe, trained };
        let Ok(directory) = RunDir::open(&self.runs.join(run)) else { return Ok(ancestor(None)) };
        let identity = directory.identity()?;
        // Another one of its name says nothing.
        if identity.recipe != *recipe {
            return Ok(ancestor(None));
        }
        let sql = format!(
            "SELECT source, COUNT(*) AS rows, SUM(tokens) AS tokens FROM rows WHERE step < {step} \
             GROUP BY source ORDER BY source"
        );
        let answer = query(directory.path(), &sql)?;
        let sources = answer.lines().iter().map(|line| Learned {
            source: line[0].as_str().unwrap_or_default().to_owned(),
            rows: line[1].as_u64().unwrap_or(0),
            tokens: line[2].as_u64().unwrap_or(0),
        });
        let (stage, sources) = (identity.stage, sources.collect());
        Ok(ancestor(Some(Trained { stage, sources })))
    }
}

/// A line for each source of each run.
pub(super) fn table(ancestors: &[Ancestor]) -> String {
    let mut table = Table::new(&["run", "stage", "steps", "source", "rows", "tokens"]);
    for Ancestor { run, steps, trained, .. } in ancestors {
        let Some(Trained { stage, sources }) = trained else {
            let missing = "not there any more".to_owned();
            let cells = [run.clone(), missing, thousands(*steps)];
            table.row(cells.into_iter().chain([const { String::new() }; 3]).collect());
            continue;
        };
        let mut of_run = [run.clone(), stage.name().to_owned(), thousands(*steps)];
        for Learned { source, rows, tokens } in sources {
            let of_source = [source.clone(), thousands(*rows), thousands(*tokens)];
            table.row(of_run.into_iter().chain(of_source).collect());
            // Said once.
            of_run = [const { String::new() }; 3];
        }
    }
    table.to_string()
}
