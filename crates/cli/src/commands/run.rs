//! `temper run`: from a recipe to a continued checkpoint and its reports.

use anyhow::{Result, bail};
use temper_ledger::{End, Growth, Outcome, RunDir, RunInfo};
use temper_recipe::{Digest, Loaded, OptimizerState, Recipe, diff};

use crate::args::RunArguments;
use crate::contamination::refuse_contaminated;
use crate::corpora::Corpora;
use crate::exit::Failure;
use crate::fit::fit;
use crate::model::Model;
use crate::rewards::Rewards;
use crate::scoring::Scorer;
use crate::session::Session;
use crate::signals::Signals;
use crate::since::since;
use crate::{device, methods, print};

/// Checks everything that can be checked before anything is written, then runs; of a chain, stage by
/// stage, those that are finished left out.
pub(crate) fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let chain = temper_recipe::load_chain(&arguments.recipe, &arguments.overrides)?;
    let is_chain = chain.len() > 1;
    for loaded in chain {
        if is_chain && is_finished(&loaded)? {
            print::note(&format!("run {}: finished already", loaded.recipe.name));
            continue;
        }
        run_stage(arguments, loaded, signals.clone())?;
    }
    Ok(())
}

/// Whether an earlier call has done this stage; one that it only began is refused.
fn is_finished(loaded: &Loaded) -> Result<bool> {
    let path = loaded.project.runs_dir().join(&loaded.recipe.name);
    let Ok(run) = RunDir::open(&path) else { return Ok(false) };
    let resolved = Recipe::from_resolved(&run.resolved_recipe()?)?;
    let training = loaded.recipe.training.clone().picked_as(&resolved.training);
    let now = Recipe { training, ..loaded.recipe.clone() };
    let path = print::path(run.path());
    if now.digest() != resolved.digest() {
        bail!(
            "run `{path}` was made by another recipe\n  {}\n\n\
             hint: give the chain another `name`, or remove the run",
            diff(&resolved, &now).join("\n  ")
        );
    }
    if let Some(start) = &loaded.follows {
        refuse_other_start(loaded, &run, start)?;
    }
    match run.outcome()? {
        Some(Outcome { end: End::Finished, reason: Some(reason), .. }) => bail!(
            "run `{path}` is finished, and {reason}\n\n\
             hint: a stage of its own may start from it; in the chain, give it more curated data, fewer tokens \
             or a wider tolerance, under another `name`"
        ),
        Some(outcome) if outcome.end == End::Finished => Ok(true),
        _ => bail!(
            "run `{path}` was begun and is not finished\n\n\
             hint: `temper resume {path}`, and this again"
        ),
    }
}

/// A stage that is finished must have started from what the stage before it has come to.
fn refuse_other_start(loaded: &Loaded, run: &RunDir, start: &str) -> Result<()> {
    let before = RunDir::open(&loaded.project.root.join(start))?;
    let identity = run.identity()?;
    let parent = identity.info.started_from.parent();
    let found = parent.map(|parent| (Some(parent.step), parent.recipe));
    let expected = (before.latest_checkpoint()?, before.identity()?.recipe);
    if found != Some(expected) {
        bail!(
            "run `{}` did not start from what `{start}` is now\n\n\
             hint: give the chain another `name`, or remove the run",
            print::path(run.path())
        );
    }
    Ok(())
}

fn run_stage(arguments: &RunArguments, loaded: Loaded, signals: Signals) -> Result<(), Failure> {
    let (project, recipe) = (loaded.project, loaded.recipe);
    let devices = device::open_all(&arguments.device.device)?;
    let device_kind = device::kind(&arguments.device.device, &devices[0]);
    let model = Model::of_recipe(&project, &recipe)?;
    let name = &arguments.device.device;
    device::refuse_training(name, &devices[0], &recipe.training, &model.config)?;
    let recipe = fit(recipe, &model.config, name)?;
    let fisher = methods::fisher(&project, &recipe, &model.config)?;
    let corpora = Corpora::open(&project, &recipe, &model, signals.flag())?;
    refuse_contaminated(&project, &recipe, loaded.suite.as_ref(), &corpora, signals.flag())?;
    if let Some(rl) = &recipe.rl {
        // A reference that cannot be judged by, or a judge that is not there, is a matter of input: it is said
        // before there is a run.
        Rewards::load(&project, &recipe, rl, &corpora)?;
    }
    since(&project, &recipe, &model)?;
    let scorer = match &loaded.suite {
        Some(suite) => Some(Scorer::load(&project, suite, &model, &device_kind)?),
        None => None,
    };
    let (decoder, report) = model.load(recipe.seed, &devices[0])?;
    let weights: Digest = temper_model::weights_digest(&decoder).into();
    drop(decoder);
    // Relative where it can be: a project may be moved or copied.
    let recipe_file = project.relative(&std::path::absolute(&arguments.recipe)?);
    let info = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("TEMPER_COMMIT").map(str::to_owned),
        features: device::built_in().iter().map(|name| (*name).to_owned()).collect(),
        device_kind: device_kind.clone(),
        driver: None,
        cpu_flags: device::cpu_flags(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        arguments: std::env::args().collect(),
        recipe_file,
        overrides: arguments.overrides.clone(),
        started_from: model.lineage(&project.root, weights)?,
        growth: model.growth.clone(),
    };
    let (run, _lock) = RunDir::create(&project.runs_dir(), &recipe, &loaded.source_text, &info)?;
    print::note(&format!(
        "run {}  (recipe {}, {device_kind})",
        print::path(run.path()),
        recipe.digest().short()
    ));
    if let Some(report) = report {
        print::note(&report.to_string());
    }
    if let Some(growth) = &model.growth {
        print::note(&growth_text(growth));
    }
    if model.is_from_run() {
        let moments = match recipe.optimizer.state {
            OptimizerState::Keep => "optimizer moments continue",
            OptimizerState::Reset => "optimizer moments restart from zero",
        };
        print::note(&format!(
            "starts from another run's checkpoint: data order restarts from this recipe's seed, {moments}"
        ));
    }
    if fisher.is_some_and(|fisher| fisher.weights != weights) {
        print::note(
            "the Fisher information that `anchor.fisher` names was measured at other weights than these",
        );
    }
    if let Some(left) = methods::moments_left(&recipe, loaded.says_optimizer_state, &model) {
        print::note(left);
    }
    let (seam, decisions, json) = (None, Vec::new(), arguments.json);
    let session = Session {
        project,
        recipe,
        model,
        corpora: Some(corpora),
        scorer,
        run,
        seam,
        decisions,
        devices,
        device_kind,
        signals,
        json,
    };
    let ended = session.execute();
    if matches!(ended, Err(Failure::Input(_))) {
        session.run.remove_unplanned()?;
    }
    ended
}

fn growth_text(growth: &Growth) -> String {
    let Growth { from, to, added_tokens, initialization } = growth;
    let added = match added_tokens.len() {
        0 => "tokens that the tokenizer brings".to_owned(),
        _ => format!("tokens added: {}", added_tokens.join(" ")),
    };
    format!("vocabulary {from} → {to}, new rows: {initialization}; {added}")
}
