//! From a recipe to the data a stage is made of: corpora, tokens, plan, and room for the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use temper_corpus::{ChatFormat, Corpus, Supervised};
use temper_ledger::{IdsDigest, PlanRecord, RunDir, SeenBefore, SeenDocuments, SourceData, Totals};
use temper_mix::{Cursor, Plan, PlanSpec};
use temper_recipe::{Budget, Digest, Manifest, Preference, Project, Recipe, Source, Stage};
use temper_tokens::{TokenCorpus, TokenSource, Unseen};

use crate::commands::corpus::with_bar;
use crate::methods::Trained;
use crate::model::Model;
use crate::print::thousands;
use crate::progress::Progress;

/// What it says while rows are looked at.
pub(crate) const LOOKING: &str = "bad rows";

/// The corpora of a recipe's sources, checked but not tokenized.
#[derive(Debug)]
pub(crate) struct Corpora(Vec<(Manifest, Corpus)>);

impl Corpora {
    /// Opens and checks the corpora of `recipe`'s sources, in their order; without bad rows, where the recipe
    /// drops them.
    pub(crate) fn open(
        project: &Project,
        recipe: &Recipe,
        model: &Model,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let mut corpora = Vec::new();
        for (at, source) in recipe.sources().enumerate() {
            let (manifest, corpus) = (project.manifest(&source.corpus)?, opened(project, source)?);
            let chat = chat_format(recipe, model, at);
            let cache = project.cache_dir();
            let (tokenizer, policy) = (&model.tokenizer, recipe.tokenization);
            let drops = chat.is_some_and(ChatFormat::drops_bad_rows);
            let corpus = match drops && corpus.holds_conversations() {
                true => with_bar(LOOKING, corpus.n_documents(), |told| {
                    corpus.without_bad_rows(tokenizer, policy, chat, &cache, stop, &mut |n| told(n))
                })?,
                false => corpus,
            };
            corpora.push((manifest, corpus));
        }
        Ok(Self(corpora))
    }

    /// In the order of the sources.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.0.iter().map(|(manifest, _)| manifest)
    }

    /// In the order of the sources.
    pub(crate) fn corpora(&self) -> impl Iterator<Item = &Corpus> {
        self.0.iter().map(|(_, corpus)| corpus)
    }

    /// Tokenizes what is not in the cache yet.
    pub(crate) fn tokenize(
        &self,
        project: &Project,
        recipe: &Recipe,
        model: &Model,
        stop: &AtomicBool,
    ) -> Result<Tokens> {
        let tokenizer = &model.tokenizer;
        let total = self.0.iter().map(|(_, corpus)| corpus.n_documents()).sum();
        let mut bar = Progress::start("tokenizing", total);
        let (mut sources, mut tokenized, mut n_ids) = (Vec::new(), 0, 0);
        for (at, (manifest, corpus)) in self.0.iter().enumerate() {
            let chat = chat_format(recipe, model, at);
            let mut done = 0;
            let tokens = temper_corpus::tokenize(
                corpus,
                tokenizer,
                recipe.tokenization,
                chat,
                &project.cache_dir(),
                stop,
                &mut |progress| {
                    done = progress.documents;
                    bar.at(tokenized + done, || {
                        format!("{}: {} tokens", manifest.id, thousands(progress.tokens))
                    });
                },
            )?;
            tokenized += done;
            n_ids += tokens.n_tokens();
            if !tokens.set().dropped.is_empty() {
                bar.note(&format!("{}: {}", manifest.id, dropped_text(&tokens.set().dropped)));
            }
            sources.push(Tokenized::new(manifest.digest(), tokens));
        }
        let from_cache = if tokenized == 0 { " (all from the cache)" } else { "" };
        bar.finish(&format!(
            "{} documents, {} tokens{from_cache}",
            thousands(total),
            thousands(n_ids)
        ));
        let tokens = Tokens { tokenizer: tokenizer.digest(), sources };
        if recipe.preference.as_ref().is_some_and(Preference::is_unpaired) {
            tokens.refuse_equal_labels(recipe.mixture.sources.len())?;
        }
        Ok(tokens)
    }
}

/// The corpus of a source, checked.
pub(crate) fn opened(project: &Project, source: &Source) -> Result<Corpus> {
    let manifest = project.manifest(&source.corpus)?;
    Ok(Corpus::open(&manifest, &project.manifests_dir())?)
}

/// `12 rows dropped: 7 turns out of order, 5 no pair`
pub(crate) fn dropped_text(dropped: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> =
        dropped.iter().map(|(why, n)| format!("{} {why}", thousands(*n))).collect();
    let n = dropped.values().sum();
    format!("{} rows dropped: {}", thousands(n), counts.join(", "))
}

