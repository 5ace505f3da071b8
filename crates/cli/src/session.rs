//! One run from its inputs to its report; `run` and `resume` differ in where they enter.

use std::error::Error as StdError;

use anyhow::{Result, bail};
use burn::tensor::Device;
use serde_json::json;
use temper_eval::{ForgettingReport, Gate, Outcome as GateOutcome, SuiteScore, forgetting, gate};
use temper_ledger::{Citation, Decision, End, Outcome, RunDir};
use temper_mix::{Forecast, Plan};
use temper_model::Decoder;
use temper_recipe::{Action, Budget, ForgettingPolicy, Project, Recipe};
use temper_train::{Ending, Observer, Stage, Start, Verdict};

use crate::exit::Failure;
use crate::inputs::{Corpora, Model, check_disk, checkpoint_bytes};
use crate::print;
use crate::scoring::Scorer;
use crate::signals::Signals;
use crate::tables;
use crate::training::TrainingBar;

/// Everything a run needs; the caller holds the run's lock.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) recipe: Recipe,
    pub(crate) model: Model,
    pub(crate) corpora: Corpora,
    pub(crate) scorer: Option<Scorer>,
    pub(crate) run: RunDir,
    /// What `resume` was asked to change; recorded once it is found feasible.
    pub(crate) decisions: Vec<Decision>,
    /// An autodiff device.
    pub(crate) device: Device,
    pub(crate) device_kind: String,
    pub(crate) signals: Signals,
}

impl Session {
    /// Tokenizes, plans, scores, trains, scores again and reports.
    ///
    /// What fails before there is a plan is a matter of input, and the run stays as it was.
    pub(crate) fn execute(&self) -> Result<(), Failure> {
        let (plan, forecast) = match self.plan() {
            Ok(Some(planned)) => planned,
            Ok(None) => return self.interrupted(),
            Err(_) if self.signals.received().is_some() => return self.interrupted(),
            Err(error) => return Err(Failure::Input(error)),
        };
        match self.stages(&plan, &forecast) {
            Ok(ending) => ending,
            Err(_) if self.signals.received().is_some() => self.interrupted(),
            Err(error) => {
                let reason = format!("{error:#}");
                let step = self.run.latest_checkpoint().ok().flatten().unwrap_or(0);
                let outcome = Outcome { end: End::Failed, step, reason: Some(reason), summary: json!(null) };
                // The error that ended the run is what the user must read, not this one.
                let _ = self.run.write_outcome(&outcome);
                Err(Failure::Running(error))
            }
        }
    }

    fn stages(&self, plan: &Plan, forecast: &Forecast) -> Result<Result<(), Failure>> {
        let before = self.baseline()?;
        let start = self.start()?;
        let stage = Stage {
            recipe: &self.recipe,
            plan,
            run: &self.run,
            device_kind: self.device_kind.clone(),
            companions: self.model.companions(),
            stop: self.signals.flag(),
        };
        let looks = self.looks(forecast.steps);
        let mut watcher = Watcher {
            session: self,
            before: before.as_ref(),
            looks,
            bar: TrainingBar::start(forecast.steps),
        };
        let ending = stage.run(start, &mut watcher)?;
        watcher.bar.finish(ending.step);
        if !ending.finished && !ending.stopped_by_gate {
            return Ok(self.interrupted());
        }
        self.report(&ending, before.as_ref(), looks, plan, forecast)
    }

