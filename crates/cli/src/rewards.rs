//! What the stage `rl` asks of a run's data: rewards for completions, and where completions end.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};
use temper_corpus::{Content, Corpus};
use temper_judge::Judge as OutsideJudge;
use temper_recipe::{Project, Recipe, Reward, Rl};
use temper_tokens::{Conversation, RenderOptions, Turns};
use temper_train::{Judge, Question, Told, Unanswered};
use temper_verify::Verifier;

use crate::corpora::Corpora;
use crate::model::Model;

/// Those who judge, and what they judge by.
#[derive(Debug)]
pub(crate) struct Rewards {
    /// In the order of the recipe's rewards.
    judges: Vec<OneJudge>,
    /// In the order of the sources.
    prompts: Vec<Prompts>,
}

/// Whoever gives one part of the reward.
enum OneJudge {
    Verifier(Verifier),
    Outside(Box<OutsideJudge>),
}

/// The prompts of a source, by document.
#[derive(Debug)]
struct Prompts {
    source: String,
    references: Vec<String>,
    /// Only where somebody outside is asked.
    asked: Vec<Conversation>,
    /// Only where the manifest names columns for it.
    metadata: Option<Vec<Map<String, Value>>>,
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
        let mut is_outside = false;
        for judge in &judges {
            if let OneJudge::Outside(judge) = judge {
                judge.is_ready()?;
                is_outside = true;
            }
        }
        let mut prompts = Vec::with_capacity(recipe.mixture.sources.len());
        // What is replayed is behind them, and is not judged.
        let own = recipe.mixture.sources.iter();
        for ((manifest, corpus), _) in corpora.manifests().zip(corpora.corpora()).zip(own) {
            let column = manifest.columns.answer.as_deref().unwrap_or_default();
            let references = corpus.read_answers(column)?;
            for (document, reference) in references.iter().enumerate() {
                for judge in &judges {
                    let OneJudge::Verifier(verifier) = judge else { continue };
                    verifier.score("", reference).with_context(|| {
                        format!("corpus `{}`, document {document}: `{column}`", manifest.id)
                    })?;
                }
            }
            let asked = if is_outside { read_prompts(corpus)? } else { Vec::new() };
            let columns = &manifest.columns.metadata;
            let metadata = (is_outside && !columns.is_empty())
                .then(|| corpus.read_metadata(columns))
                .transpose()?;
            prompts.push(Prompts { source: manifest.id.clone(), references, asked, metadata });
        }
        Ok(Self { judges, prompts })
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
            metadata: prompts.metadata.as_ref().map(|all| &all[document]),
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

/// The prompts of a corpus, in its order; all are held.
fn read_prompts(corpus: &Corpus) -> Result<Vec<Conversation>> {
    let mut prompts = Vec::with_capacity(corpus.n_documents() as usize);
    for group in corpus.row_groups() {
        for document in corpus.read_row_group(group.file, group.row_group)? {
            prompts.push(match document?.content {
                Content::Conversation(conversation) | Content::Judged(conversation, _) => conversation,
                Content::Pair(pair) => pair.chosen,
                Content::Text(_) => bail!(
                    "corpus `{}`: found texts, expected prompts\n\nhint: name its column of `messages`",
                    corpus.id()
                ),
            });
        }
    }
    Ok(prompts)
}

/// A line on each of the recipe's rewards, and on what is sampled in the place of what teaches nothing. A
/// program is looked for, and nobody is asked.
pub(crate) fn lines(project: &Project, rl: &Rl) -> Result<Vec<String>> {
    let line = |reward: &Reward| -> Result<String> {
        let weight = reward.weight();
        let line = match (reward, OutsideJudge::of(reward, &project.root)?) {
            (Reward::Program(reward), Some(OutsideJudge::Program(program))) => {
                let (words, workers) = (reward.program.join(" "), reward.workers);
                let executable = program.executable().display();
                format!("program `{words}` ({executable}, {workers} at a time)")
            }
            (Reward::Endpoint(reward), Some(endpoint)) => {
                let unset = match (&reward.token_env, endpoint.is_ready()) {
                    (Some(variable), Err(_)) => format!("; no token in `{variable}` here"),
                    (None, _) | (_, Ok(())) => String::new(),
                };
                format!("url `{}` ({} at a time{unset})", reward.url, reward.concurrency)
            }
            _ => {
                // A pattern that is none is found here already.
                OneJudge::of(reward, project)?;
                format!("verifier `{}`", reward.name())
            }
        };
        Ok(format!("  rewarded by the {line}, weight {weight}"))
    };
    let refills = (rl.refill > 0).then(|| {
        Ok(format!("  groups that teach nothing are replaced, up to {} times", rl.refill))
    });
    rl.rewards.iter().map(line).chain(refills).collect()
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
