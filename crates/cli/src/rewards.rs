//! What the stage `rl` asks of a run's data: rewards for completions, what environments say to them, and where
//! completions end.

mod lines;
mod one_judge;
mod prompts;

use anyhow::{Result, bail};
use temper_ask::{Move, Question, Reply, Told, Unanswered};
use temper_corpus::Corpus;
use temper_judge::{Case, Environment};
use temper_recipe::{Manifest, Project, Recipe, Reward, Rl};
use temper_tokens::Conversation;
use temper_train::{Judge, Sampler, World};

pub(crate) use self::lines::lines;

use self::one_judge::OneJudge;
use self::prompts::Prompts;
use crate::corpora::Corpora;
use crate::model::Model;
use crate::references::ReferenceCheck;

/// Those who judge or go on with the conversation, and what they do it by.
#[derive(Debug)]
pub(crate) struct Rewards {
    /// In the order of the recipe's rewards.
    judges: Vec<OneJudge>,
    environment: Option<Environment>,
    /// In the order of the sources.
    prompts: Vec<Prompts>,
}

impl Rewards {
    /// Those of a recipe, for the prompts of its sources.
    ///
    /// # Errors
    /// As [`Rewards::of`].
    pub(crate) fn load(
        project: &Project,
        recipe: &Recipe,
        rl: &Rl,
        corpora: &Corpora,
    ) -> Result<Self> {
        // What is replayed is behind them, and is not judged.
        let n_own = recipe.mixture.sources.len();
        let own = corpora.manifests().zip(corpora.corpora()).take(n_own);
        let environment = match &rl.environment {
            Some(spec) => Some(Environment::find(spec, &project.root)?),
            None => None,
        };
        Self::asked_with(project, &rl.rewards, environment, own)
    }

    /// These rewards, for the prompts of these corpora.
    ///
    /// # Errors
    /// A reference that a verifier cannot judge by, a program that is not there, a token that is not, a
    /// schema or pattern that is none.
    pub(crate) fn of<'a>(
        project: &Project,
        rewards: &[Reward],
        corpora: impl Iterator<Item = (&'a Manifest, &'a Corpus)>,
    ) -> Result<Self> {
        Self::asked_with(project, rewards, None, corpora)
    }

    fn asked_with<'a>(
        project: &Project,
        rewards: &[Reward],
        environment: Option<Environment>,
        corpora: impl Iterator<Item = (&'a Manifest, &'a Corpus)>,
    ) -> Result<Self> {
        let judges = rewards.iter().map(|reward| OneJudge::of(reward, project));
        let judges: Vec<OneJudge> = judges.collect::<Result<_>>()?;
        for judge in &judges {
            judge.is_ready()?;
        }
        let prompts = prompts(project, rewards, environment.is_some(), corpora)?;
        Ok(Self { judges, environment, prompts })
    }

    /// Reads what those outside will be told, where there are any; nobody is asked, and nobody has to be ready.
    ///
    /// # Errors
    /// A reference or metadata that cannot be read.
    pub(crate) fn check(
        project: &Project,
        recipe: &Recipe,
        rl: &Rl,
        corpora: &Corpora,
    ) -> Result<()> {
        let n_own = recipe.mixture.sources.len();
        let own = corpora.manifests().zip(corpora.corpora()).take(n_own);
        prompts(project, &rl.rewards, rl.environment.is_some(), own).map(drop)
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
}

/// What is told of each corpus, in their order.
fn prompts<'a>(
    project: &Project,
    rewards: &[Reward],
    has_environment: bool,
    corpora: impl Iterator<Item = (&'a Manifest, &'a Corpus)>,
) -> Result<Vec<Prompts>> {
    let is_outside = has_environment || rewards.iter().any(Reward::is_outside);
    let check = ReferenceCheck::of(rewards, project)?;
    let read = |(manifest, corpus)| Prompts::read(manifest, corpus, check.as_ref(), is_outside);
    corpora.map(read).collect()
}

impl Judge for Rewards {
    fn judge(&self, questions: &[Question<'_>], told: &mut Told<'_>) -> Result<(), Unanswered> {
        for (part, judge) in self.judges.iter().enumerate() {
            let of_part: Vec<usize> =
                (0..questions.len()).filter(|at| questions[*at].part == part).collect();
            match judge {
                OneJudge::Verifier(verifier) => {
                    let prompt = |at: &usize| (questions[*at].source, questions[*at].document);
                    // A schema costs more to build than to ask: it is built once for a group.
                    for group in of_part.chunk_by(|a, b| prompt(a) == prompt(b)) {
                        let (source, document) = prompt(&group[0]);
                        let reference =
                            self.prompts[source].references[document as usize].as_deref();
                        let failed = |question: usize, error: temper_verify::Error| Unanswered {
                            question,
                            cause: Box::new(error),
                        };
                        // Whoever looks at it has one.
                        let criterion = verifier.criterion(reference.unwrap_or_default());
                        let criterion = criterion.map_err(|error| failed(group[0], error))?;
                        for &question in group {
                            let score = criterion.score(questions[question].completion);
                            let score = score.map_err(|error| failed(question, error))?;
                            if told(question, score).is_break() {
                                return Ok(());
                            }
                        }
                    }
                }
                OneJudge::Outside(judge) => {
                    let asked = of_part.iter().map(|at| {
                        let question = &questions[*at];
                        (question, self.prompts[question.source].case(question.document))
                    });
                    let asked: Vec<(&Question<'_>, Case<'_>)> = asked.collect();
                    let mut is_over = false;
                    let mut told = |at: usize, reward| {
                        let flow = told(of_part[at], reward);
                        is_over |= flow.is_break();
                        flow
                    };
                    judge.judge(&asked, &mut told).map_err(|unanswered| Unanswered {
                        question: of_part[unanswered.question],
                        ..unanswered
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

impl temper_train::Environment for Rewards {
    fn prompt(&self, source: usize, document: u64) -> &Conversation {
        &self.prompts[source].asked[document as usize]
    }

    fn play(&self, moves: &[Move<'_>], told: &mut Told<'_, Reply>) -> Result<(), Unanswered> {
        let environment = self.environment.as_ref().expect("only who has one is asked to play");
        let case = |next: &Move<'_>| self.prompts[next.source].case(next.document);
        let asked: Vec<(&Move<'_>, Case<'_>)> =
            moves.iter().map(|next| (next, case(next))).collect();
        environment.play(&asked, told)
    }
}