/// How the conversations of source number `source` become ids; `None` without a chat template.
pub(crate) fn chat_format<'a>(
    recipe: &Recipe,
    model: &'a Model,
    source: usize,
) -> Option<ChatFormat<'a>> {
    let template = model.chat_template.as_ref()?;
    let (supervised, mixture) = match &recipe.replay {
        // What is replayed carries loss as in fine-tuning.
        Some(replay) if source >= recipe.mixture.sources.len() => {
            (Supervised::Assistant, &replay.mixture)
        }
        Some(_) | None => (supervised(recipe), &recipe.mixture),
    };
    Some(ChatFormat { template, supervised, on_bad_row: mixture.on_bad_row })
}

/// Which ids of a conversation carry loss.
fn supervised(recipe: &Recipe) -> Supervised {
    match recipe.stage {
        Stage::Pretrain | Stage::MidTrain => Supervised::Everything,
        Stage::Sft => Supervised::Assistant,
        Stage::Dpo => match &recipe.preference {
            Some(preference) if preference.is_unpaired() => Supervised::Feedback,
            Some(_) | None => Supervised::Pairs,
        },
        Stage::Rl => Supervised::Prompt,
    }
}

/// The token shards of a recipe's sources, in their order.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokenizer: Digest,
    sources: Vec<Tokenized>,
}

/// The token shards of one source.
#[derive(Debug)]
struct Tokenized {
    manifest: Digest,
    tokens: Arc<TokenCorpus>,
    /// Documents that are left out, where the recipe says so.
    seen: Option<SeenDocuments>,
}

impl Tokenized {
    fn new(manifest: Digest, tokens: TokenCorpus) -> Self {
        Self { manifest, tokens: Arc::new(tokens), seen: None }
    }

    fn source(&self) -> Arc<dyn TokenSource + Send> {
        match &self.seen {
            Some(seen) => Arc::new(Unseen::new(self.tokens.clone(), &seen.documents)),
            None => self.tokens.clone(),
        }
    }
}

impl Tokens {
    /// The shards that `plan` names for the sources of `recipe`, read once for their digests; `None`
    /// unless all are there as they were recorded.
    pub(crate) fn recorded(
        project: &Project,
        recipe: &Recipe,
        model: &Model,
        plan: &PlanRecord,
    ) -> Option<Self> {
        let tokenizer = model.tokenizer.digest();
        let source = |source: &Source| {
            let data = plan.sources.iter().find(|data| data.source == source.corpus)?;
            // The name comes from a file of the run: it must not lead out of the cache.
            data.shards.parse::<Digest>().ok()?;
            let tokens = TokenCorpus::open(&project.cache_dir().join(&data.shards), true).ok()?;
            let is_recorded = data.manifest == source.manifest && data.digest == tokens.digest();
            is_recorded.then(|| Tokenized::new(data.manifest, tokens))
        };
        let sources: Option<Vec<_>> = recipe.sources().map(source).collect();
        (plan.tokenizer == tokenizer).then_some(Self { tokenizer, sources: sources? })
    }

    /// Refuses judged answers that are all liked or all not: nothing tells what is better.
    fn refuse_equal_labels(&self, n_own: usize) -> Result<()> {
        let own = self.sources[..n_own].iter().map(|source| &source.tokens);
        let documents =
            || own.clone().flat_map(|tokens| (0..tokens.n_documents()).map(|at| tokens.label(at)));
        let (n, liked) =
            (documents().count(), documents().filter(|label| *label == Some(true)).count());
        if liked > 0 && liked < n {
            return Ok(());
        }
        let found = if liked == 0 { "undesirable" } else { "desirable" };
        bail!(
            "feedback: all {} answers of the mix are {found}, expected some of both kinds\n\n\
             hint: add a source with others; `stage = \"sft\"` imitates answers that are all good",
            thousands(n as u64)
        )
    }

    /// The plan of `recipe` over these tokens, for `budget`; of a run that has another mix behind it,
    /// from `seam` on.
    pub(crate) fn plan(
        &self,
        recipe: &Recipe,
        budget: Budget,
        seam: Option<&Cursor>,
    ) -> Result<Plan> {
        let spec = PlanSpec::new(recipe, budget);
        Ok(match seam {
            Some(seam) => Plan::continued(spec, self.sources(), seam.clone())?,
            None => Plan::new(spec, self.sources())?,
        })
    }

