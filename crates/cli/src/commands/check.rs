//! `temper check`: is this recipe fit to run.

mod rows;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use temper_ledger::{RunDir, RunInfo};
use temper_mix::Plan;
use temper_model::Decoder;
use temper_recipe::{Loaded, Project, Recipe, SuiteWithManifests};
use temper_train::{Base, Observer, Progress as StepProgress, Stage as TrainStage, Start, Verdict};

use self::rows::CheckedRows;
use crate::advice::{self, Past, StartAdvice};
use crate::args::CheckArguments;
use crate::contamination::refuse_contaminated;
use crate::corpora::Corpora;
use crate::exit::Failure;
use crate::fit::{fit, pass_options};
use crate::labels::Labels;
use crate::methods::{self, Trained};
use crate::model::Model;
use crate::resident::peak_bytes;
use crate::rewards::{Rewards, stop_ids};
use crate::seen::without_seen;
use crate::session::REFERENCES;
use crate::signals::Signals;
use crate::since::since;
use crate::{device, print, rewards};

/// Grammar, manifests and shares of every stage, and the rows of its sources; with `--deep` also every
/// source, a step and a checkpoint.
pub(crate) fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let chain = temper_recipe::load_chain(&arguments.recipe.recipe, &arguments.recipe.overrides)?;
    device::check_names(&arguments.device.device)?;
    let signals = Signals::listen()?;
    let mut summaries = Vec::with_capacity(chain.len());
    let mut is_refused = false;
    let mut pasts = BTreeMap::new();
    for loaded in chain {
        let (lines, summary, refused) = check_stage(arguments, loaded, &mut pasts, &signals)?;
        is_refused |= refused;
        if !arguments.recipe.json {
            print::data(&lines.join("\n"));
        }
        summaries.push(summary);
    }
    if arguments.recipe.json {
        // A recipe of one stage is no list of them.
        match &summaries[..] {
            [summary] => print::json(summary)?,
            all => print::json(&all)?,
        }
    }
    if is_refused { Err(Failure::Refused) } else { Ok(()) }
}

/// What is said of a stage, and whether it would be refused for its rows. `pasts` has what the runs of the stages before
/// it will have been through.
fn check_stage(
    arguments: &CheckArguments,
    loaded: Loaded,
    pasts: &mut BTreeMap<String, Past>,
    signals: &Signals,
) -> Result<(Vec<String>, Value, bool)> {
    let (project, mut recipe) = (loaded.project, loaded.recipe);
    let mut trained = None;
    let start = loaded.follows.filter(|start| !project.root.join(start).exists());
    let mut past = start.as_ref().and_then(|start| pasts.get(start).cloned());
    let (mut moments, mut fisher) = (None, None);
    let mut rows = Vec::new();
    if start.is_none() {
        let model = Model::of_recipe(&project, &recipe)?;
        since(&project, &recipe, &model)?;
        recipe = fit(recipe, &model.config, &arguments.device.device)?;
        past = Some(model.past(&project.root)?);
        moments = methods::moments_left(&recipe, loaded.says_optimizer_state, &model);
        rows = rows::check(&project, &recipe, &model, signals.flag())?;
        trained = Some(Trained::of(&recipe, &model.config)?);
        fisher = methods::fisher(&project, &recipe, &model.config)?;
    }
    let run = format!("runs/{}", recipe.name);
    pasts.extend(past.clone().map(|past| (run, past.then(recipe.stage))));
    // A file that cannot be read is a matter of the run, and says so there.
    let start_advice =
        past.and_then(|past| StartAdvice::of(&project, &recipe, past).ok().flatten());
    let labels = rows::labels(&rows);
    let one_kind = labels.and_then(Labels::refusal);
    let is_refused = rows.iter().any(CheckedRows::is_refused) || one_kind.is_some();
    let mut lines =
        vec![format!("{}: recipe {} is well formed", recipe.name, recipe.digest().short())];
    lines.extend(
        start.as_ref().map(|start| format!("  starts from `{start}`, which is not there yet")),
    );
    lines.extend(recipe.mixture.sources.iter().map(|source| {
        let share = recipe.mixture.shares.stated(&source.corpus);
        // Shares that follow from sizes are known after tokenizing.
        let share = share.map_or("a part".to_owned(), |share| share.to_string());
        format!("  {share} of the mix is `{}` ({})", source.corpus, source.category)
    }));
    lines.extend(recipe.replay.iter().map(|replay| {
        let sources = replay.mixture.sources.iter().map(|source| format!("`{}`", source.corpus));
        let sources: Vec<String> = sources.collect();
        let (rows, weight) = (replay.rows_per_step, replay.weight);
        format!(
            "  {rows} rows of {} are replayed in every step, weight {weight}",
            sources.join(", ")
        )
    }));
    lines.extend(rows.iter().map(CheckedRows::text));
    lines.extend(one_kind.map(|refusal| format!("  {}", refusal.replace("\n\n", "\n    "))));
    if let Some(rl) = &recipe.rl {
        lines.extend(rewards::lines(&project, rl)?);
    }
    lines.extend(trained.map(|trained| format!("  {}", trained.text())));
    lines.extend(methods::lines(&recipe, fisher.as_ref()));
    lines.extend(moments.map(|left| format!("  {left}")));
    lines.extend(advice::of_mix(&recipe));
    lines.extend(start_advice.as_ref().map(StartAdvice::to_string));
    let mut summary = json!({
        "recipe": recipe.digest(), "parameters": trained,
        "start": start_advice.as_ref().map(StartAdvice::json), "deep": null,
    });
    if !rows.is_empty() {
        summary["rows"] = rows.iter().map(CheckedRows::json).collect();
    }
    if let Some(labels) = labels {
        summary["feedback"] = json!(labels);
    }
    if arguments.deep && start.is_none() && !is_refused {
        let deep = check_deep(arguments, &project, &recipe, loaded.suite.as_ref(), signals)?;
        lines.push(format!(
            "  every source read; one step of {} tokens in {:.1} s, loss {:.3}; checkpoint written and \
             read back; peak memory {}",
            print::thousands(deep.tokens),
            deep.seconds,
            deep.loss,
            deep.peak_bytes.map_or("unknown".to_owned(), print::bytes)
        ));
        summary["deep"] = json!({
            "tokens": deep.tokens, "seconds": deep.seconds, "loss": deep.loss, "peak_bytes": deep.peak_bytes,
        });
    }
    Ok((lines, summary, is_refused))
}

