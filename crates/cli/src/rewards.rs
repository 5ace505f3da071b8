//! What the stage `rl` asks of a run's data: rewards for completions, what environments say to them, and where
//! completions end.

mod environment;
mod lines;
mod prompts;

use std::fmt;

use anyhow::{Context as _, Result, bail};
use temper_judge::{Environment, Judge as OutsideJudge};
use temper_recipe::{Project, Recipe, Reward, Rl};
use temper_tokens::{Conversation, RenderOptions, Turns};
use temper_train::{Judge, Question, Sampler, Told, Unanswered, World};
use temper_verify::Verifier;

use self::prompts::Prompts;
use crate::corpora::Corpora;
use crate::model::Model;

pub(crate) use self::lines::lines;

/// Those who judge or go on with the conversation, and what they do it by.
#[derive(Debug)]
pub(crate) struct Rewards {
    /// In the order of the recipe's rewards.
    judges: Vec<OneJudge>,
    environment: Option<Environment>,
    /// In the order of the sources.
    prompts: Vec<Prompts>,
}

/// Whoever gives one part of the reward.
enum OneJudge {
    Verifier(Verifier),
    Outside(Box<OutsideJudge>),
}

impl Rewards {
    /// Reads the references of all sources, and refuses those that the verifiers cannot judge by, a program
    /// that is not there, and a token that is not.
    pub(crate) fn load(
        project: &Project,
        recipe: &Recipe,
        rl: &Rl,
        corpora: &Corpora,
    ) -> Result<Self> {
        let judges = rl.rewards.iter().map(|reward| OneJudge::of(reward, project));
        let judges: Vec<OneJudge> = judges.collect::<Result<_>>()?;
        let environment = match &rl.environment {
            Some(spec) => Some(Environment::find(spec, &project.root)?),
            None => None,
        };
        let mut is_outside = environment.is_some();
        for judge in &judges {
            if let OneJudge::Outside(judge) = judge {
                judge.is_ready()?;
                is_outside = true;
            }
        }
        let verifiers = judges.iter().filter_map(|judge| match judge {
            OneJudge::Verifier(verifier) => Some(verifier),
            OneJudge::Outside(_) => None,
        });
        // What is replayed is behind them, and is not judged.
        let own = recipe.mixture.sources.iter();
        let prompts = corpora.manifests().zip(corpora.corpora()).zip(own);
        let prompts = prompts.map(|((manifest, corpus), _)| {
            Prompts::read(manifest, corpus, verifiers.clone(), is_outside)
        });
        let prompts = prompts.collect::<Result<_>>()?;
        Ok(Self { judges, environment, prompts })
    }

    /// What completions of a model are sampled and judged by.
    pub(crate) fn sampler<'a>(
        &'a self,
        rl: &Rl,
        model: &'a Model,
        stop_ids: &[u32],
    ) -> Result<Sampler<'a>> {
        let world = match (&rl.environment, &model.chat_template) {
            (None, _) => None,
            (Some(spec), Some(template)) => {
                Some(World { environment: self, template, max_turns: spec.max_turns })
            }
            (Some(_), None) => bail!(
                "rl.environment: what it says is written by a chat template, and the model has none\n\n\
                 hint: name one with `model.chat_template`, or start from a checkpoint that has one"
            ),
        };
        let (tokenizer, stop_ids) = (&model.tokenizer, stop_ids.to_vec());
        Ok(Sampler { tokenizer, stop_ids, judge: self, world })
    }

    /// A question as those outside are asked.
    fn question<'a>(&'a self, asked: &'a Question<'_>) -> temper_judge::Question<'a> {
        let prompts = &self.prompts[asked.source];
        let document = asked.document as usize;
        temper_judge::Question {
            id: &asked.id,
            source: &prompts.source,
            document: asked.document,
            messages: prompts.asked[document].messages(),
            tools: prompts.asked[document].tools(),
            completion: asked.completion,
            reference: &prompts.references[document],
            metadata: prompts.metadata(document),
        }
    }
}

impl Judge for Rewards {
    fn judge(&self, questions: &[Question<'_>], told: &mut Told<'_>) -> Result<(), Unanswered> {
        for (part, judge) in self.judges.iter().enumerate() {
            let of_part: Vec<usize> =
                (0..questions.len()).filter(|at| questions[*at].part == part).collect();
            match judge {
                OneJudge::Verifier(verifier) => {
                    for question in of_part {
                        let Question { source, document, completion, .. } = &questions[question];
                        let reference = &self.prompts[*source].references[*document as usize];
                        let score = verifier.score(completion, reference);
                        let failed = |error| Unanswered { question, cause: Box::new(error) };
                        if told(question, score.map_err(failed)?).is_break() {
                            return Ok(());
                        }
                    }
                }
                OneJudge::Outside(judge) => {
                    let asked: Vec<temper_judge::Question<'_>> =
                        of_part.iter().map(|at| self.question(&questions[*at])).collect();
                    let mut is_over = false;
                    let mut told = |at: usize, reward| {
                        let flow = told(of_part[at], reward);
                        is_over |= flow.is_break();
                        flow
                    };
                    judge.judge(&asked, &mut told).map_err(|unanswered| Unanswered {
                        question: of_part[unanswered.question],
                        cause: unanswered.error,
                    })?;
                    if is_over {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

impl OneJudge {
    fn of(reward: &Reward, project: &Project) -> Result<Self> {
        if let Some(judge) = OutsideJudge::of(reward, &project.root)? {
            return Ok(Self::Outside(Box::new(judge)));
        }
        let Reward::Verifier(reward) = reward else { unreachable!("all others are outside") };
        let verifier = Verifier::new(reward.verifier, reward.pattern.as_deref());
        Ok(Self::Verifier(verifier.with_context(|| format!("rl.rewards: {}", reward.verifier))?))
    }
}

impl fmt::Debug for OneJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verifier(verifier) => verifier.fmt(f),
            Self::Outside(judge) => judge.fmt(f),
        }
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
