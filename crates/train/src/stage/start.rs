//! What a stage has before its first step.

use std::path::Path;

use temper_ledger::{Ledger, chain_start};
use temper_mix::Cursor;
use temper_model::Decoder;
use temper_recipe::{Digest, Lora, OptimizerState};

use super::{Observer, Stage, Start};
use crate::anchor::{Anchor, fisher};
use crate::ema::Averages;
use crate::error::Error;
use crate::frozen::Trainable;
use crate::lora::Adapter;
use crate::optimizer::FlatMoments;
use crate::state;
use crate::step::Trainee;
use crate::workers::Workers;

impl Stage<'_> {
    /// What is trained, from where on, and the ledger up to there.
    pub(super) fn start(&self, start: Start) -> Result<(Trainee, Cursor, Ledger), Error> {
        match start {
            Start::Fresh { decoder, folder } => {
                let trainee = match &self.recipe.lora {
                    Some(lora) => self.fresh_factors(*decoder, lora)?,
                    None => self.fresh_weights(*decoder, folder.as_deref())?,
                };
                // A run killed before its first checkpoint may have left parts; they are made again.
                let head = chain_start(&self.run.identity()?.recipe);
                Ok((trainee, self.plan.start().clone(), self.ledger(0, &head)?))
            }
            Start::Resume(step) => {
                let (trainee, cursor) =
                    state::load(self.run, step, self.workers(), self.recipe, self.starting)?;
                let head = self.run.checkpoint(step)?.chain;
                Ok((trainee, self.plan.enter(cursor), self.ledger(step, &head)?))
            }
        }
    }

    fn fresh_factors(&self, decoder: Decoder, lora: &Lora) -> Result<Trainee, Error> {
        let adapter = Adapter::new(&decoder, lora, self.recipe.seed)?;
        let ema = self.recipe.ema.as_ref();
        let averages = ema.map(|ema| Averages::of_adapter(ema, &adapter, &adapter.values()));
        let optimizer = self.recipe.optimizer.name;
        let trainee = Trainee::adapting(decoder, adapter, optimizer, None, self.workers());
        Ok(Trainee { averages, ..trainee })
    }

    fn fresh_weights(&self, decoder: Decoder, folder: Option<&Path>) -> Result<Trainee, Error> {
        let trainable = Trainable::new(decoder.config(), &self.recipe.training.frozen)?;
        let moments = self.kept_moments(&trainable, folder)?;
        let averages = self.recipe.ema.as_ref().map(|ema| {
            let values = trainable.gather(&decoder, &decoder.values());
            Averages::of_weights(ema, &decoder, &trainable, values)
        });
        let optimizer = self.recipe.optimizer.name;
        let trainee = Trainee::new(decoder, trainable, optimizer, moments, self.workers());
        Ok(Trainee { averages, ..trainee })
    }

    /// The moments beside the starting checkpoint, where the recipe goes on with them.
    fn kept_moments(
        &self,
        trainable: &Trainable,
        folder: Option<&Path>,
    ) -> Result<Option<(u64, FlatMoments)>, Error> {
        let optimizer = &self.recipe.optimizer;
        match (optimizer.state, folder) {
            (OptimizerState::Keep, Some(folder)) => {
                state::keep_moments(folder, trainable.parameters(), optimizer.name).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn ledger(&self, step: u64, head: &Digest) -> Result<Ledger, Error> {
        Ok(Ledger::resume(self.run, self.recipe.checkpoint.every, step, head)?)
    }

    fn workers(&self) -> Workers {
        Workers::new(self.devices.clone(), self.pass, self.recipe.training.gradient_sum)
    }

    /// What holds the weights after `step` steps, and the starting model where it holds what is said.
    pub(super) fn anchored(
        &self,
        step: u64,
        observer: &mut dyn Observer,
    ) -> Result<(Option<Anchor>, Option<Decoder>), Error> {
        let Some(options) = &self.recipe.anchor else { return Ok((None, None)) };
        let starting = (self.starting)().map_err(Error::Starting)?;
        let fisher = match (options.ewc > 0.0, step, &self.fisher) {
            (false, ..) => None,
            (true, 0, Some(named)) => {
                Some(fisher::given(options, named, self.run.path(), &starting)?)
            }
            (true, 0, None) => {
                let kept = fisher::Kept { run: self.run.path(), shared: &self.references };
                let told = &mut |done, total| observer.fisher(done, total);
                let (plan, ask) = (self.plan, self.ask(self.plan.start()));
                Some(fisher::measured(options, plan, &starting, kept, &ask, told)?)
            }
            (true, ..) => Some(fisher::kept(options, self.run.path(), &starting)?),
        };
        let holds_weights = options.l2 > 0.0 || options.ewc > 0.0;
        let anchor = holds_weights.then(|| Anchor::new(options, &starting, fisher));
        Ok((anchor, (options.kl > 0.0).then_some(starting)))
    }
}
