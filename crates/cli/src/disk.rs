//! Room for a run: what it will write, and whether that fits.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use temper_ledger::{RunDir, Totals};
use temper_recipe::Recipe;

use crate::methods::TrainedParameters;
use crate::model::Model;

/// Bytes of one checkpoint of `recipe`'s run.
pub(crate) fn checkpoint_bytes(recipe: &Recipe, model: &Model, trained: TrainedParameters) -> u64 {
    let companions: usize = model.companions.iter().map(|file| file.bytes.len()).sum();
    let folders = if recipe.ema.is_some() { 2 } else { 1 };
    trained.checkpoint_bytes(recipe) + folders * companions as u64
}

/// Checkpoints that stay at the end.
pub(crate) fn kept_checkpoints(recipe: &Recipe, totals: Totals) -> u64 {
    let policy = &recipe.checkpoint;
    let milestones = totals.steps.checked_div(policy.keep_every).unwrap_or(0);
    (policy.keep_last as u64 + milestones).min(totals.steps.div_ceil(policy.every))
}

/// Bytes of a run: checkpoints and ledger, one checkpoint being written beside the kept ones.
pub(crate) fn disk_bytes(
    recipe: &Recipe,
    model: &Model,
    totals: Totals,
    trained: TrainedParameters,
) -> u64 {
    /// The quickstart's rows of short documents take 75.
    const LEDGER_BYTES_PER_ROW: u64 = 100;
    let checkpoints = kept_checkpoints(recipe, totals) + 1;
    checkpoints * checkpoint_bytes(recipe, model, trained) + totals.rows * LEDGER_BYTES_PER_ROW
}

/// Refuses a run whose `planned` bytes would not fit beside what it has already.
pub(crate) fn check_disk(run: &RunDir, planned: u64) -> Result<()> {
    let there = folder_bytes(run.path())?;
    let needed = planned.saturating_sub(there);
    let stat = rustix::fs::statvfs(run.path())
        .with_context(|| format!("cannot ask for the free space at `{}`", run.path().display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < needed {
        bail!(
            "disk: `{}` has {} free, the run needs {} more\n\nhint: make room, lower \
             `checkpoint.keep_last`, or raise `checkpoint.keep_every`",
            run.path().display(),
            crate::print::bytes(free),
            crate::print::bytes(needed)
        );
    }
    Ok(())
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
