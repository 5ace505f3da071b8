//! The checkpoint that a gate holds scores against when it is not the one that the run starts from.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use temper_eval::{ForgettingReport, SuiteScore};
use temper_ledger::Citation;
use temper_recipe::{Project, Recipe};

use crate::model::Model;
use crate::scoring::Scorer;
use crate::session::Session;

/// What is compared with since when.
#[derive(Debug)]
pub(crate) struct Since {
    /// As the recipe names it.
    pub(crate) checkpoint: String,
    pub(crate) before: SuiteScore,
    pub(crate) cited: Citation,
}

/// What was lost since then.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SinceReport {
    pub(crate) checkpoint: String,
    pub(crate) forgetting: ForgettingReport,
}

/// The checkpoint that `recipe` names in `forgetting.since`, which reads the tokens that `model` reads.
pub(crate) fn since(project: &Project, recipe: &Recipe, model: &Model) -> Result<Option<Model>> {
    let policy = recipe.forgetting.as_ref();
    let Some(asked) = policy.and_then(|policy| policy.since.as_deref()) else { return Ok(None) };
    let since = Model::find(&project.root, asked)?;
    let (found, expected) = (since.tokenizer.digest(), model.tokenizer.digest());
    if found != expected {
        bail!(
            "forgetting.since: `{asked}` has tokenizer {}, this run {}; losses per token are not comparable\n\n\
             hint: name a checkpoint with the same tokenizer, such as the first one after tokens were added",
            found.short(),
            expected.short()
        );
    }
    Ok(Some(since))
}

impl Session {
    /// Scores that checkpoint, unless that was done; what it names may have moved on by the time of a resume.
    pub(crate) fn since(&self, scorer: &Scorer) -> Result<Option<Since>> {
        let policy = self.recipe.forgetting.as_ref();
        let Some(asked) = policy.and_then(|policy| policy.since.as_deref()) else {
            return Ok(None);
        };
        if self.run.since()?.is_none() {
            let Some(model) = since(&self.project, &self.recipe, &self.model)? else {
                return Ok(None);
            };
            let decoder = model.decoder(self.recipe.seed, &self.devices[0])?;
            let score = scorer.baseline(&decoder, self.signals.flag())?;
            self.run.write_since(asked, &serde_json::to_value(&score)?)?;
        }
        let recorded = self.run.since()?.map(|(checkpoint, score, cited)| -> Result<Since> {
            Ok(Since { checkpoint, before: serde_json::from_value(score)?, cited })
        });
        recorded.transpose()
    }
}
