//! What a stage is given besides its plan: where it starts, and who judges.

use anyhow::Result;
use temper_ledger::Lineage;
use temper_model::Decoder;
use temper_train::Base;

use super::Session;
use crate::corpora::Corpora;
use crate::model::Model;
use crate::rewards::Rewards;
use crate::stop_ids;

impl Session {
    /// The starting model, where it was not drawn.
    pub(super) fn base(&self) -> Result<Option<Base>> {
        Ok(match self.run.identity()?.info.started_from {
            Lineage::Checkpoint { folder, weights, .. } => Some(Base { folder, weights }),
            Lineage::Init { .. } => None,
        })
    }

    /// The weights before step 0, which are not those that a resume goes on from.
    pub(super) fn starting(&self) -> Result<Decoder> {
        let model = Model::of_start(&self.project, &self.run, &self.recipe, &self.devices[0])?;
        model.decoder(self.recipe.seed, &self.devices[0])
    }

    /// What judges completions, and the ids that end them, in the stage `rl`.
    pub(super) fn rewards(&self) -> Result<Option<(Rewards, Vec<u32>)>> {
        let Some(rl) = &self.recipe.rl else { return Ok(None) };
        let (project, recipe) = (&self.project, &self.recipe);
        let rewards = match &self.corpora {
            Some(corpora) => Rewards::load(project, recipe, rl, corpora)?,
            None => {
                let corpora = Corpora::open(project, recipe, &self.model, self.signals.flag())?;
                Rewards::load(project, recipe, rl, &corpora)?
            }
        };
        Ok(Some((rewards, stop_ids::of_answers(&self.model)?)))
    }
}
