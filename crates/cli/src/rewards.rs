//! What the stage `rl` asks of a run's data: rewards for completions, and where completions end.

use std::error::Error as StdError;

use anyhow::{Context as _, Result};
use temper_recipe::{Recipe, Rl};
use temper_tokens::{Conversation, RenderOptions, Turns};
use temper_train::Judge;
use temper_verify::Verifier;

use crate::inputs::Corpora;
use crate::model::Model;

/// The recipe's verifiers, and the references of all prompts.
#[derive(Debug)]
pub(crate) struct Rewards {
    verifiers: Vec<Verifier>,
    /// By source and document.
    references: Vec<Vec<String>>,
}

impl Rewards {
    /// Reads the references of the mix's own sources, and refuses those that the verifiers cannot judge by.
    pub(crate) fn load(recipe: &Recipe, rl: &Rl, corpora: &Corpora) -> Result<Self> {
        let verifiers = rl.rewards.iter().map(|reward| {
            let verifier = Verifier::new(reward.verifier, reward.pattern.as_deref());
            verifier.with_context(|| format!("rl.rewards: {}", reward.verifier))
        });
        let verifiers: Vec<Verifier> = verifiers.collect::<Result<_>>()?;
        // What is replayed has no references, and comes last.
        let n_own = recipe.mixture.sources.len();
        let mut references = Vec::with_capacity(n_own);
        for (manifest, corpus) in corpora.manifests().zip(corpora.corpora()).take(n_own) {
            let column = manifest.columns.answer.as_deref().unwrap_or_default();
            let answers = corpus.read_answers(column)?;
            for (document, answer) in answers.iter().enumerate() {
                for verifier in &verifiers {
                    verifier.score("", answer).with_context(|| {
                        format!("corpus `{}`, document {document}: `{column}`", manifest.id)
                    })?;
                }
            }
            references.push(answers);
        }
        Ok(Self { verifiers, references })
    }
}

impl Judge for Rewards {
    fn judge(
        &self,
        source: usize,
        document: u64,
        completion: &str,
    ) -> Result<Vec<f64>, Box<dyn StdError + Send + Sync>> {
        let reference = &self.references[source][document as usize];
        let score = |verifier: &Verifier| Ok(verifier.score(completion, reference)?);
        self.verifiers.iter().map(score).collect()
    }
}

/// Ids that end a completion: those that end a text, and what the chat template writes behind an answer.
pub(crate) fn stop_ids(model: &Model) -> Result<Vec<u32>> {
    let tokenizer = &model.tokenizer;
    let mut ids: Vec<u32> = tokenizer.eos_id().into_iter().collect();
    ids.extend(&model.config.eos_token_ids);
    if let Some(template) = &model.chat_template {
        let said = serde_json::json!([
            { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" },
        ]);
        let conversation = Conversation::from_json(said)?;
        let options = RenderOptions::default();
        let chat = template.tokenize(&conversation, &options, Turns::Last, tokenizer)?;
        let answered = chat.ids.iter().zip(&chat.assistant_mask).filter(|(_, is_said)| **is_said);
        let says_nothing =
            |id: &u32| tokenizer.decode(&[*id], true).is_ok_and(|text| text.is_empty());
        ids.extend(answered.map(|(id, _)| *id).find(says_nothing));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
