//! The loop: steps until the budget is used up, a gate says stop or somebody asks to.

mod answers;
mod around;
mod rewards;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use temper_ledger::{Ledger, RunDir, chain_start, retain};
use temper_mix::{Cursor, Plan};
use temper_model::{Decoder, PassOptions, hf::Companion};
use temper_recipe::{Digest, OptimizerState, Recipe};

use crate::anchor::{Anchor, fisher};
use crate::batches::{AHEAD, Batch, with_batches};
use crate::ema::Averages;
use crate::error::Error;
use crate::frozen::Trainable;
pub use around::{Observer, Progress, StageEnd, Start, Verdict};

use crate::lora::Adapter;
use crate::measured::Trained;
use crate::optimizer::FlatMoments;
use crate::reference::{Ask, Starting};
use crate::rl::Sampler;
use crate::state::{self, Stamp};
use crate::step::Trainee;
use crate::underway::{Step, Underway};
use crate::workers::Workers;

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
        let preference = self.recipe.preference.as_ref();
        let preference = preference
            .map(|preference| {
                let reference = self.reference(preference, observer)?;
                Ok::<_, Error>((preference, reference))
            })
            .transpose()?;
        let mut saved = (cursor.step > 0).then_some(cursor.step);
        // A run killed between a checkpoint and the evaluation that follows it has that one to do.
        let mut stopped_by_gate =
            cursor.step > 0 && self.evaluate(&cursor, &trainee.decoder, observer)?;
        let rewards = self.rewards(&trainee)?;
        let optimizer = &self.recipe.optimizer;
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
                let progress = self.plan.progress(&batch.step.next);
                let lr = optimizer.schedule.learning_rate(optimizer.lr, progress);
                let (step, rows, trained) = match &rewards {
                    Some(rewards) => {
                        let learned = self.learn(rewards, &mut trainee, batch, &cursor, lr)?;
                        let (step, rows, measured) = learned;
                        (step, rows, Trained::Known(measured))
                    }
                    None => {
                        let Batch { step, lanes, rows } = batch;
                        let answers = preference.as_ref().map(|(preference, reference)| {
                            self.answers(preference, reference, &step, &trainee.decoder)
                        });
                        let (plan, answers) = (self.plan, answers.as_ref());
                        let trained =
                            trainee.train(plan, &step, lanes, answers, self.recipe, lr)?;
                        (step, rows, trained)
                    }
                };
                cursor = step.next.clone();
                let step = Step { planned: step, rows, learning_rate: lr, trained };
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

    fn start(&self, start: Start) -> Result<(Trainee, Cursor, Ledger), Error> {
        let part_steps = self.recipe.checkpoint.every;
        match start {
            Start::Fresh { decoder, folder } => {
                let frozen = &self.recipe.training.frozen;
                let trainable = Trainable::new(decoder.config(), frozen)?;
                let moments = self.kept_moments(&trainable, folder)?;
                // A run killed before its first checkpoint may have left parts; they are made again.
                let head = chain_start(&self.run.identity()?.recipe);
                let ledger = Ledger::resume(self.run, part_steps, 0, &head)?;
                let (optimizer, workers) = (self.recipe.optimizer.name, self.workers());
                let (decoder, ema) = (*decoder, self.recipe.ema.as_ref());
                let trainee = match &self.recipe.lora {
                    Some(lora) => {
                        let adapter = Adapter::new(&decoder, lora, self.recipe.seed)?;
                        let averages =
                            ema.map(|ema| Averages::of_adapter(ema, &adapter, &adapter.values()));
                        let trainee = Trainee::adapting(decoder, adapter, optimizer, None, workers);
                        Trainee { averages, ..trainee }
                    }
                    None => {
                        let averages = ema.map(|ema| {
                            let values = trainable.gather(&decoder, &decoder.values());
                            Averages::of_weights(ema, &decoder, &trainable, values)
                        });
                        let trainee = Trainee::new(decoder, trainable, optimizer, moments, workers);
                        Trainee { averages, ..trainee }
                    }
                };
                Ok((trainee, self.plan.start().clone(), ledger))
            }
            Start::Resume(step) => {
                let (trainee, cursor) =
                    state::load(self.run, step, self.workers(), self.recipe, self.starting)?;
                let cursor = self.plan.enter(cursor);
                let head = self.run.checkpoint(step)?.chain;
                let ledger = Ledger::resume(self.run, part_steps, step, &head)?;
                Ok((trainee, cursor, ledger))
            }
        }
    }

    /// How the starting model is asked.
    fn ask(&self) -> Ask<'_> {
        Ask {
            stop: self.stop,
            pass: self.pass,
            rows_per_lane: self.recipe.training.micro_batch_size,
            device_kind: self.device_kind.clone(),
            steps: self.most_steps.unwrap_or(usize::MAX),
        }
    }

    /// What holds the weights after `step` steps, and the starting model where it holds what is said.
    fn anchored(
        &self,
        step: u64,
        observer: &mut dyn Observer,
    ) -> Result<(Option<Anchor>, Option<Decoder>), Error> {
        let Some(options) = &self.recipe.anchor else { return Ok((None, None)) };
        let starting = (self.starting)().map_err(Error::Starting)?;
        let fisher = match (options.ewc > 0.0, step) {
            (false, _) => None,
            (true, 0) => {
                let kept = fisher::Kept { run: self.run.path(), shared: &self.references };
                let told = &mut |done, total| observer.fisher(done, total);
                let (plan, ask) = (self.plan, self.ask());
                Some(fisher::measured(options, plan, &starting, kept, &ask, told)?)
            }
            (true, _) => Some(fisher::kept(self.run.path(), &starting)?),
        };
        let holds_weights = options.l2 > 0.0 || options.ewc > 0.0;
        let anchor = holds_weights.then(|| Anchor::new(options, &starting, fisher));
        Ok((anchor, (options.kl > 0.0).then_some(starting)))
    }

    fn workers(&self) -> Workers {
        Workers::new(self.devices.clone(), self.pass, self.recipe.training.gradient_sum)
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

    fn kept_moments(
        &self,
        trainable: &Trainable,
        folder: Option<PathBuf>,
    ) -> Result<Option<(u64, FlatMoments)>, Error> {
        match (self.recipe.optimizer.state, folder) {
            (OptimizerState::Keep, Some(folder)) => {
                let optimizer = self.recipe.optimizer.name;
                state::keep_moments(&folder, trainable.parameters(), optimizer).map(Some)
            }
            _ => Ok(None),
        }
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
