//! `temper resume --remix`: another mix for the rest of a run.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use temper_ledger::{Identity, Remix, RunDir};
use temper_mix::PlanSource;
use temper_recipe::{Budget, Project, Recipe, Shares};

use crate::print;

/// The mix of the recipe in `file`, from the last checkpoint of `run` on; `recipe` is the one in
/// force, `budget` that of the whole run.
pub(crate) fn read(
    file: &Path,
    run: &RunDir,
    project: &Project,
    identity: &Identity,
    recipe: &Recipe,
    budget: Budget,
) -> Result<Remix> {
    let path = print::path(run.path());
    let Some(step) = run.latest_checkpoint()? else {
        bail!(
            "--remix: run `{path}` has no checkpoint yet\n\nhint: change its recipe, and start it anew"
        );
    };
    if run.remixes()?.iter().any(|remix| remix.step == step) {
        bail!(
            "--remix: the mix of `{path}` was changed at its last checkpoint, after step {step}, already\n\n\
             hint: `temper resume {path}` goes on with it; from the next checkpoint on it can be changed again"
        );
    }
    let file = std::path::absolute(file)?;
    let asked = temper_recipe::load(&file, &overrides(&identity.info.overrides))?.recipe;
    let remixed = temper_recipe::remix(recipe, &asked).map_err(|changes| {
        anyhow::anyhow!(
            "--remix: `{}` changes more than the mix of `{path}`\n  {}\n\n\
             hint: take the run's own recipe and edit `data_mixing`; any other change is a new run, \
             from `{path}`",
            print::path(&file),
            changes.join("\n  ")
        )
    })?;
    let cursor = temper_train::cursor(run, step)?;
    let start = cursor.remixed(&sources(recipe), &sources(&remixed))?;
    let budget = match &remixed.mixture.shares {
        // Amounts say how much is still to come.
        Shares::Tokens(tokens) => Budget::Tokens(start.own_tokens() + tokens.values().sum::<u64>()),
        Shares::Stated(_)
        | Shares::Epochs(_)
        | Shares::Temperature { .. }
        | Shares::Unimax { .. } => budget,
    };
    let start = serde_json::to_value(start).context("a cursor as JSON")?;
    print::note(&format!(
        "remixing after step {step}: every source goes on where it stands, shares and phases count from here"
    ));
    Ok(Remix { step, recipe_file: project.relative(&file), recipe: remixed, budget, start })
}

/// Amounts say how much is still to come; nothing else may say it too.
pub(crate) fn refuse_two_budgets(remix: &Remix) -> Result<()> {
    if matches!(remix.recipe.mixture.shares, Shares::Tokens(_)) {
        bail!(
            "--extend: the mix of `{}` says in tokens how much is to come\n\nhint: leave `--extend` out, or \
             say the mix in shares",
            print::path(&remix.recipe_file)
        );
    }
    Ok(())
}

/// The changes to the recipe file that a run was started with, without those to its mix.
pub(crate) fn overrides(overrides: &[String]) -> Vec<String> {
    let is_mix = |change: &&String| change.starts_with("data_mixing") || change.starts_with("run.");
    overrides.iter().filter(|change| !is_mix(change)).cloned().collect()
}

fn sources(recipe: &Recipe) -> Vec<PlanSource> {
    let sources = recipe.mixture.sources.iter();
    sources
        .map(|source| PlanSource { name: source.corpus.clone(), max_epochs: source.max_epochs })
        .collect()
}
