//! The runs behind a checkpoint, and what each was trained on up to where the next one began.

use std::path::{Path, PathBuf};

use anyhow::Result;
use temper_audit::query;
use temper_ledger::{
    Ancestor, Ancestors, Import, Learned, Lineage, MergeInput, Parent, RunDir, Trained,
};
use temper_model::hf::Companion;
use temper_recipe::Stage;

use crate::checkpoint::Checkpoint;
use crate::print::{Table, thousands};

/// The runs that are behind `checkpoint`, the last one first; of a merged one those of all models. What a run
/// that is not there was trained on is what a checkpoint that left it says.
pub(crate) fn ancestors(checkpoint: &Checkpoint) -> Result<Vec<Ancestor>> {
    found(checkpoint, learned)
}

/// The stages that `checkpoint` has been through, a run each, the first one first; runs of which nothing is left are
/// not among them.
pub(crate) fn stages(checkpoint: &Checkpoint) -> Result<Vec<Stage>> {
    let runs = found(checkpoint, |_, _| Ok(Vec::new()))?;
    Ok(runs.into_iter().rev().filter_map(|run| Some(run.trained?.stage)).collect())
}

/// The runs behind a checkpoint that is made of these, the first one first.
pub(crate) fn behind(checkpoints: &[&Checkpoint]) -> Result<Vec<Ancestor>> {
    let mut all: Vec<Ancestor> = Vec::new();
    for checkpoint in checkpoints {
        for ancestor in ancestors(checkpoint)?.into_iter().rev() {
            if !all.iter().any(|known| known.is(&ancestor)) {
                all.push(ancestor);
            }
        }
    }
    Ok(all)
}

/// What a checkpoint takes along of them; nothing where none are known.
pub(crate) fn file(runs: &[Ancestor]) -> Option<Companion> {
    let bytes = || Ancestors { runs: runs.to_vec() }.to_bytes();
    let name = Ancestors::FILE.to_owned();
    (!runs.is_empty()).then(|| Companion { name, bytes: bytes() })
}

/// What a run was trained on before a step.
type Learn = fn(&RunDir, u64) -> Result<Vec<Learned>>;

fn found(checkpoint: &Checkpoint, learn: Learn) -> Result<Vec<Ancestor>> {
    let run = checkpoint.origin.run.as_ref();
    // They lie beside each other.
    let runs = run.and_then(|(run, _)| run.path().parent().map(Path::to_owned));
    let runs = runs.unwrap_or_else(|| "runs".into());
    let mut found = Found { runs, learn, all: Vec::new(), carried: Vec::new() };
    found.add(checkpoint.origin.parent()?.as_deref(), checkpoint.origin.import.as_ref())?;
    Ok(found.with_carried())
}

fn learned(run: &RunDir, step: u64) -> Result<Vec<Learned>> {
    let sql = format!(
        "SELECT source, COUNT(*) AS rows, SUM(tokens) AS tokens FROM rows WHERE step < {step} \
         GROUP BY source ORDER BY source"
    );
    let answer = query(run.path(), &sql)?;
    let planned = run.plan()?.map_or_else(Vec::new, |plan| plan.sources);
    let sources = answer.lines().iter().map(|line| {
        let source = line[0].as_str().unwrap_or_default().to_owned();
        let data = planned.iter().find(|data| data.source == source);
        Learned {
            manifest: data.map(|data| data.manifest),
            source,
            rows: line[1].as_u64().unwrap_or(0),
            tokens: line[2].as_u64().unwrap_or(0),
        }
    });
    Ok(sources.collect())
}

struct Found {
    runs: PathBuf,
    learn: Learn,
    all: Vec<Ancestor>,
    /// Those that checkpoints took along when they left their runs.
    carried: Vec<Ancestor>,
}

impl Found {
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
        let carried = import.into_iter().flat_map(|import| import.runs.iter().rev());
        self.carried.extend(carried.cloned());
        Ok(())
    }

    fn with_carried(self) -> Vec<Ancestor> {
        let mut all = self.all;
        for carried in self.carried {
            match all.iter_mut().find(|known| known.is(&carried)) {
                // A ledger that is there says it best.
                Some(known) if known.trained.is_some() => {}
                Some(known) => known.trained = carried.trained,
                None => all.push(carried),
            }
        }
        all
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
        let (stage, sources) = (identity.stage, (self.learn)(&directory, *step)?);
        Ok(ancestor(Some(Trained { stage, sources })))
    }
}

/// A line for each source of each run; one that says so where none is known.
pub(crate) fn table(ancestors: &[Ancestor]) -> String {
    if ancestors.is_empty() {
        return "  no run is known to be behind it: no run made it, or it left its run without `lineage.json`"
            .to_owned();
    }
    let mut table = Table::new(&["run", "stage", "steps", "source", "rows", "tokens"]);
    for Ancestor { run, steps, trained, .. } in ancestors {
        let Some(Trained { stage, sources }) = trained else {
            let missing = "not there any more".to_owned();
            let cells = [run.clone(), missing, thousands(*steps)];
            table.row(cells.into_iter().chain([const { String::new() }; 3]).collect());
            continue;
        };
        let mut of_run = [run.clone(), stage.name().to_owned(), thousands(*steps)];
        for Learned { source, rows, tokens, .. } in sources {
            let of_source = [source.clone(), thousands(*rows), thousands(*tokens)];
            table.row(of_run.into_iter().chain(of_source).collect());
            // Said once.
            of_run = [const { String::new() }; 3];
        }
    }
    table.to_string()
}
