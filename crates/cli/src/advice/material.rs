//! What there is to learn from in a recipe's corpora, and how much.

use anyhow::Result;
use serde::Serialize;
use temper_recipe::{Manifest, Project, Recipe, Side, Source, Stage};

/// What there is to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Texts,
    /// Texts with chains of thought, by the category of their corpora.
    Reasoning,
    Demonstrations,
    /// Answers of which it is known how good they are.
    Preferences,
    Rewards,
}

/// How much of it there is, on the customer's side of the mix; of all, where nothing is the customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Material {
    pub(super) kind: Kind,
    /// By the bytes of its text.
    pub(super) tokens: u64,
    pub(super) documents: u64,
}

impl Material {
    pub(super) fn of(project: &Project, recipe: &Recipe) -> Result<Self> {
        /// English under a vocabulary of 50,000.
        const BYTES_PER_TOKEN: u64 = 4;
        let sources = &recipe.mixture.sources;
        let is_customers = |source: &&Source| source.side == Side::Customer;
        let all = !sources.iter().any(|source| is_customers(&source));
        let learned = sources.iter().filter(|source| all || is_customers(source));
        let learned: Vec<(&Source, Manifest)> = learned
            .map(|source| Ok((source, project.manifest(&source.corpus)?)))
            .collect::<Result<_>>()?;
        // Texts beside them demonstrate nothing.
        let demonstrates = |manifest: &Manifest| manifest.columns.messages.is_some();
        let has_demonstrations = recipe.stage == Stage::Sft
            && learned.iter().any(|(_, manifest)| demonstrates(manifest));
        let (mut tokens, mut documents, mut reasoning) = (0, 0, 0);
        for (source, manifest) in &learned {
            if has_demonstrations && !demonstrates(manifest) {
                continue;
            }
            let size = temper_corpus::text_size(manifest, &project.manifests_dir())?;
            let of_source = size.bytes / BYTES_PER_TOKEN;
            tokens += of_source;
            documents += size.documents;
            reasoning += if is_reasoning(&source.category) { of_source } else { 0 };
        }
        let kind = match recipe.stage {
            Stage::Sft if has_demonstrations => Kind::Demonstrations,
            Stage::Pretrain | Stage::MidTrain | Stage::Sft if 2 * reasoning > tokens => {
                Kind::Reasoning
            }
            Stage::Pretrain | Stage::MidTrain | Stage::Sft => Kind::Texts,
            Stage::Dpo => Kind::Preferences,
            Stage::Rl => Kind::Rewards,
        };
        Ok(Self { kind, tokens, documents })
    }
}

/// Nova's categories are `reasoning`, `reasoning-math` and so on.
fn is_reasoning(category: &str) -> bool {
    category == "chain-of-thought" || category == "reasoning" || category.starts_with("reasoning-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_known_by_its_category() {
        for (category, expected) in [
            ("reasoning", true),
            ("reasoning-math", true),
            ("chain-of-thought", true),
            ("math", false),
            ("reasonings", false),
        ] {
            assert_eq!(is_reasoning(category), expected, "{category}");
        }
    }
}
