//! The model of a verb: weights, tokenizer, and what travels with them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use temper_ledger::{CheckpointManifest, Growth, Lineage, RunDir};
use temper_model::hf::{self, Companion, LoadReport};
use temper_model::{Config, Decoder};
use temper_recipe::{Digest, ModelOrigin, ModelSpec, OptimizerState, Project, Recipe};
use temper_tokens::{ChatTemplate, Tokenizer, special_tokens};

use crate::advice::Past;
use crate::checkpoint::Checkpoint;
use crate::vocabulary::Vocabulary;

/// A model that can be trained or asked.
#[derive(Debug)]
pub(crate) struct Model {
    /// Where its training state lies, when it has one.
    pub(crate) folder: PathBuf,
    /// With as many token ids as it is trained with.
    pub(crate) config: Config,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) chat_template: Option<ChatTemplate>,
    /// Files that every checkpoint of it carries: tokenizer, chat template, generation settings.
    pub(crate) companions: Vec<Companion>,
    /// What the recipe changed about its vocabulary.
    pub(crate) growth: Option<Growth>,
    weights: Weights,
}

/// Where a model's weights are.
#[derive(Debug)]
enum Weights {
    /// Nowhere yet: a recipe's `init` names a shape.
    Drawn { asked: String },
    /// In a checkpoint; `partial` draws what it lacks.
    Stored { checkpoint: Box<Checkpoint>, partial: bool },
}

impl Model {
    /// The checkpoint that `asked` names, as it is; relative paths start at `root`.
    pub(crate) fn find(root: &Path, asked: &str) -> Result<Self> {
        let checkpoint = Checkpoint::find(root, asked)?;
        let tokenizer = Tokenizer::load(checkpoint.located.tokenizer_folder())?;
        let (found, limit) = (tokenizer.vocab_size(), checkpoint.config.vocab_size);
        if found > limit {
            bail!(
                "model `{asked}`: its tokenizer has {found} tokens, config.json a vocab_size of {limit}; \
                 expected at least as many\n\nhint: use the tokenizer that the model was trained with; \
                 a run makes room for tokens that were added to it"
            );
        }
        Ok(Self {
            folder: checkpoint.origin.folder.clone(),
            config: checkpoint.config.clone(),
            tokenizer,
            chat_template: ChatTemplate::load(checkpoint.located.tokenizer_folder())?,
            companions: checkpoint.located.companions()?,
            growth: None,
            weights: Weights::Stored { checkpoint: Box::new(checkpoint), partial: false },
        })
    }

    /// The same with the chat template in `file`, where it has none of its own.
    pub(crate) fn with_chat_template(self, file: Option<&Path>) -> Result<Self> {
        let (Some(file), None, Weights::Stored { checkpoint, .. }) =
            (file, &self.chat_template, &self.weights)
        else {
            return Ok(self);
        };
        let text = fs::read_to_string(file).with_context(|| {
            format!("cannot read `{}`\n\nhint: --chat-template names a Jinja file", file.display())
        })?;
        let special_tokens = special_tokens(checkpoint.located.tokenizer_folder())?;
        let template = ChatTemplate::new(&file.display().to_string(), &text, special_tokens)?;
        Ok(Self { chat_template: Some(template), ..self })
    }

    /// What the recipe starts from.
    pub(crate) fn of_recipe(project: &Project, recipe: &Recipe) -> Result<Self> {
        let model = Self::standing_in(project, recipe, &recipe.model)?;
        if recipe.optimizer.state == OptimizerState::Keep {
            model.refuse_keeping_what_is_not_there()?;
        }
        Ok(model)
    }

    /// What `spec` names, which reads what the recipe's own start will read when that is there.
    pub(crate) fn standing_in(
        project: &Project,
        recipe: &Recipe,
        spec: &ModelSpec,
    ) -> Result<Self> {
        let model = Self::of_spec(project, spec)?;
        let limit = model.config.max_position_embeddings;
        let replayed = recipe.replay.as_ref().map_or(0, |replay| replay.sequence_length);
        for (key, found) in [
            ("training.sequence_length", recipe.training.sequence_length),
            ("replay.sequence_length", replayed),
        ] {
            if found > limit {
                bail!(
                    "{key}: found {found}, the model reads {limit} positions at most\n\nhint: lower `{key}`"
                );
            }
        }
        Ok(model)
    }