struct Deep {
    tokens: u64,
    loss: f64,
    seconds: f64,
    peak_bytes: Option<u64>,
}

/// Does once, in a folder that is thrown away, what a run does many times.
fn check_deep(
    arguments: &CheckArguments,
    project: &Project,
    recipe: &Recipe,
    suite: Option<&SuiteWithManifests>,
    signals: &Signals,
) -> Result<Deep> {
    let devices = device::open_all(&arguments.device.device)?;
    let device = devices[0].clone();
    let model = Model::of_recipe(project, recipe)?;
    device::refuse_training(&arguments.device.device, &device, &recipe.training, &model.config)?;
    // A checkpoint after the first step: nothing trains ahead of it, on any device.
    let mut recipe = recipe.clone();
    recipe.checkpoint.every = 1;
    let recipe = &recipe;
    let corpora = Corpora::open(project, recipe, &model, signals.flag())?;
    refuse_contaminated(project, recipe, suite, &corpora, signals.flag())?;
    let tokens = corpora.tokenize(project, recipe, &model, signals.flag())?;
    let tokens = without_seen(project, recipe, &model.ancestry(&project.root)?, None, tokens)?;
    let plan = tokens.plan(recipe, recipe.training.budget, None)?;
    read_every_source(&plan);
    let scratch = tempfile::tempdir_in(&project.root)?;
    let decoder = model.decoder(recipe.seed, &device)?;
    let weights = temper_model::weights_digest(&decoder).into();
    let info = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: None,
        features: Vec::new(),
        recipe_file: arguments.recipe.recipe.clone(),
        overrides: arguments.recipe.overrides.clone(),
        device_kind: device::kind(&arguments.device.device, &device),
        driver: None,
        cpu_flags: Vec::new(),
        threads: 0,
        arguments: Vec::new(),
        started_from: model.lineage(&project.root, weights)?,
        growth: model.growth.clone(),
    };
    let (run, _lock) = RunDir::create(scratch.path(), recipe, "", &info)?;
    let starting = || Ok(model.decoder(recipe.seed, &device)?);
    let rewards = match &recipe.rl {
        Some(rl) => Some((Rewards::load(project, recipe, rl, &corpora)?, stop_ids(&model)?)),
        None => None,
    };
    let sampler = match (&recipe.rl, &rewards) {
        (Some(rl), Some((rewards, stop_ids))) => Some(rewards.sampler(rl, &model, stop_ids)?),
        (None, _) | (_, None) => None,
    };
    let stage = TrainStage {
        shards: tokens.digests(),
        // What is kept for the one step is of use to nobody.
        references: scratch.path().join(REFERENCES),
        fisher: methods::fisher_file(project, recipe),
        starting: &starting,
        most_steps: Some(1),
        base: Some(Base { folder: String::new(), weights }),
        sampler,
        recipe,
        plan: &plan,
        run: &run,
        device_kind: info.device_kind.clone(),
        companions: model.companions.clone(),
        pass: pass_options(&recipe.training),
        devices,
        stop: signals.flag(),
    };
    let mut seen = Seen { tokens: 0, loss: 0.0 };
    let started = Instant::now();
    let start = Start::Fresh { decoder: Box::new(decoder), folder: Some(model.folder.clone()) };
    let ending = stage.run(start, &mut seen)?;
    let seconds = started.elapsed().as_secs_f64();
    let (read_back, _) =
        temper_model::hf::load(&run.checkpoint_folder(ending.cursor.step), &device)?;
    ensure!(
        recipe.checkpoint.dtype != temper_recipe::StoredDtype::F32
            || temper_model::weights_digest(&read_back)
                == temper_model::weights_digest(&ending.decoder),
        "checkpoint: the weights read back differ from those written\n\nhint: check the disk"
    );
    Ok(Deep { tokens: seen.tokens, loss: seen.loss, seconds, peak_bytes: peak_bytes() })
}

/// Walks to the first row of each source and reads its tokens.
fn read_every_source(plan: &Plan) {
    let mut unread: Vec<bool> = vec![true; plan.sources().len()];
    let steps = plan.walk(plan.start()).expect("a plan's own start is never foreign");
    for step in steps {
        let new = step.rows.iter().any(|row| std::mem::take(&mut unread[row.source]));
        if new {
            plan.lanes(&step, step.rows.len());
        }
        if !unread.contains(&true) {
            return;
        }
    }
}

/// Watches one step.
struct Seen {
    tokens: u64,
    loss: f64,
}

impl Observer for Seen {
    fn step(&mut self, progress: &StepProgress) {
        self.tokens = progress.report.tokens;
        self.loss = progress.report.loss;
    }

    fn evaluate(
        &mut self,
        _step: u64,
        _decoder: &Decoder,
    ) -> Result<Verdict, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Verdict::Continue)
    }
}
