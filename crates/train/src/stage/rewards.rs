//! A step of the stage `rl`: sampled, judged and learned from.

use temper_mix::{Cursor, RefillOrder};
use temper_model::{Decoder, PackedRows};
use temper_recipe::Rl;

use super::Stage;
use crate::batches::Batch;
use crate::error::Error;
use crate::measured::StepNumbers;
use crate::record::row_record;
use crate::rl::{Journal, Lesson, Sample, Sampler};
use crate::step::{Trainee, packed};
use crate::underway::Step;

/// What the steps of the stage need besides what those of all stages do.
pub(super) struct Rewards<'a> {
    rl: &'a Rl,
    sampler: &'a Sampler<'a>,
    journal: Journal,
    /// The starting model, where the divergence from it counts.
    starting: Option<Decoder>,
    /// Where other prompts come from, where groups are replaced.
    order: Option<RefillOrder<'a>>,
}

impl Stage<'_> {
    /// `None` in other stages.
    pub(super) fn rewards(&self, trainee: &Trainee) -> Result<Option<Rewards<'_>>, Error> {
        let rl = self.recipe.rl.as_ref().zip(self.sampler.as_ref());
        let Some((rl, sampler)) = rl else { return Ok(None) };
        let starting = match &trainee.starting {
            _ if rl.kl == 0.0 => None,
            // One copy serves both.
            Some(starting) => Some(starting.clone()),
            None => Some((self.starting)().map_err(Error::Starting)?),
        };
        let order = (rl.refill > 0).then(|| RefillOrder::new(self.plan)).transpose()?;
        Ok(Some(Rewards { rl, sampler, journal: Journal::new(self.run), starting, order }))
    }

    /// Samples a step that begins at `cursor`, and learns from it. In the end the step and what the ledger is
    /// told of it have the rows that were sampled last.
    pub(super) fn learn(
        &self,
        rewards: &Rewards<'_>,
        trainee: &mut Trainee,
        batch: Batch,
        cursor: &Cursor,
    ) -> Result<Step, Error> {
        let Batch { mut step, lanes, mut rows } = batch;
        let learning_rate = self.learning_rate(&step);
        let rows_per_lane = self.recipe.training.micro_batch_size;
        let beside = lanes.into_iter().skip(step.own_lanes(rows_per_lane));
        let replayed: Vec<PackedRows> = beside.map(packed).collect();
        // The plan knows nothing of them.
        step.next.refills = cursor.refills.clone();
        let sample = Sample {
            decoder: &trainee.decoder,
            plan: self.plan,
            seed: self.recipe.seed,
            sequence_length: self.recipe.training.sequence_length,
            rl: rewards.rl,
            sampler: rewards.sampler,
            journal: &rewards.journal,
            order: rewards.order.as_ref(),
        };
        let rollouts = sample.step(step)?;
        let lesson = Lesson {
            plan: self.plan,
            recipe: self.recipe,
            rl: rewards.rl,
            starting: rewards.starting.as_ref(),
            pass: &self.pass,
            replayed: &replayed,
            lr: learning_rate,
        };
        let measured = trainee.learn(&rollouts, &lesson)?;
        let step = rollouts.step;
        for (number, _) in step.rows.iter().enumerate().filter(|(_, row)| row.refills > 0) {
            rows[number] = row_record(self.plan, &step, number, rows_per_lane);
        }
        Ok(Step { planned: step, rows, learning_rate, numbers: StepNumbers::Known(measured) })
    }
}