    /// The plan, and what it will draw; `None` after a signal.
    fn plan(&self) -> Result<Option<(Plan, Forecast)>> {
        let stop = self.signals.flag();
        let tokens =
            self.corpora.tokenize(&self.project, &self.recipe, &self.model.tokenizer, stop)?;
        let plan = tokens.plan(&self.recipe, self.budget()?)?;
        let forecast = plan.forecast();
        let record = tokens.record(&self.recipe, &forecast);
        if let Some(before) = self.run.plan()? {
            let changes = before.changed_data(&record);
            if !changes.is_empty() {
                bail!(
                    "cannot resume `{}`: its data changed\n  {}\n\nhint: restore the data, or start \
                     a new run from its last checkpoint",
                    self.run.path().display(),
                    changes.join("\n  ")
                );
            }
        }
        check_disk(self.run.path(), checkpoint_bytes(&self.recipe, &self.model.config, forecast.steps))?;
        for decision in &self.decisions {
            self.run.record_decision(decision)?;
        }
        self.run.clear_outcome()?;
        self.run.write_plan(&record)?;
        print::note(&format!("\n{}", tables::forecast(&self.recipe, &plan, &forecast)));
        Ok(Some((plan, forecast)))
    }

    /// The recipe's budget, or what `resume --extend` made of it.
    fn budget(&self) -> Result<Budget> {
        let recorded = self.run.decisions()?;
        let extended = recorded.iter().chain(&self.decisions).rev().find_map(Decision::extended_to);
        Ok(extended.map_or(self.recipe.training.budget, Budget::Tokens))
    }

    /// The score before step 0, which every later score is held against.
    fn baseline(&self) -> Result<Option<SuiteScore>> {
        let Some(scorer) = &self.scorer else { return Ok(None) };
        if self.run.evals()?.contains(&0) {
            return Ok(Some(serde_json::from_value(self.run.eval(0)?.0)?));
        }
        let decoder = self.model.decoder(self.recipe.seed, &self.device)?;
        let score = scorer.baseline(&decoder, self.signals.flag())?;
        self.run.write_eval(0, &serde_json::to_value(&score)?)?;
        Ok(Some(score))
    }

    fn start(&self) -> Result<Start> {
        if let Some(step) = self.run.latest_checkpoint()? {
            return Ok(Start::Resume { step, device: self.device.clone() });
        }
        let decoder = Box::new(self.model.decoder(self.recipe.seed, &self.device)?);
        Ok(Start::Fresh { decoder, folder: Some(self.model.folder.clone()) })
    }

    /// How often the gate will look, the last time included: each look costs certainty.
    fn looks(&self, steps: u64) -> u32 {
        let every = self.recipe.forgetting.as_ref().map_or(0, |policy| policy.every);
        let on_schedule = steps.saturating_sub(1).checked_div(every).unwrap_or(0);
        u32::try_from(on_schedule + 1).unwrap_or(u32::MAX)
    }

    /// Scores the weights after `step` steps and holds them against the baseline; once per step.
    fn look(&self, step: u64, decoder: &Decoder, before: &SuiteScore, looks: u32) -> Result<Look> {
        let (scorer, policy) = match (&self.scorer, &self.recipe.forgetting) {
            (Some(scorer), Some(policy)) => (scorer, policy),
            _ => bail!("run `{}`: no suite to score on", self.run.path().display()),
        };
        let after = match self.scored(step, decoder)? {
            Some(score) => score,
            None => scorer.score(decoder, "scoring", self.signals.flag())?,
        };
        let cited = self.run.write_eval(step, &serde_json::to_value(&after)?)?;
        let report = forgetting(before, &after, self.recipe.seed, looks)?;
        let gate = gate(&report, &policy.tolerance);
        let look = Look { after, report, gate };
        self.record(step, &look, policy, cited)?;
        Ok(look)
    }

    /// The score after `step` steps, if these very weights were scored before a kill.
    fn scored(&self, step: u64, decoder: &Decoder) -> Result<Option<SuiteScore>> {
        if !self.run.evals()?.contains(&step) {
            return Ok(None);
        }
        let score: SuiteScore = serde_json::from_value(self.run.eval(step)?.0)?;
        let weights = temper_model::weights_digest(decoder).into();
        Ok((score.provenance.weights == weights).then_some(score))
    }

    fn record(&self, step: u64, look: &Look, policy: &ForgettingPolicy, cited: Citation) -> Result<()> {
        let stop = look.says_stop(policy);
        let checkpoint = stop.then_some(step);
        let cites = vec![self.run.eval(0)?.1, cited];
        let values = json!({ "outcome": look.gate.outcome, "stop": stop });
        let decision = Decision { kind: "gate".to_owned(), step, cites, checkpoint, values };
        Ok(self.run.record_decision(&decision)?)
    }

