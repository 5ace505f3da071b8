//! A suite's tasks as token ids, and scores of them.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use temper_corpus::{
    ChatIds, ChatItem, read_answer_items, read_chat_items, read_choice_items, read_loss_items,
    read_periods,
};
use temper_eval::{
    BaselineCache, Item, LoadedTask, Provenance, ScoreOptions, SuiteScore, check_tasks, score,
    tasks_digest,
};
use temper_model::Decoder;
use temper_recipe::{Digest, Manifest, Project, SuiteWithManifests, TaskKind, Tokenization};
use temper_tokens::Tokenizer;

use crate::model::Model;
use crate::print::counted;
use crate::progress::Progress;

/// In the cache: scores of starting checkpoints, which runs share.
pub(crate) const BASELINES: &str = "baselines";

/// Rows that go through the model at once; it does not change a score.
const BATCH_ROWS: usize = 8;

/// A suite, ready to score checkpoints that share a tokenizer.
#[derive(Debug)]
pub(crate) struct Scorer {
    tasks: Vec<LoadedTask>,
    suite: Digest,
    items: Digest,
    tokenizer: Digest,
    device: String,
    options: ScoreOptions,
    cache: PathBuf,
}

impl Scorer {
    /// Reads and tokenizes the items of `suite`.
    pub(crate) fn load(
        project: &Project,
        suite: &SuiteWithManifests,
        model: &Model,
        device_kind: &str,
    ) -> Result<Self> {
        let tasks = tasks(project, suite, model)?;
        Ok(Self {
            items: tasks_digest(&tasks),
            tasks,
            suite: suite.digest(),
            tokenizer: model.tokenizer.digest(),
            device: device_kind.to_owned(),
            options: options(suite, model),
            cache: project.cache_dir().join(BASELINES),
        })
    }

    /// Scores `decoder`, with a bar called `title`.
    pub(crate) fn score(
        &self,
        decoder: &Decoder,
        title: &'static str,
        stop: &AtomicBool,
    ) -> Result<SuiteScore> {
        self.score_as(decoder, &self.provenance(decoder), title, stop)
    }

    /// The score of a starting checkpoint: from the cache when these weights were scored before.
    pub(crate) fn baseline(&self, decoder: &Decoder, stop: &AtomicBool) -> Result<SuiteScore> {
        let provenance = self.provenance(decoder);
        let cache = BaselineCache::new(&self.cache);
        if let Some(score) = cache.load(&provenance)? {
            Progress::start("baseline", 0).finish("scored before (from the cache)");
            return Ok(score);
        }
        let score = self.score_as(decoder, &provenance, "baseline", stop)?;
        cache.save(&score)?;
        Ok(score)
    }

    fn score_as(
        &self,
        decoder: &Decoder,
        provenance: &Provenance,
        title: &'static str,
        stop: &AtomicBool,
    ) -> Result<SuiteScore> {
        let mut bar: Option<Progress> = None;
        let mut report = |done: usize, total: usize| {
            let bar = bar.get_or_insert_with(|| Progress::start(title, total as u64));
            bar.at(done as u64, || format!("{done} of {total} rows"));
        };
        let score = score(decoder, &self.tasks, provenance, &mut report, stop)?;
        let n_items: usize = self.tasks.iter().map(|task| task.items.len()).sum();
        if let Some(bar) = bar {
            let items = counted(n_items as u64, "item", "items");
            let tasks = counted(self.tasks.len() as u64, "task", "tasks");
            bar.finish(&format!("{items} of {tasks}"));
        }
        Ok(score)
    }

    fn provenance(&self, decoder: &Decoder) -> Provenance {
        Provenance {
            weights: temper_model::weights_digest(decoder).into(),
            suite: self.suite,
            tokenizer: self.tokenizer,
            items: self.items,
            device: self.device.clone(),
            options: self.options,
        }
    }
}

/// A suite of which every item can be scored.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CheckedSuite {
    id: String,
    tasks: u64,
    items: u64,
}

impl CheckedSuite {
    /// Reads and tokenizes the items of `suite`, and looks at them as a score does before it begins.
    pub(crate) fn of(project: &Project, suite: &SuiteWithManifests, model: &Model) -> Result<Self> {
        let tasks = tasks(project, suite, model)?;
        check_tasks(&tasks, options(suite, model), &model.config)?;
        let items = tasks.iter().map(|task| task.items.len() as u64).sum();
        Ok(Self { id: suite.suite.id.clone(), tasks: tasks.len() as u64, items })
    }

