//! One step of a recipe, in a folder that is thrown away.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;
use temper_ledger::{RunDir, RunInfo};
use temper_mix::Plan;
use temper_model::Decoder;
use temper_recipe::{Project, Recipe, SuiteWithManifests};
use temper_train::{Base, Observer, Progress as StepProgress, Stage as TrainStage, Start, Verdict};

use crate::args::CheckArguments;
use crate::contamination::refuse_contaminated;
use crate::corpora::Corpora;
use crate::fit::pass_options;
use crate::model::Model;
use crate::resident::peak_bytes;
use crate::rewards::Rewards;
use crate::seen::without_seen;
use crate::session::REFERENCES;
use crate::signals::Signals;
use crate::{device, methods, print, stop_ids};

/// What the step took.
#[derive(Debug, Serialize)]
pub(super) struct Deep {
    tokens: u64,
    seconds: f64,
    loss: f64,
    peak_bytes: Option<u64>,
}

impl Deep {
    /// As a person reads it.
    pub(super) fn text(&self) -> String {
        format!(
            "  every source read; one step of {} in {:.1} s, loss {:.3}; checkpoint written and read back; \
             peak memory {}",
            print::counted(self.tokens, "token", "tokens"),
            self.seconds,
            self.loss,
            self.peak_bytes.map_or("unknown".to_owned(), print::bytes)
        )
    }
}

/// Does once, in a folder that is thrown away, what a run does many times.
pub(super) fn check_deep(
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
        Some(rl) => {
            Some((Rewards::load(project, recipe, rl, &corpora)?, stop_ids::of_answers(&model)?))
        }
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