    fn report(
        &self,
        ending: &Ending,
        before: Option<&SuiteScore>,
        looks: u32,
        plan: &Plan,
        forecast: &Forecast,
    ) -> Result<Result<(), Failure>> {
        let folder = self.run.checkpoint_folder(ending.step);
        let mut summary = json!(null);
        let mut refused = ending.stopped_by_gate;
        if let (Some(before), Some(policy)) = (before, &self.recipe.forgetting) {
            let look = self.look(ending.step, &ending.decoder, before, looks)?;
            print::data(&format!("\n{}", tables::forgetting(&look.report, &look.after)));
            print::data(&format!("\n  {}", tables::gate(&look.gate)));
            refused |= look.says_stop(policy);
            summary = json!({ "forgetting": look.report, "gate": look.gate });
        }
        print::data(&format!("\n{}", tables::mix(forecast, plan.sequence_length())));
        let end = if ending.finished { End::Finished } else { End::Stopped };
        let reason = ending.stopped_by_gate.then(|| "the forgetting gate said stop".to_owned());
        self.run.write_outcome(&Outcome { end, step: ending.step, reason, summary })?;
        let (run, root) = (self.run.path(), &self.project.root);
        let short = |path: &std::path::Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        print::data(&format!(
            "  checkpoint  {}\n  audit it    temper audit {run}\n  look at it  temper generate {run} --prompt \"…\"",
            short(&folder),
            run = short(run),
        ));
        Ok(if refused { Err(Failure::Refused) } else { Ok(()) })
    }

    fn interrupted(&self) -> Result<(), Failure> {
        let signal = self.signals.received().unwrap_or(signal_hook::consts::SIGINT);
        let step = self.run.latest_checkpoint().map_err(running)?.unwrap_or(0);
        let reason = Some(format!("signal {signal}"));
        let outcome = Outcome { end: End::Interrupted, step, reason, summary: json!(null) };
        self.run.write_outcome(&outcome).map_err(running)?;
        let run = self.run.path().strip_prefix(&self.project.root).unwrap_or(self.run.path());
        print::note(&format!(
            "interrupted after step {step}, saved\n\nhint: `temper resume {}` continues it",
            run.display()
        ));
        Err(Failure::Interrupted(signal))
    }
}

/// A run that has started does not fail by its input.
fn running(error: temper_ledger::Error) -> Failure {
    Failure::Running(error.into())
}

/// One evaluation against the baseline.
#[derive(Debug)]
struct Look {
    after: SuiteScore,
    report: ForgettingReport,
    gate: Gate,
}

impl Look {
    fn says_stop(&self, policy: &ForgettingPolicy) -> bool {
        let action = match self.gate.outcome {
            GateOutcome::Held => return false,
            GateOutcome::Breach => policy.action,
            GateOutcome::Undecided => policy.on_undecided,
        };
        action == Action::Stop
    }
}

/// Shows the training and looks at the gate on schedule.
struct Watcher<'a> {
    session: &'a Session,
    before: Option<&'a SuiteScore>,
    looks: u32,
    bar: TrainingBar,
}

impl Observer for Watcher<'_> {
    fn step(&mut self, progress: &temper_train::Progress) {
        self.bar.step(progress);
    }

    fn evaluate(
        &mut self,
        step: u64,
        decoder: &Decoder,
    ) -> Result<Verdict, Box<dyn StdError + Send + Sync>> {
        let (Some(before), Some(policy)) = (self.before, &self.session.recipe.forgetting) else {
            return Ok(Verdict::Continue);
        };
        let look = self.session.look(step, decoder, before, self.looks)?;
        self.bar.note(&format!("step {step}: {}", tables::gate(&look.gate)));
        Ok(if look.says_stop(policy) { Verdict::Stop } else { Verdict::Continue })
    }
}
