//! From a recipe to what a stage is made of: starting weights, tokens, plan, tasks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use temper_corpus::Corpus;
use temper_ledger::{CheckpointManifest, Lineage, Origin, PlanRecord, RunDir, SourceData};
use temper_mix::{Forecast, Plan, PlanSpec};
use temper_model::{Config, Decoder};
use temper_recipe::{
    Budget, Digest, Manifest, ModelOrigin, OptimizerState, Project, Recipe, StoredDtype,
};
use temper_tokens::{TokenCorpus, TokenSource, Tokenizer};
use temper_train::Companion;

use crate::print::thousands;
use crate::progress::Progress;

/// Files that travel with the weights unchanged.
const COMPANIONS: [&str; 6] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
];

/// A model folder: shape, tokenizer, and where it came from.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) folder: PathBuf,
    pub(crate) config: Config,
    pub(crate) tokenizer: Tokenizer,
    /// `None` for a folder without weights, which a recipe names with `init`.
    origin: Option<Origin>,
    asked: String,
}

impl Model {
    /// The folder or run that `asked` names; relative paths start at `root`.
    pub(crate) fn find(root: &Path, asked: &str) -> Result<Self> {
        let origin = Origin::find(root, asked)?;
        let folder = origin.folder.clone();
        Self::read(folder, Some(origin), asked)
    }

    /// What the recipe starts from.
    pub(crate) fn of_recipe(project: &Project, recipe: &Recipe) -> Result<Self> {
        let model = match &recipe.model {
            ModelOrigin::From(asked) => Self::find(&project.root, asked)?,
            ModelOrigin::Init(folder) => Self::read(project.root.join(folder), None, folder)?,
        };
        let (found, limit) =
            (recipe.training.sequence_length, model.config.max_position_embeddings);
        if found > limit {
            bail!(
                "training.sequence_length: found {found}, the model reads {limit} positions at most\n\n\
                 hint: lower `training.sequence_length`"
            );
        }
        let keeps = recipe.optimizer.state == OptimizerState::Keep;
        if keeps && CheckpointManifest::load(&model.folder)?.is_none() {
            bail!(
                "optimizer.state: found `keep`, but `{}` has no training state; expected a checkpoint \
                 that temper wrote\n\nhint: set `optimizer.state = \"reset\"`, or start from a run's checkpoint",
                crate::print::path(&model.folder)
            );
        }
        Ok(model)
    }

    fn read(folder: PathBuf, origin: Option<Origin>, asked: &str) -> Result<Self> {
        let config = Config::load(&folder)?;
        let tokenizer = Tokenizer::load(&folder)?;
        if tokenizer.vocab_size() > config.vocab_size {
            bail!(
                "model `{}`: its tokenizer has {} tokens, config.json a vocab_size of {}; expected \
                 at least as many\n\nhint: use the tokenizer that the model was trained with",
                folder.display(),
                tokenizer.vocab_size(),
                config.vocab_size
            );
        }
        Ok(Self { folder, config, tokenizer, origin, asked: asked.to_owned() })
    }

    /// What a run goes on with: its latest checkpoint, or else the weights it was started from.
    pub(crate) fn of_run(project: &Project, run: &RunDir, device: &Device) -> Result<Self> {
        let started_from = run.identity()?.info.started_from;
        if let Some(step) = run.latest_checkpoint()? {
            let folder = run.checkpoint_folder(step);
            return Self::find(&project.root, &folder.to_string_lossy());
        }
        match started_from {
            Lineage::Init { folder } => Self::read(project.root.join(&folder), None, &folder),
            Lineage::Checkpoint { folder, weights, .. } => {
                let model = Self::find(&project.root, &folder)?;
                let found: Digest = temper_model::weights_digest(&model.decoder(0, device)?).into();
                if found != weights {
                    bail!(
                        "cannot resume `{}`: the weights in `{folder}` have digest {}, the run was \
                         started from {}\n\nhint: restore that checkpoint, or start a new run",
                        run.path().display(),
                        found.short(),
                        weights.short()
                    );
                }
                Ok(model)
            }
        }
    }

    /// The weights: read from the folder, or drawn from `seed` when it has none.
    pub(crate) fn decoder(&self, seed: u64, device: &Device) -> Result<Decoder> {
        if self.origin.is_none() {
            return Ok(Decoder::init(&self.config, seed, device));
        }
        Ok(temper_model::hf::load(&self.folder, device)?.0)
    }

    /// The record of where these weights came from.
    pub(crate) fn lineage(&self, root: &Path, weights: Digest) -> Result<Lineage> {
        match &self.origin {
            Some(origin) => Ok(origin.lineage(root, weights)?),
            None => Ok(Lineage::Init { folder: self.asked.clone() }),
        }
    }