    /// As a person reads it.
    pub(crate) fn text(&self) -> String {
        let items = counted(self.items, "item", "items");
        format!("{items} of {} in suite `{}`", counted(self.tasks, "task", "tasks"), self.id)
    }
}

fn options(suite: &SuiteWithManifests, model: &Model) -> ScoreOptions {
    let longest = model.config.max_position_embeddings;
    let sequence_length = suite.suite.sequence_length.min(longest);
    ScoreOptions { sequence_length, batch_rows: BATCH_ROWS }
}

/// The tasks of `suite`, read and tokenized.
fn tasks(project: &Project, suite: &SuiteWithManifests, model: &Model) -> Result<Vec<LoadedTask>> {
    let tasks = suite.suite.tasks.iter().map(|task| {
        let manifest = &suite.manifests[&task.corpus];
        let periods = task.periods.as_ref();
        let periods = periods.map(|by| read_periods(manifest, &project.manifests_dir(), by));
        let periods = periods.transpose().with_context(|| format!("task `{}`", task.id))?;
        Ok(LoadedTask {
            id: task.id.clone(),
            group: task.group,
            kind: task.kind,
            category: manifest.category.clone(),
            per_token: task.per_token,
            periods: periods.unwrap_or_default(),
            items: match manifest.columns.messages {
                Some(_) => chats(project, manifest, task.kind, model)?,
                None => items(project, manifest, task.kind, &model.tokenizer)?,
            },
        })
    });
    tasks.collect()
}

/// The last answers of conversations, or both answers of pairs, as the model's template writes them.
fn chats(
    project: &Project,
    manifest: &Manifest,
    kind: TaskKind,
    model: &Model,
) -> Result<Vec<Item>> {
    let corpus = &manifest.id;
    let Some(template) = &model.chat_template else {
        bail!(
            "corpus `{corpus}` holds conversations to be scored, and the model has no chat template\n\n\
             hint: name one, in a recipe with `model.chat_template`, for `temper eval` and `temper compare` with \
             `--chat-template FILE`"
        );
    };
    let item = |item: ChatItem| -> Result<Item> {
        let ChatIds { context, mut answers, bytes } = item.encode(template, &model.tokenizer)?;
        let ChatItem { id, cluster, .. } = item;
        Ok(match kind {
            TaskKind::AnswerLoss => {
                Item::AnswerLoss { id, cluster, context, answer: answers.swap_remove(0), bytes }
            }
            TaskKind::Choice => {
                Item::Choice { id, cluster, context, choices: answers, gold: 0, confounder: None }
            }
            TaskKind::Loss => unreachable!("a suite names no conversations for it"),
        })
    };
    read_chat_items(manifest, &project.manifests_dir())?.into_iter().map(item).collect()
}

fn items(
    project: &Project,
    manifest: &Manifest,
    kind: TaskKind,
    tokenizer: &Tokenizer,
) -> Result<Vec<Item>> {
    let folder = project.manifests_dir();
    // The end of a document is a matter of the recipe; its beginning gives the first token a context.
    let policy = Tokenization { bos: tokenizer.bos_id().is_some(), eos: false };
    let begin = |text: &str| -> Result<Vec<u32>> {
        Ok(tokenizer.add_specials(tokenizer.encode(text)?, policy)?)
    };
    let items = match kind {
        TaskKind::Loss => read_loss_items(manifest, &folder)?
            .into_iter()
            .map(|item| {
                let ids = begin(&item.text)?;
                Ok(Item::Loss { id: item.id, cluster: item.cluster, ids, bytes: item.text.len() })
            })
            .collect::<Result<_>>()?,
        TaskKind::AnswerLoss => read_answer_items(manifest, &folder)?
            .into_iter()
            .map(|item| {
                Ok(Item::AnswerLoss {
                    id: item.id,
                    cluster: item.cluster,
                    context: begin(&item.context)?,
                    answer: tokenizer.encode(&item.answer)?,
                    bytes: item.answer.len(),
                })
            })
            .collect::<Result<_>>()?,
        TaskKind::Choice => read_choice_items(manifest, &folder)?
            .into_iter()
            .map(|item| {
                let choices: Vec<&str> = item.choices.iter().map(String::as_str).collect();
                Ok(Item::Choice {
                    id: item.id,
                    cluster: item.cluster,
                    context: begin(&item.context)?,
                    choices: tokenizer.encode_batch(&choices)?,
                    gold: item.gold,
                    confounder: item.confounder,
                })
            })
            .collect::<Result<_>>()?,
    };
    Ok(items)
}
