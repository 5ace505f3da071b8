//! How the conversations of a recipe's sources become ids, and which of their rows will do.

use anyhow::Result;
use temper_corpus::{ChatFormat, References, Supervised};
use temper_recipe::{LearnedTurns, Manifest, OnBadRow, Project, Recipe, Stage};
use temper_tokens::Turns;

use crate::model::Model;
use crate::references::ReferenceCheck;

/// The formats of a recipe's sources.
#[derive(Debug)]
pub(crate) struct ChatFormats<'a> {
    recipe: &'a Recipe,
    model: &'a Model,
    references: Option<ReferenceCheck>,
}

impl<'a> ChatFormats<'a> {
    /// With the verifiers that look at references, where completions are judged.
    pub(crate) fn of(project: &Project, recipe: &'a Recipe, model: &'a Model) -> Result<Self> {
        let references = match &recipe.rl {
            Some(rl) => ReferenceCheck::of(&rl.rewards, project)?,
            None => None,
        };
        Ok(Self { recipe, model, references })
    }

    /// That of source number `source` with this manifest; `None` without a chat template.
    pub(crate) fn of_source<'b>(
        &'b self,
        source: usize,
        manifest: &'b Manifest,
    ) -> Option<ChatFormat<'b>> {
        let template = self.model.chat_template.as_ref()?;
        let (mixture, on_bad_row) = (&self.recipe.mixture, self.on_bad_row(source));
        Some(match &self.recipe.replay {
            // What is replayed carries loss as in fine-tuning that does not say otherwise.
            Some(replay) if source >= mixture.sources.len() => ChatFormat {
                template,
                supervised: Supervised::Assistant(Turns::Every),
                on_bad_row,
                references: None,
            },
            Some(_) | None => ChatFormat {
                template,
                supervised: supervised(self.recipe),
                on_bad_row,
                references: self.references(manifest),
            },
        })
    }

    /// What happens to rows of source number `source` that cannot be learned from, texts among them.
    pub(crate) fn on_bad_row(&self, source: usize) -> OnBadRow {
        let mixture = &self.recipe.mixture;
        match &self.recipe.replay {
            Some(replay) if source >= mixture.sources.len() => replay.mixture.on_bad_row,
            Some(_) | None => mixture.on_bad_row,
        }
    }

    fn references<'b>(&'b self, manifest: &'b Manifest) -> Option<References<'b>> {
        let column = manifest.columns.answer.as_deref()?;
        self.references.as_ref().map(|check| References { column, check })
    }
}

/// Which ids of a conversation carry loss.
fn supervised(recipe: &Recipe) -> Supervised {
    match recipe.stage {
        Stage::Pretrain | Stage::MidTrain => Supervised::Everything,
        Stage::Sft => Supervised::Assistant(match recipe.sft.turns {
            LearnedTurns::Every => Turns::Every,
            LearnedTurns::Last => Turns::Last,
        }),
        Stage::Dpo => match &recipe.preference {
            Some(preference) if preference.is_unpaired() => Supervised::Feedback,
            Some(_) | None => Supervised::Pairs,
        },
        Stage::Rl => Supervised::Prompt,
    }
}
