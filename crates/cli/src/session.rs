//! One run from its inputs to its report; `run` and `resume` differ in where they enter.

mod ending;
mod start;

use anyhow::{Result, bail};
use burn::tensor::Device;
use temper_eval::SuiteScore;
use temper_ledger::{Decision, PlanRecord, RunDir, Totals};
use temper_mix::{Cursor, Forecast, Plan};
use temper_recipe::{Budget, Project, Recipe};
use temper_train::{Stage, Start};

use crate::corpora::Corpora;
use crate::disk::{check_disk, disk_bytes};
use crate::exit::Failure;
use crate::extension::budget_in_force;
use crate::fit::pass_options;
use crate::gatekeeper::{Gatekeeper, Watcher};
use crate::methods::TrainedParameters;
use crate::model::Model;
use crate::print::counted;
use crate::scoring::Scorer;
use crate::seen::without_seen;
use crate::signals::Signals;
use crate::tokens::Tokens;
use crate::training::TrainingBar;
use crate::{methods, out_of_memory, print, tables};

/// In the cache: what starting models say to pairs, which runs share.
pub(crate) const REFERENCES: &str = "references";

/// Everything a run needs; the caller holds the run's lock.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) recipe: Recipe,
    pub(crate) model: Model,
    /// Opened before a run begins; a resume goes on from the shards of its plan where they are whole.
    pub(crate) corpora: Option<Corpora>,
    pub(crate) scorer: Option<Scorer>,
    pub(crate) run: RunDir,
    /// Where the mix in force begins, when it is not the one that the run was started with.
    pub(crate) seam: Option<Cursor>,
    /// What `resume` was asked to change; recorded once it is found feasible.
    pub(crate) decisions: Vec<Decision>,
    /// Where to train; the first one also scores.
    pub(crate) devices: Vec<Device>,
    pub(crate) device_kind: String,
    pub(crate) signals: Signals,
    /// The last report goes to stdout as JSON.
    pub(crate) json: bool,
}

impl Session {
    /// Tokenizes, plans, scores, trains, scores again and reports.
    ///
    /// What fails before there is a plan is a matter of input, and the run stays as it was.
    pub(crate) fn execute(&self) -> Result<(), Failure> {
        let planned = self.plan().map_err(Failure::from);
        let ended = planned.and_then(|(plan, steps)| self.train(&plan, steps));
        match &ended {
            Err(Failure::Interrupted) => self.interrupted().map_err(Failure::running)?,
            Err(Failure::Running(error)) => self.failed(error),
            Err(Failure::Input(_) | Failure::Refused) | Ok(()) => {}
        }
        ended
    }

    /// The plan, and the number of steps that it ends after.
    fn plan(&self) -> Result<(Plan, u64)> {
        let before = self.run.plan()?;
        let tokens = self.without_seen(self.tokens(before.as_ref())?)?;
        let plan = tokens.plan(&self.recipe, self.budget()?, self.seam.as_ref())?;
        let is_planned = |record: &&PlanRecord| self.decisions.is_empty() && is_of(record, &plan);
        if let Some(planned) = before.as_ref().filter(is_planned) {
            let now = tokens.record(&self.recipe, &plan, planned.totals());
            self.refuse_changed_data(planned, &now)?;
            self.begin(planned)?;
            print::note(&format!(
                "as planned: {}, {}",
                counted(planned.steps, "step", "steps"),
                counted(planned.tokens, "token", "tokens")
            ));
            return Ok((plan, planned.steps));
        }
        let mut forecast = plan.forecast()?;
        if let Some(last) = self.last_step(&plan)? {
            forecast.steps = last - plan.start().step;
        }
        let mut record = tokens.record(&self.recipe, &plan, totals(&plan, &forecast));
        if let Some(before) = &before {
            self.refuse_changed_data(before, &record)?;
            record = record.after(before);
        }
        self.begin(&record)?;
        print::note(&format!("\n{}", tables::forecast(&self.recipe, &plan, &forecast)));
        Ok((plan, record.steps))
    }

