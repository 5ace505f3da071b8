//! What a stage is given besides its plan: where it starts, and who judges.

use anyhow::Result;
use temper_ledger::Lineage;
use temper_model::Decoder;

use super::Session;
use crate::corpora::Corpora;
use crate::model::Model;
use crate::rewards::{Rewards, stop_ids};

impl Session {
    /// Where the starting model lies, from the project's root.
    pub(super) fn base(&self) -> Result<String> {
        match self.run.identity()?.info.started_from {
            Lineage::Checkpoint { folder, .. } | Lineage::Init { folder } => Ok(folder),
        }
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
        Ok(Some((rewards, stop_ids(&self.model)?)))
    }
}
