//! What the stage `rl` asks of a run's data: rewards for completions, and where completions end.

mod one_judge;

use anyhow::{Result, bail};
use serde_json::{Map, Value};
use temper_corpus::{CheckReference, Content, Corpus};
use temper_recipe::{Manifest, Project, Recipe, Reward, Rl};
use temper_tokens::{Conversation, RenderOptions, Turns};
use temper_train::{Judge, Question, Told, Unanswered};

pub(crate) use self::one_judge::lines;

use self::one_judge::OneJudge;
use crate::corpora::Corpora;
use crate::model::Model;
use crate::references::ReferenceCheck;

/// Those who judge, and what they judge by.
#[derive(Debug)]
pub(crate) struct Rewards {
    /// In the order of the recipe's rewards.
    judges: Vec<OneJudge>,
    /// In the order of the sources.
    prompts: Vec<Prompts>,
}

/// The prompts of a source, by document.
#[derive(Debug)]
struct Prompts {
    source: String,
    /// `None` for null, where no verifier looks at them.
    references: Vec<Option<String>>,
    /// Only where somebody outside is asked.
    asked: Vec<Conversation>,
    /// Only where the manifest names columns for it.
    metadata: Option<Vec<Map<String, Value>>>,
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
        Self::of(project, &rl.rewards, own)
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
        let judges = rewards.iter().map(|reward| OneJudge::of(reward, project));
        let judges: Vec<OneJudge> = judges.collect::<Result<_>>()?;
        for judge in &judges {
            judge.is_ready()?;
        }
        let is_outside = rewards.iter().any(Reward::is_outside);
        let check = ReferenceCheck::of(rewards, project)?;
        let mut prompts = Vec::new();
        for (manifest, corpus) in corpora {
            let references = references(manifest, corpus, check.as_ref())?;
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
            reference: prompts.references[document].as_deref(),
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
                        let references = &self.prompts[*source].references;
                        // Whoever looks at it has one.
                        let reference = references[*document as usize].as_deref();
                        let score = verifier.score(completion, reference.unwrap_or_default());
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

/// The references of a corpus, in its order; null where nobody looks at them.
fn references(
    manifest: &Manifest,
    corpus: &Corpus,
    check: Option<&ReferenceCheck>,
) -> Result<Vec<Option<String>>> {
    match (&manifest.columns.answer, check) {
        (Some(column), check) => {
            let check = check.map(|check| check as &dyn CheckReference);
            Ok(corpus.read_answers(column, check)?)
        }
        (None, None) => Ok(vec![None; corpus.n_documents() as usize]),
        (None, Some(_)) => bail!(
            "corpus `{}` has no column for `answer`, expected prompts with references\n\n\
             hint: `temper corpus import --prompts` makes such a corpus",
            manifest.id
        ),
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