    /// The step that a run which goes on ends after: where a budget ended within a step, that step stays as short as
    /// it was when the budget is raised. `None` where the mix in force begins here.
    fn last_step(&self, plan: &Plan) -> Result<Option<u64>> {
        let step = self.run.latest_checkpoint()?.filter(|step| *step > plan.start().step);
        let Some(step) = step else { return Ok(None) };
        let cursor = temper_train::cursor(&self.run, step)?;
        Ok(Some(plan.walk_to(&cursor, u64::MAX)?.cursor().step))
    }

    /// The shards of the recorded plan, where they are whole; otherwise the corpora are read.
    fn tokens(&self, before: Option<&PlanRecord>) -> Result<Tokens> {
        let (project, recipe, model) = (&self.project, &self.recipe, &self.model);
        let opened = match &self.corpora {
            Some(corpora) => corpora,
            None => {
                let recorded =
                    before.and_then(|plan| Tokens::recorded(project, recipe, model, plan));
                if let Some(tokens) = recorded {
                    return Ok(tokens);
                }
                &Corpora::open(project, recipe, model, self.signals.flag())?
            }
        };
        opened.tokenize(project, recipe, model, self.signals.flag())
    }

    /// Without what the runs behind the start have trained on, where the recipe skips that.
    fn without_seen(&self, tokens: Tokens) -> Result<Tokens> {
        let lineage = self.run.identity()?.info.started_from;
        without_seen(&self.project, &self.recipe, &lineage, Some(&self.run), tokens)
    }

    fn refuse_changed_data(&self, before: &PlanRecord, now: &PlanRecord) -> Result<()> {
        let changes = before.changed_data(now);
        if !changes.is_empty() {
            bail!(
                "cannot resume `{}`: its data changed\n  {}\n\nhint: restore the data, or start a new run from \
                 its last checkpoint",
                self.run.path().display(),
                changes.join("\n  ")
            );
        }
        Ok(())
    }

    /// What is decided and planned is recorded; from here on the run is under way.
    fn begin(&self, record: &PlanRecord) -> Result<()> {
        let trained = TrainedParameters::of(&self.recipe, &self.model.config)?;
        let planned = disk_bytes(&self.recipe, &self.model, record.totals(), trained);
        check_disk(&self.run, planned)?;
        self.run.record_decisions(&self.decisions)?;
        self.run.clear_outcome()?;
        self.run.write_plan(record)?;
        Ok(())
    }

    /// The recipe's budget, or what `resume` made of it.
    fn budget(&self) -> Result<Budget> {
        budget_in_force(&self.run, &self.recipe, &self.decisions)
    }

    fn train(&self, plan: &Plan, steps: u64) -> Result<(), Failure> {
        let gatekeeper = self.gatekeeper(steps).map_err(Failure::running)?;
        let starting = || Ok(self.starting()?);
        let rewards = self.rewards().map_err(Failure::running)?;
        let sampler = match (&self.recipe.rl, &rewards) {
            (Some(rl), Some((rewards, stop_ids))) => {
                Some(rewards.sampler(rl, &self.model, stop_ids).map_err(Failure::running)?)
            }
            (None, _) | (_, None) => None,
        };
        let planned = self.run.plan().map_err(Failure::running)?;
        let planned = planned.map(|plan| plan.sources).unwrap_or_default();
        // A plan remembers the sources of all mixes that a run had; a stage has those of the last.
        let shards = self.recipe.sources().filter_map(|source| {
            let data = planned.iter().find(|data| data.source == source.corpus)?;
            Some(data.digest)
        });
        let stage = Stage {
            shards: shards.collect(),
            most_steps: None,
            base: self.base().map_err(Failure::running)?,
            sampler,
            references: self.project.cache_dir().join(REFERENCES),
            fisher: methods::fisher_file(&self.project, &self.recipe),
            starting: &starting,
            recipe: &self.recipe,
            plan,
            run: &self.run,
            device_kind: self.device_kind.clone(),
            companions: self.model.companions.clone(),
            pass: pass_options(&self.recipe.training),
            devices: self.devices.clone(),
            stop: self.signals.flag(),
        };
        let start = self.start().map_err(Failure::running)?;
        let bar = TrainingBar::start(steps);
        let mut watcher = Watcher { gatekeeper: gatekeeper.as_ref(), bar };
        let whose = format!("device `{}`", self.device_kind);
        let ending = out_of_memory::named(&whose, || stage.run(start, &mut watcher));
        let ending = match ending.map_err(Failure::running)? {
            Err(temper_train::Error::Stopped) => return Err(Failure::Interrupted),
            ending => ending.map_err(Failure::running)?,
        };
        watcher.bar.finish(ending.cursor.step);
        if !ending.finished && !ending.stopped_by_gate {
            return Err(Failure::Interrupted);
        }
        let refused = self.report(&ending, gatekeeper.as_ref(), plan).map_err(Failure::running)?;
        if refused { Err(Failure::Refused) } else { Ok(()) }
    }