    /// The digests of the sources' shards.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        self.sources.iter().map(|source| source.tokens.digest()).collect()
    }

    /// The documents of the sources.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn TokenSource + Send>> {
        self.sources.iter().map(Tokenized::source).collect()
    }

    /// Of the sources of which `recipe` skips what was seen, the documents in `before`.
    ///
    /// # Errors
    /// When nothing of a source is left.
    pub(crate) fn seen(&self, recipe: &Recipe, before: &SeenBefore) -> Result<Vec<SeenDocuments>> {
        let skipping = recipe.sources().zip(&self.sources);
        let skipping = skipping.filter(|(source, _)| recipe.skips_seen(&source.corpus));
        let seen = skipping.map(|(source, Tokenized { tokens, .. })| {
            let is_seen = |document: &usize| before.contains(IdsDigest::from(tokens.ids_digest(*document)));
            let documents: Vec<u64> = (0..tokens.n_documents())
                .filter(is_seen)
                .map(|document| document as u64)
                .collect();
            if documents.len() == tokens.n_documents() {
                bail!(
                    "source `{}`: all of its {} documents were trained on by the runs behind the start ({})\n\n\
                     hint: import what is new, or leave it out of the mix",
                    source.corpus,
                    thousands(documents.len() as u64),
                    before.runs().join(", ")
                );
            }
            Ok(SeenDocuments { source: source.corpus.clone(), documents })
        });
        seen.collect()
    }

    /// Leaves out what was seen.
    pub(crate) fn without(mut self, recipe: &Recipe, seen: Vec<SeenDocuments>) -> Self {
        for (source, tokenized) in recipe.sources().zip(&mut self.sources) {
            tokenized.seen = seen.iter().find(|seen| seen.source == source.corpus).cloned();
        }
        self
    }

    /// How many documents of source number `source` are left out because they were seen.
    pub(crate) fn n_seen(&self, source: usize) -> u64 {
        self.sources[source].seen.as_ref().map_or(0, |seen| seen.documents.len() as u64)
    }

    /// What the run is going to do, and on which bytes.
    pub(crate) fn record(&self, recipe: &Recipe, totals: Totals) -> PlanRecord {
        let sources = recipe.sources().zip(&self.sources);
        PlanRecord {
            steps: totals.steps,
            tokens: totals.tokens,
            rows: totals.rows,
            mix_from: totals.mix_from,
            tokenizer: self.tokenizer,
            sources: sources
                .map(|(source, Tokenized { manifest, tokens, seen })| SourceData {
                    source: source.corpus.clone(),
                    manifest: *manifest,
                    shards: tokens.set().key.to_string(),
                    digest: tokens.digest(),
                    n_documents: tokens.n_documents() as u64,
                    n_tokens: tokens.n_tokens(),
                    dropped: tokens.set().dropped.clone(),
                    seen: seen.as_ref().map(SeenDocuments::record),
                })
                .collect(),
        }
    }
}

/// Bytes of one checkpoint of `recipe`'s run.
pub(crate) fn checkpoint_bytes(recipe: &Recipe, model: &Model, trained: Trained) -> u64 {
    let companions: usize = model.companions.iter().map(|file| file.bytes.len()).sum();
    let folders = if recipe.ema.is_some() { 2 } else { 1 };
    trained.checkpoint_bytes(recipe) + folders * companions as u64
}

/// Checkpoints that stay at the end.
pub(crate) fn kept_checkpoints(recipe: &Recipe, totals: Totals) -> u64 {
    let policy = &recipe.checkpoint;
    let milestones = totals.steps.checked_div(policy.keep_every).unwrap_or(0);
    (policy.keep_last as u64 + milestones).min(totals.steps.div_ceil(policy.every))
}

/// Bytes of the ledger.
pub(crate) fn ledger_bytes(totals: Totals) -> u64 {
    /// The quickstart's rows of short documents take 75.
    const LEDGER_BYTES_PER_ROW: u64 = 100;
    totals.rows * LEDGER_BYTES_PER_ROW
}

/// Refuses a run whose `planned` bytes would not fit beside what it has already.
pub(crate) fn check_disk(run: &RunDir, planned: u64) -> Result<()> {
    let there = folder_bytes(run.path())?;
    let needed = planned.saturating_sub(there);
    let stat = rustix::fs::statvfs(run.path())
        .with_context(|| format!("cannot ask for the free space at `{}`", run.path().display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < needed {
        bail!(
            "disk: `{}` has {} free, the run needs {} more\n\nhint: make room, lower \
             `checkpoint.keep_last`, or raise `checkpoint.keep_every`",
            run.path().display(),
            crate::print::bytes(free),
            crate::print::bytes(needed)
        );
    }
    Ok(())
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
