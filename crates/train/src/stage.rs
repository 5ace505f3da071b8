//! The loop: steps until the budget is used up, a gate says stop or somebody asks to.

mod answers;
mod around;
mod rewards;
mod start;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use temper_ledger::{RunDir, retain};
use temper_mix::{Cursor, Plan, PlannedStep};
use temper_model::{Decoder, PassOptions, hf::Companion};
use temper_recipe::{Digest, Preference, Recipe};

use self::answers::Reference;
use crate::batches::{AHEAD, Batch, with_batches};
use crate::error::Error;
use crate::reference::{Ask, Starting};
use crate::rl::Sampler;
use crate::state::{self, Stamp};
use crate::step::Trainee;
use crate::underway::{Step, Underway};

pub use around::{Observer, Progress, StageEnd, Start, Verdict};

/// A starting model, by its place and its weights.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its folder, from the project's root.
    pub folder: String,
    /// The [`weights_digest`](temper_model::weights_digest) of what training begins with.
    pub weights: Digest,
}

/// One stage of training, with everything it depends on.
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct Stage<'a> {
    /// What was asked for.
    pub recipe: &'a Recipe,
    /// Which tokens come.
    pub plan: &'a Plan,
    /// Where records and checkpoints go; the caller holds its lock.
    pub run: &'a RunDir,
    /// What decides the bits of the weights.
    pub device_kind: String,
    /// Files that every checkpoint carries unchanged: tokenizer, chat template.
    pub companions: Vec<Companion>,
    /// How passes compute; frozen in the run.
    pub pass: PassOptions,
    /// Devices of one kind that share the lanes, the one that holds the weights first; which they are
    /// changes no bit, unless the recipe waives that.
    pub devices: Vec<Device>,
    /// The digests of the sources' shards, in the order of the plan.
    pub shards: Vec<Digest>,
    /// A folder in which runs share what starting models say to answers and rows.
    pub references: PathBuf,
    /// Where the Fisher information lies that the recipe names.
    pub fisher: Option<PathBuf>,
    /// Steps after which this call ends, however many are left.
    pub most_steps: Option<usize>,
    /// The starting model, as an adapter names its base; `None` of weights that were drawn.
    pub base: Option<Base>,
    /// Loads the starting model once more, which answers and weights are held against.
    pub starting: Starting<'a>,
    /// Samples and judges, in the stage `rl`.
    pub sampler: Option<Sampler<'a>>,
    /// Set from outside to stop after the current step.
    pub stop: &'a AtomicBool,
}