    /// Scores the starting weights, unless that was done; `None` without a suite.
    fn gatekeeper(&self, steps: u64) -> Result<Option<Gatekeeper<'_>>> {
        let (Some(scorer), Some(policy)) = (&self.scorer, &self.recipe.forgetting) else {
            return Ok(None);
        };
        let on_schedule = steps.saturating_sub(1).checked_div(policy.every).unwrap_or(0);
        let looks = u32::try_from(on_schedule + 1).unwrap_or(u32::MAX);
        let before = self.baseline(scorer)?;
        let since = self.since(scorer)?;
        let (run, seed, signals) = (&self.run, self.recipe.seed, &self.signals);
        Ok(Some(Gatekeeper { run, scorer, policy, seed, before, since, looks, signals }))
    }

    /// The score before step 0, which every later score is held against.
    fn baseline(&self, scorer: &Scorer) -> Result<SuiteScore> {
        if self.run.evals()?.contains(&0) {
            return Ok(serde_json::from_value(self.run.eval(0)?.0)?);
        }
        if let Some(step) = self.run.latest_checkpoint()? {
            bail!(
                "run `{}`: no score before step 0 in `evals/`, and training is at step {step}\n\n\
                 hint: restore `evals/step-000000.json`, or start a new run",
                self.run.path().display()
            );
        }
        let decoder = self.model.decoder(self.recipe.seed, &self.devices[0])?;
        let score = scorer.baseline(&decoder, self.signals.flag())?;
        self.run.write_eval(0, &serde_json::to_value(&score)?)?;
        Ok(score)
    }

    fn start(&self) -> Result<Start> {
        if let Some(step) = self.run.latest_checkpoint()? {
            return Ok(Start::Resume(step));
        }
        let decoder = Box::new(self.model.decoder(self.recipe.seed, &self.devices[0])?);
        Ok(Start::Fresh { decoder, folder: Some(self.model.folder.clone()) })
    }
}

/// What a run comes to when `plan` has drawn what `forecast` says.
pub(crate) fn totals(plan: &Plan, forecast: &Forecast) -> Totals {
    let start = plan.start();
    let own = forecast.sources.iter().take(plan.own_sources().len());
    let own: u64 = own.map(|source| source.tokens).sum();
    let rows_per_step = plan.rows_per_step() + plan.replay().map_or(0, Plan::rows_per_step);
    Totals {
        steps: start.step + forecast.steps,
        tokens: start.tokens() + forecast.tokens,
        own_tokens: start.own_tokens() + own,
        // Steps before a remix are full.
        rows: start.step * rows_per_step as u64 + forecast.rows,
        mix_from: start.step,
    }
}

/// True if `record` was made for the mix and the budget of `plan`: the last row may go beyond it.
fn is_of(record: &PlanRecord, plan: &Plan) -> bool {
    if record.mix_from != plan.start().step {
        return false;
    }
    match plan.budget() {
        Budget::Steps(steps) => record.steps == steps,
        Budget::Tokens(tokens) => {
            let own = record.totals().own_tokens;
            (tokens..tokens + plan.sequence_length() as u64).contains(&own)
        }
        Budget::Epochs(_) => false,
    }
}
