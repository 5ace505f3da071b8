//! What the answers of a stage are held against.

use temper_mix::{Cursor, PlannedStep};
use temper_model::Decoder;
use temper_recipe::Preference;

use super::{Observer, Stage};
use crate::error::Error;
use crate::preference::{AnswerReferences, StepAnswers, StepPairs, StepPreference};
use crate::reference::{Kept, MismatchedReferences, References, StartingModel};

/// What the starting model says to the answers of the plan.
#[derive(Debug)]
pub(super) enum Reference {
    /// Of pairs.
    Pairs(References<2>),
    /// Of answers that were judged one by one, and of them after the prompts of others.
    Answers(References<1>, MismatchedReferences),
}

impl Stage<'_> {
    pub(super) fn reference(
        &self,
        preference: &Preference,
        from: &Cursor,
        observer: &mut dyn Observer,
    ) -> Result<Reference, Error> {
        let kept = Kept {
            run: self.run.path().join("reference"),
            shared: &self.references,
            shards: &self.shards,
        };
        let ask = self.ask(from);
        let told = &mut |done, total| observer.reference(done, total);
        let starting = &mut StartingModel::new(self.starting);
        let plan = self.plan;
        if preference.is_unpaired() {
            let answers = References::of_plan(plan, &kept, starting, &ask, told)?;
            let mismatched = MismatchedReferences::of_plan(plan, &kept, starting, &ask, told)?;
            return Ok(Reference::Answers(answers, mismatched));
        }
        Ok(Reference::Pairs(References::of_plan(plan, &kept, starting, &ask, told)?))
    }

    /// What the answers of a step are held against; `decoder` is the model as it is now.
    pub(super) fn answers<'a>(
        &self,
        preference: &'a Preference,
        reference: &Reference,
        step: &PlannedStep,
        decoder: &Decoder,
    ) -> StepPreference<'a> {
        let rows_per_lane = self.recipe.training.micro_batch_size;
        match reference {
            Reference::Pairs(references) => {
                StepPreference::Pairs(StepPairs::new(preference, references, step, rows_per_lane))
            }
            Reference::Answers(answers, mismatched) => {
                let references = AnswerReferences { answers, mismatched };
                let model = (decoder, &self.pass);
                StepPreference::Answers(StepAnswers::new(
                    preference,
                    references,
                    self.plan,
                    step,
                    rows_per_lane,
                    model,
                ))
            }
        }
    }
}