impl Stage<'_> {
    /// Trains from `start` until the budget is used up, the observer says stop or `stop` is set.
    ///
    /// # Errors
    /// [`Error::NotFinite`] names the step and its documents; the last checkpoint stays.
    pub fn run(&self, start: Start, observer: &mut dyn Observer) -> Result<StageEnd, Error> {
        let (mut trainee, mut cursor, mut ledger) = self.start(start)?;
        (trainee.anchor, trainee.starting) = self.anchored(cursor.step, observer)?;
        let preference = match &self.recipe.preference {
            Some(preference) => Some((preference, self.reference(preference, &cursor, observer)?)),
            None => None,
        };
        let mut saved = (cursor.step > 0).then_some(cursor.step);
        // A run killed between a checkpoint and the evaluation that follows it has that one to do.
        let mut stopped_by_gate =
            cursor.step > 0 && self.evaluate(&cursor, &trainee.decoder, observer)?;
        let rewards = self.rewards(&trainee)?;
        let rows_per_lane = self.recipe.training.micro_batch_size;
        let from = cursor.clone();
        let mut left = self.most_steps.unwrap_or(usize::MAX);
        let mut underway = Underway::default();
        let finished = with_batches(self.plan, &from, rows_per_lane, AHEAD, |batches| {
            loop {
                if stopped_by_gate || left == 0 || self.stop.load(Ordering::SeqCst) {
                    break Ok(false);
                }
                left -= 1;
                let Ok(batch) = batches.recv() else {
                    self.check_over(&cursor)?;
                    break Ok(true);
                };
                let step = match &rewards {
                    Some(rewards) => self.learn(rewards, &mut trainee, batch, &cursor)?,
                    None => self.train(preference.as_ref(), &mut trainee, batch)?,
                };
                cursor = step.planned.next.clone();
                underway.push(step, self.plan, &mut ledger, observer)?;
                if self.pauses_after(cursor.step) {
                    underway.settle(self.plan, &mut ledger, observer)?;
                }
                if cursor.step.is_multiple_of(self.recipe.checkpoint.every) {
                    self.save(&trainee, &cursor, ledger.head())?;
                    saved = Some(cursor.step);
                }
                stopped_by_gate = self.evaluate(&cursor, &trainee.decoder, observer)?;
            }
        })?;
        underway.settle(self.plan, &mut ledger, observer)?;
        let head = ledger.head();
        if finished {
            ledger.finish()?;
        } else {
            ledger.flush()?;
        }
        if saved != Some(cursor.step) {
            self.save(&trainee, &cursor, head)?;
        }
        Ok(StageEnd { cursor, finished, stopped_by_gate, decoder: trainee.decoder })
    }

    /// Trains on a batch; answers are held against what the starting model says to them.
    fn train(
        &self,
        preference: Option<&(&Preference, Reference)>,
        trainee: &mut Trainee,
        batch: Batch,
    ) -> Result<Step, Error> {
        let Batch { step, lanes, rows } = batch;
        let learning_rate = self.learning_rate(&step);
        let answers = preference.map(|(preference, reference)| {
            self.answers(preference, reference, &step, &trainee.decoder)
        });
        let (plan, answers) = (self.plan, answers.as_ref());
        let numbers = trainee.train(plan, &step, lanes, answers, self.recipe, learning_rate)?;
        Ok(Step { planned: step, rows, learning_rate, numbers })
    }

    fn learning_rate(&self, step: &PlannedStep) -> f64 {
        let optimizer = &self.recipe.optimizer;
        optimizer.schedule.learning_rate(optimizer.lr, self.plan.progress(&step.next))
    }

    /// How the starting model is asked.
    fn ask<'a>(&'a self, from: &'a Cursor) -> Ask<'a> {
        Ask {
            from,
            stop: self.stop,
            pass: self.pass,
            rows_per_lane: self.recipe.training.micro_batch_size,
            device_kind: self.device_kind.clone(),
            steps: self.most_steps.unwrap_or(usize::MAX),
        }
    }

    /// A plan lasts as long as its budget, so a walk that ends before it began at an edited cursor.
    fn check_over(&self, cursor: &Cursor) -> Result<(), Error> {
        let progress = self.plan.progress(cursor);
        if progress >= 1.0 {
            return Ok(());
        }
        let found =
            format!("no row follows its cursor, at {:.1} % of the budget", 100.0 * progress);
        let folder = self.run.checkpoint_folder(cursor.step);
        Err(Error::state(&folder, found, "a cursor that this plan has reached"))
    }

    fn evaluates_every(&self) -> u64 {
        self.recipe.forgetting.as_ref().map_or(0, |policy| policy.every)
    }

    /// Whether something happens after this step that needs all steps before it to be recorded.
    fn pauses_after(&self, step: u64) -> bool {
        let evaluates = self.evaluates_every() != 0 && step.is_multiple_of(self.evaluates_every());
        evaluates || step.is_multiple_of(self.recipe.checkpoint.every)
    }

    /// Asks the observer when an evaluation is due; true when it says stop.
    ///
    /// On schedule, but not at the end: the caller scores the final weights anyway.
    fn evaluate(
        &self,
        cursor: &Cursor,
        decoder: &Decoder,
        observer: &mut dyn Observer,
    ) -> Result<bool, Error> {
        let every = self.evaluates_every();
        if every == 0 || !cursor.step.is_multiple_of(every) || self.plan.progress(cursor) >= 1.0 {
            return Ok(false);
        }
        let verdict = observer.evaluate(cursor.step, decoder);
        let verdict = verdict.map_err(|source| Error::Evaluation { step: cursor.step, source })?;
        Ok(verdict == Verdict::Stop)
    }

    fn save(&self, trainee: &Trainee, cursor: &Cursor, chain: Digest) -> Result<(), Error> {
        let stamp = Stamp {
            recipe: self.run.identity()?.recipe,
            chain,
            device_kind: self.device_kind.clone(),
        };
        let policy = &self.recipe.checkpoint;
        let lora = self.recipe.lora.as_ref().zip(self.base.as_ref());
        state::save(self.run, trainee, cursor, &stamp, &self.companions, policy.dtype, lora)?;
        for step in retain(policy, &self.run.checkpoints()?, &self.run.pinned_checkpoints()?) {
            self.run.delete_checkpoint(step)?;
        }
        Ok(())
    }
}