    /// True when a run made these weights.
    pub(crate) fn is_from_run(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.run.is_some())
    }

    /// Tokenizer files and chat template beside the weights.
    pub(crate) fn companions(&self) -> std::io::Result<Vec<Companion>> {
        let there = COMPANIONS.iter().filter(|name| self.folder.join(name).is_file());
        there
            .map(|name| {
                let bytes = std::fs::read(self.folder.join(name))?;
                Ok(Companion { name: (*name).to_owned(), bytes })
            })
            .collect()
    }
}

/// The corpora of a recipe's sources, checked but not tokenized.
#[derive(Debug)]
pub(crate) struct Corpora(Vec<(Manifest, Corpus)>);

impl Corpora {
    /// Opens and checks the corpora of `recipe`'s sources, in their order.
    pub(crate) fn open(project: &Project, recipe: &Recipe) -> Result<Self> {
        let folder = project.manifests_dir();
        let mut corpora = Vec::new();
        for source in &recipe.mixture.sources {
            let manifest = project.manifest(&source.corpus)?;
            let corpus = Corpus::open(&manifest, &folder)?;
            corpora.push((manifest, corpus));
        }
        Ok(Self(corpora))
    }

    /// Tokenizes what is not in the cache yet.
    pub(crate) fn tokenize(
        &self,
        project: &Project,
        recipe: &Recipe,
        tokenizer: &Tokenizer,
        stop: &AtomicBool,
    ) -> Result<Tokens> {
        let total = self.0.iter().map(|(_, corpus)| corpus.n_documents()).sum();
        let mut bar = Progress::start("tokenizing", total);
        let (mut sources, mut tokenized, mut n_ids) = (Vec::new(), 0, 0);
        for (manifest, corpus) in &self.0 {
            let mut done = 0;
            let tokens = temper_corpus::tokenize(
                corpus,
                tokenizer,
                recipe.tokenization,
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
            sources.push((manifest.digest(), Arc::new(tokens)));
        }
        let from_cache = if tokenized == 0 { " (all from the cache)" } else { "" };
        bar.finish(&format!(
            "{} documents, {} tokens{from_cache}",
            thousands(total),
            thousands(n_ids)
        ));
        Ok(Tokens { tokenizer: tokenizer.digest(), sources })
    }
}

/// The token shards of a recipe's sources, in their order.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokenizer: Digest,
    sources: Vec<(Digest, Arc<TokenCorpus>)>,
}

impl Tokens {
    /// The plan of `recipe` over these tokens, for `budget`.
    pub(crate) fn plan(&self, recipe: &Recipe, budget: Budget) -> Result<Plan> {
        let tokens = self.sources.iter().map(|(_, tokens)| tokens.clone() as _).collect();
        Ok(Plan::new(PlanSpec::new(recipe, budget), tokens)?)
    }

    /// What the run is going to do, and on which bytes.
    pub(crate) fn record(&self, recipe: &Recipe, forecast: &Forecast) -> PlanRecord {
        let sources = recipe.mixture.sources.iter().zip(&self.sources);
        PlanRecord {
            steps: forecast.steps,
            tokens: forecast.tokens,
            rows: forecast.rows,
            tokenizer: self.tokenizer,
            sources: sources
                .map(|(source, (manifest, tokens))| SourceData {
                    source: source.corpus.clone(),
                    manifest: *manifest,
                    shards: tokens.set().key.to_string(),
                    digest: tokens.digest(),
                    n_documents: tokens.n_documents() as u64,
                    n_tokens: tokens.n_tokens(),
                })
                .collect(),
        }
    }
}

/// Bytes that a run of `recipe` will take: checkpoints, one of them being written beside the kept
/// ones, and the ledger.
pub(crate) fn disk_bytes(
    recipe: &Recipe,
    model: &Model,
    forecast: &Forecast,
) -> std::io::Result<u64> {
    /// The quickstart's rows of short documents take 75.
    const LEDGER_BYTES_PER_ROW: u64 = 100;
    let policy = &recipe.checkpoint;
    let milestones = forecast.steps.checked_div(policy.keep_every).unwrap_or(0);
    let kept =
        (policy.keep_last as u64 + milestones).min(forecast.steps.div_ceil(policy.every)) + 1;
    // Weights, two moments, and the exact weights beside bf16 ones.
    let bytes_per_parameter = match policy.dtype {
        StoredDtype::F32 => 12,
        StoredDtype::Bf16 => 14,
    };
    let companions: usize = model.companions()?.iter().map(|file| file.bytes.len()).sum();
    let checkpoint = bytes_per_parameter * model.config.n_parameters() as u64 + companions as u64;
    Ok(kept * checkpoint + forecast.rows * LEDGER_BYTES_PER_ROW)
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