    fn of_spec(project: &Project, spec: &ModelSpec) -> Result<Self> {
        let (asked, config, tokenizer_folder, companions, weights) = match &spec.origin {
            ModelOrigin::From(asked) => {
                let checkpoint = Checkpoint::find(&project.root, asked)?;
                let folder = checkpoint.located.tokenizer_folder().to_owned();
                let companions = checkpoint.located.companions()?;
                let config = checkpoint.config.clone();
                let partial = spec.partial;
                let weights = Weights::Stored { checkpoint: Box::new(checkpoint), partial };
                (asked, config, folder, companions, weights)
            }
            ModelOrigin::Init(asked) => {
                let folder = project.root.join(asked);
                let config = Config::load(&folder)?;
                let companions = hf::companions(&folder)?;
                (asked, config, folder, companions, Weights::Drawn { asked: asked.clone() })
            }
        };
        let vocabulary = Vocabulary::of_recipe(project, spec, &tokenizer_folder, companions)?;
        let growth = vocabulary.growth(asked, config.vocab_size)?;
        let folder = match &weights {
            Weights::Drawn { .. } => tokenizer_folder,
            Weights::Stored { checkpoint, .. } => checkpoint.origin.folder.clone(),
        };
        Ok(Self {
            folder,
            config: match &growth {
                Some(growth) => config.with_vocab_size(growth.to),
                None => config,
            },
            tokenizer: vocabulary.tokenizer,
            chat_template: vocabulary.chat_template,
            companions: vocabulary.companions,
            growth,
            weights,
        })
    }

    fn refuse_keeping_what_is_not_there(&self) -> Result<()> {
        let reason = match (CheckpointManifest::load(&self.folder)?, &self.growth) {
            (None, _) => "has no training state; expected a checkpoint that temper wrote",
            (Some(_), Some(_)) => "has moments for fewer tokens than `model.added_tokens` make",
            (Some(_), None) => return Ok(()),
        };
        bail!(
            "optimizer.state: found `keep`, but `{}` {reason}\n\nhint: set `optimizer.state = \"reset\"`, \
             or start from a run's checkpoint",
            crate::print::path(&self.folder)
        );
    }

    /// What a run goes on with: its latest checkpoint, or else the weights it was started from.
    pub(crate) fn of_run(
        project: &Project,
        run: &RunDir,
        recipe: &Recipe,
        device: &Device,
    ) -> Result<Self> {
        if let Some(step) = run.latest_checkpoint()? {
            let folder = run.checkpoint_folder(step);
            return Self::find(&project.root, &folder.to_string_lossy());
        }
        Self::of_start(project, run, recipe, device)
    }

    /// The weights that a run was started from.
    pub(crate) fn of_start(
        project: &Project,
        run: &RunDir,
        recipe: &Recipe,
        device: &Device,
    ) -> Result<Self> {
        let Lineage::Checkpoint { folder, weights, .. } = run.identity()?.info.started_from else {
            return Self::of_spec(project, &recipe.model);
        };
        // What was asked for may stand for something else by now: a run's latest checkpoint, a branch.
        let origin = ModelOrigin::From(folder.clone());
        let model = Self::of_spec(project, &ModelSpec { origin, ..recipe.model.clone() })?;
        let found: Digest =
            temper_model::weights_digest(&model.decoder(recipe.seed, device)?).into();
        if found != weights {
            bail!(
                "cannot resume `{}`: the weights in `{folder}` have digest {}, the run was started \
                 from {}\n\nhint: restore that checkpoint, or start a new run",
                run.path().display(),
                found.short(),
                weights.short()
            );
        }
        Ok(model)
    }

    /// The weights: read from the checkpoint, or drawn from `seed` when there is none.
    pub(crate) fn decoder(&self, seed: u64, device: &Device) -> Result<Decoder> {
        Ok(self.load(seed, device)?.0)
    }

    /// As [`Model::decoder`], with what was found in the checkpoint.
    pub(crate) fn load(&self, seed: u64, device: &Device) -> Result<(Decoder, Option<LoadReport>)> {
        match &self.weights {
            Weights::Drawn { .. } => Ok((Decoder::init(&self.config, seed, device), None)),
            Weights::Stored { checkpoint, partial } => {
                let (decoder, report) = checkpoint.load(partial.then_some(seed), device)?;
                let decoder = match &self.growth {
                    Some(growth) => decoder.with_vocab_size(growth.to),
                    None => decoder,
                };
                Ok((decoder, Some(report)))
            }
        }
    }

    /// Which runs these weights came from, without a look at them.
    pub(crate) fn ancestry(&self, root: &Path) -> Result<Lineage> {
        self.lineage(root, Digest::of(&[]))
    }

    /// The record of where these weights came from.
    pub(crate) fn lineage(&self, root: &Path, weights: Digest) -> Result<Lineage> {
        match &self.weights {
            Weights::Drawn { asked } => Ok(Lineage::Init { folder: asked.clone() }),
            Weights::Stored { checkpoint, .. } => Ok(checkpoint.origin.lineage(root, weights)?),
        }
    }

    /// What training they have had.
    pub(crate) fn past(&self, root: &Path) -> Result<Past> {
        match &self.weights {
            Weights::Drawn { .. } => Ok(Past::none()),
            Weights::Stored { checkpoint, .. } => Past::of(root, checkpoint),
        }
    }

    /// True when a run made these weights.
    pub(crate) fn is_from_run(&self) -> bool {
        match &self.weights {
            Weights::Drawn { .. } => false,
            Weights::Stored { checkpoint, .. } => checkpoint.origin.run.is_some(),
        }
    }
}
