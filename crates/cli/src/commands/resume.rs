//! `temper resume`: goes on where a run was interrupted, or beyond its budget.

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use temper_ledger::{Decision, End, Identity, Remix, RunDir};
use temper_recipe::{Budget, Project, Recipe, diff};

use crate::args::ResumeArguments;
use crate::contamination::refuse_contaminated;
use crate::corpora::Corpora;
use crate::exit::Failure;
use crate::extension::{budget_in_force, depends_on_budget, planned_budget, suggested};
use crate::gatekeeper::past_gate;
use crate::model::Model;
use crate::scoring::Scorer;
use crate::session::Session;
use crate::signals::Signals;
use crate::{device, print};

mod remix;

/// Refuses a changed recipe, changed data and another kind of device, then goes on.
pub(crate) fn resume(arguments: &ResumeArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    // Whatever is named from here on is named from the root, wherever the user stands.
    let run = RunDir::open(&std::path::absolute(&arguments.run)?)?;
    let _lock = run.lock()?;
    let project = Project::find(run.path())?;
    let identity = run.identity()?;
    let started_with = Recipe::from_resolved(&run.resolved_recipe()?)?;
    let mut remix = run.remixes()?.pop();
    refuse_changed_record(&run, &started_with, &identity)?;
    // A file given to `--remix` may be the run's own, edited: it is compared on its own.
    if arguments.remix.is_none() {
        refuse_changed_recipe(&project, &run, &started_with, &identity, remix.as_ref())?;
    }
    let mut recipe = remix.as_ref().map_or(started_with, |remix| remix.recipe.clone());
    let step = run.latest_checkpoint()?;
    let finished = run.outcome()?.is_some_and(|outcome| outcome.end == End::Finished);
    let path = print::path(run.path());
    if finished && arguments.extend.is_none() && arguments.remix.is_none() {
        let more = suggested(&recipe, budget_in_force(&run, &recipe, &[])?);
        let on = match more {
            Some(more) => format!("`temper resume {path} --extend {more}` trains on"),
            None => format!("a new run with `model.from = \"{path}\"` trains on"),
        };
        return Err(anyhow::anyhow!(
            "run `{path}` is finished\n\nhint: {on}, `temper report {path}` shows its report"
        )
        .into());
    }
    let devices = device::open_all(&arguments.device.device)?;
    let device_kind = device::kind(&arguments.device.device, &devices[0]);
    let mut decisions = Vec::new();
    decisions.extend(device_change(&run, &identity, &device_kind, arguments.allow_device_change)?);
    if let Some(past) = step.map(|step| past_gate(&run, step)).transpose()?.flatten() {
        print::note(&format!("the gate said stop after step {}: going on past it", past.step));
        decisions.push(past);
    }
    if let Some(tokens) = &arguments.extend {
        let is_kept = arguments.remix.is_none();
        decisions.push(extended(&run, &recipe, step.unwrap_or(0), tokens, is_kept)?);
    }
    if let Some(file) = &arguments.remix {
        let budget = planned_budget(&run, &recipe, &decisions)?;
        let asked = remix::read(file, &run, &project, &identity, &recipe, budget)?;
        if arguments.extend.is_some() {
            remix::refuse_two_budgets(&asked)?;
        }
        decisions.push(asked.decision());
        recipe = asked.recipe.clone();
        remix = Some(asked);
    }
    let seam =
        remix.map(|remix| serde_json::from_value(remix.start)).transpose().with_context(|| {
            format!(
                "run `{path}`: the cursor at which its last remix starts is damaged\n\n\
                 hint: restore `ledger/decisions.jsonl`, or start a new run from its last checkpoint"
            )
        })?;
    let model = Model::of_run(&project, &run, &recipe, &devices[0])?;
    device::refuse_training(
        &arguments.device.device,
        &devices[0],
        &recipe.training,
        &model.config,
    )?;
    let suite =
        recipe.forgetting.as_ref().map(|policy| project.suite(&policy.suite)).transpose()?;
    let corpora = match &arguments.remix {
        Some(_) => {
            let corpora = Corpora::open(&project, &recipe, &model, signals.flag())?;
            refuse_contaminated(&project, &recipe, suite.as_ref(), &corpora, signals.flag())?;
            Some(corpora)
        }
        None => None,
    };
    let scorer = match &suite {
        Some(suite) => Some(Scorer::load(&project, suite, &model, &device_kind)?),
        None => None,
    };
    print::note(&match step {
        Some(step) => {
            format!("resuming {path} after step {step}: data order and optimizer state continue")
        }
        None => format!("resuming {path} from its start: it has no checkpoint yet"),
    });
    let json = arguments.json;
    Session {
        project,
        recipe,
        model,
        corpora,
        scorer,
        run,
        seam,
        decisions,
        devices,
        device_kind,
        signals,
        json,
    }
    .execute()
}

