//! `temper resume`: goes on where a run was interrupted, or beyond its budget.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Parser as _;
use serde_json::json;
use temper_ledger::{Decision, End, Identity, RunDir};
use temper_recipe::{Budget, Project, Recipe, diff};

use crate::args::{Arguments, ResumeArguments, Verb};
use crate::exit::Failure;
use crate::inputs::{Corpora, Model};
use crate::scoring::Scorer;
use crate::session::Session;
use crate::signals::Signals;
use crate::{device, print};

/// Refuses a changed recipe, changed data and another kind of device, then goes on.
pub(crate) fn resume(arguments: &ResumeArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let run = RunDir::open(&arguments.run)?;
    let _lock = run.lock()?;
    let project = Project::find(run.path())?;
    let run = RunDir::open(&std::path::absolute(run.path())?)?;
    let identity = run.identity()?;
    let recipe = Recipe::from_resolved(&run.resolved_recipe()?)?;
    refuse_changed_recipe(&project, &run, &recipe, &identity)?;
    let device = device::open(&arguments.device.device)?.autodiff();
    let device_kind = device::kind(&arguments.device.device);
    let step = run.latest_checkpoint()?.unwrap_or(0);
    let mut decisions = Vec::new();
    if device_kind != identity.info.device_kind {
        decisions.push(change_device(&run, &identity, &device_kind, step, arguments.allow_device_change)?);
    }
    let finished = run.outcome()?.is_some_and(|outcome| outcome.end == End::Finished);
    match &arguments.extend {
        Some(tokens) => decisions.push(extend(&run, &recipe, step, tokens)?),
        None if finished => {
            let path = run.path().display().to_string();
            return Err(anyhow::anyhow!(
                "run `{path}` is finished\n\nhint: `temper resume {path} --extend 500k` trains on, \
                 `temper report {path}` shows its report"
            )
            .into());
        }
        None => {}
    }
    let model = Model::of_recipe(&project, &recipe)?;
    let corpora = Corpora::open(&project, &recipe)?;
    let scorer = match &recipe.forgetting {
        Some(policy) => {
            Some(Scorer::load(&project, &project.suite(&policy.suite)?, &model, &device_kind)?)
        }
        None => None,
    };
    print::note(&format!("resuming {} after step {step}: data order and optimizer state continue", run.path().display()));
    Session { project, recipe, model, corpora, scorer, run, decisions, device, device_kind, signals }.execute()
}

/// The resolved recipe must be the one the run was started with, and so must what the recipe file
/// resolves to today, with the manifests of today.
fn refuse_changed_recipe(
    project: &Project,
    run: &RunDir,
    recipe: &Recipe,
    identity: &Identity,
) -> Result<()> {
    let path = run.path().display();
    if recipe.digest() != identity.recipe {
        bail!(
            "cannot resume `{path}`: `recipe.resolved.toml` has digest {}, the run was started with {}\n\n\
             hint: restore the file; a changed recipe is a new run, from `{path}`",
            recipe.digest().short(),
            identity.recipe.short()
        );
    }
    let Some((file, overrides)) = recipe_file(project, identity) else { return Ok(()) };
    let today = temper_recipe::load(&file, &overrides)?.recipe;
    let changes = diff(recipe, &today);
    if !changes.is_empty() {
        bail!(
            "cannot resume `{path}`: `{}` changed since the run was started\n  {}\n\n\
             hint: restore the recipe and its manifests; a changed recipe is a new run, from `{path}`",
            file.display(),
            changes.join("\n  ")
        );
    }
    Ok(())
}

/// The recipe file on the command line that started the run, if it is still there.
fn recipe_file(project: &Project, identity: &Identity) -> Option<(PathBuf, Vec<String>)> {
    let Verb::Run(arguments) = Arguments::try_parse_from(&identity.info.arguments).ok()?.verb else {
        return None;
    };
    let there = [arguments.recipe.clone(), project.root.join(&arguments.recipe)];
    let file = there.into_iter().find(|path: &PathBuf| Path::is_file(path))?;
    Some((file, arguments.overrides))
}

fn change_device(
    run: &RunDir,
    identity: &Identity,
    found: &str,
    step: u64,
    allowed: bool,
) -> Result<Decision> {
    let expected = &identity.info.device_kind;
    if !allowed {
        bail!(
            "cannot resume `{}`: the device is `{found}`, the run was started on `{expected}`\n\n\
             hint: `--allow-device-change` goes on with the same data and weights that round differently",
            run.path().display()
        );
    }
    let values = json!({ "from": expected, "to": found });
    let kind = "device-change".to_owned();
    Ok(Decision { kind, step, cites: Vec::new(), checkpoint: None, values })
}

/// Raises the budget by `tokens`, from the latest checkpoint on.
fn extend(run: &RunDir, recipe: &Recipe, step: u64, tokens: &str) -> Result<Decision> {
    let Some(more) = temper_recipe::parse_token_count(tokens) else {
        bail!("--extend: found `{tokens}`, expected a number of tokens\n\nhint: write 600000 or 500k")
    };
    if !matches!(recipe.training.budget, Budget::Tokens(_) | Budget::Epochs(_)) {
        bail!("--extend: this run counts steps\n\nhint: start a new run from its last checkpoint");
    }
    let done = if step == 0 { 0 } else { run.checkpoint(step)?.tokens };
    Ok(Decision::extend(step, done + more))
}