/// The resolved recipe must be the one the run was started with.
fn refuse_changed_record(run: &RunDir, recipe: &Recipe, identity: &Identity) -> Result<()> {
    let path = print::path(run.path());
    if recipe.digest() != identity.recipe {
        bail!(
            "cannot resume `{path}`: `recipe.resolved.toml` has digest {}, the run was started with {}\n\n\
             hint: restore the file; a changed recipe is a new run, from `{path}`",
            recipe.digest().short(),
            identity.recipe.short()
        );
    }
    Ok(())
}

/// So must what the recipe file resolves to today, with the manifests of today; of a run that was
/// remixed, the mix of the file that it was remixed with.
fn refuse_changed_recipe(
    project: &Project,
    run: &RunDir,
    recipe: &Recipe,
    identity: &Identity,
    remix: Option<&Remix>,
) -> Result<()> {
    let path = print::path(run.path());
    let overrides = &identity.info.overrides;
    let (recipe, file, overrides) = match remix {
        Some(remix) => (&remix.recipe, &remix.recipe_file, remix::overrides(overrides)),
        None => (recipe, &identity.info.recipe_file, overrides.clone()),
    };
    let file = project.root.join(file);
    if !file.exists() {
        // The resolved recipe says all there is to know; its digest was just checked.
        return Ok(());
    }
    let mut stages = temper_recipe::load_chain(&file, &overrides)?;
    let of_run = match stages.len() {
        1 => stages.pop(),
        _ => stages.into_iter().find(|stage| stage.recipe.name == recipe.name),
    };
    let Some(mut now) = of_run.map(|stage| stage.recipe) else {
        bail!(
            "cannot resume `{path}`: `{}` has no stage of its name any more\n\n\
             hint: restore the recipe",
            print::path(&file)
        );
    };
    now.training = now.training.picked_as(&recipe.training);
    let changes = match remix {
        // Of the file of a remix, the mix alone is what counts.
        Some(_) => diff(recipe, &Recipe { mixture: now.mixture, ..recipe.clone() }),
        None => diff(recipe, &now),
    };
    if !changes.is_empty() {
        bail!(
            "cannot resume `{path}`: `{}` changed since the run was started\n  {}\n\n\
             hint: restore the recipe and its manifests; `--remix` takes another mix, any other change is a new \
             run, from `{path}`",
            print::path(&file),
            changes.join("\n  ")
        );
    }
    Ok(())
}

/// The seam in the ledger, when the last steps were made on another kind of device.
fn device_change(
    run: &RunDir,
    identity: &Identity,
    found: &str,
    allowed: bool,
) -> Result<Option<Decision>> {
    let (step, expected) = match run.latest_checkpoint()? {
        Some(step) => (step, run.checkpoint(step)?.device_kind),
        None => (0, identity.info.device_kind.clone()),
    };
    if found == expected {
        return Ok(None);
    }
    if !allowed {
        bail!(
            "cannot resume `{}`: the device is `{found}`, the run was last on `{expected}`\n\n\
             hint: `--allow-device-change` goes on with the same data and weights that round differently",
            print::path(run.path())
        );
    }
    let values = json!({ "from": expected, "to": found });
    let kind = "device-change".to_owned();
    Ok(Some(Decision { kind, step, cites: Vec::new(), checkpoint: None, values }))
}

/// The budget raised by `tokens`; the schedule of the learning rate stretches with it.
fn extended(
    run: &RunDir,
    recipe: &Recipe,
    step: u64,
    tokens: &str,
    is_mix_kept: bool,
) -> Result<Decision> {
    let Some(more) = temper_recipe::parse_token_count(tokens) else {
        bail!(
            "--extend: found `{tokens}`, expected a number of tokens\n\nhint: write 600000 or 500k"
        );
    };
    if is_mix_kept && depends_on_budget(recipe) {
        bail!(
            "--extend: the mix of this run follows from its budget\n\nhint: `--remix RECIPE` plans the rest anew; or \
             start a new run from its last checkpoint"
        );
    }
    let Budget::Tokens(budget) = planned_budget(run, recipe, &[])? else {
        bail!("--extend: this run counts steps\n\nhint: start a new run from its last checkpoint")
    };
    let done = if step == 0 { 0 } else { temper_train::cursor(run, step)?.own_tokens() };
    print::note(&format!(
        "extending to {} tokens: the learning rate goes on as if that had been the budget from the start",
        print::thousands(budget.max(done) + more)
    ));
    Ok(Decision::extend(step, budget.max(done) + more))
}
