//! From the recipe as written to the resolved recipe. This is the only place with defaults, each next to its reason.

mod methods;
mod optimizer;
mod training;

use crate::ema::EmaFile;
use crate::file::{CheckpointFile, ForgettingFile, ModelFile, RecipeFile, TokenizationFile};
use crate::limits::{self, Breach};
use crate::load::Loaded;
use crate::lora::LoraFile;
use crate::manifest::SuiteWithManifests;
use crate::mixing::{self, Mixed, Wanted};
use crate::problem::{Findings, quoted};
use crate::project::Project;
use crate::project_file::ProjectFile;
use crate::recipe::{
    Action, CheckpointPolicy, ForgettingPolicy, ModelOrigin, ModelSpec, OptimizerState, Recipe,
    StoredDtype, Tokenization, Tolerance,
};
use crate::rl::group_size;
use methods::{anchor, preference, replay, rl, sft};
use optimizer::optimizer;
use training::training;

/// Resolves `file`; `None` if anything was found wrong.
pub(crate) fn resolve(
    file: RecipeFile,
    source_text: &str,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<Loaded> {
    let name = findings.required(
        &["name"],
        file.name,
        "the run goes to `runs/<name>`, as in `name = \"chem-midtrain\"`",
    );
    add(findings, name.iter().filter_map(|name| limits::of_name(name)));
    let stage = findings.required(
        &["stage"],
        file.stage,
        "`\"pretrain\"` may start from nothing, `\"mid-train\"` continues a checkpoint, `\"sft\"` trains it on \
         conversations, `\"dpo\"` on pairs of answers, `\"rl\"` on rewards",
    );
    let model = model(&file.model, project, findings);
    let rl = rl(file.rl.as_ref(), stage, project, findings);
    let data_s3_path = file.run.as_ref().and_then(|run| run.data_s3_path.as_deref());
    let length = file.training.sequence_length;
    let mixed = mixing::mixture(
        &file.data_mixing,
        Wanted::of(stage, file.preference.as_ref(), rl.as_ref()),
        data_s3_path,
        length,
        project,
        findings,
    );
    let says_budget = file.data_mixing.tokens.is_some() || file.data_mixing.epochs.is_some();
    let training = match &mixed {
        // The amounts are the budget, and there is something wrong with them.
        None if says_budget => None,
        _ => {
            let budget = mixed.as_ref().and_then(|mixed| mixed.budget);
            training(&file.training, group_size(rl.as_ref()), budget, findings)
        }
    };
    let sft = sft(file.sft.as_ref(), stage, findings);
    let answers = training.as_ref().map(|training| training.global_batch_size);
    let preference = preference(file.preference.as_ref(), stage, answers, findings);
    let length = training.as_ref().map(|training| training.sequence_length);
    add(findings, rl.iter().flat_map(|rl| limits::of_rl(rl, length)));
    let beside = training.as_ref().zip(mixed.as_ref().map(|mixed| &mixed.mixture));
    let replay = file.replay.as_ref().map(|_| {
        // `None` in it says that something was found wrong.
        replay(file.replay.as_ref(), stage, beside, project, findings)
    });
    let lora = file.lora.as_ref().map(LoraFile::resolve);
    add(findings, lora.iter().flat_map(limits::of_lora));
    if let (Some(lora), Some(stage), Some(training)) = (&lora, stage, &training) {
        add(findings, limits::of_dropout(lora, stage, training.precision));
    }
    let frozen = file.training.frozen.as_deref().unwrap_or_default();
    add(findings, limits::of_frozen(frozen, lora.is_some()));
    let ema = file.ema.as_ref().map(EmaFile::resolve);
    add(findings, ema.iter().flat_map(limits::of_ema));
    let says_optimizer_state = file.optimizer.state.is_some();
    let optimizer = optimizer(&file.optimizer, findings);
    let checkpoint = checkpoint(&file.checkpoint, findings);
    let forgetting =
        file.forgetting.map(|forgetting| self::forgetting(&forgetting, project, findings));
    if let (Some(_), Some(ModelSpec { origin: ModelOrigin::Init(_), .. })) = (&lora, &model) {
        let message = "found with `model.init`, expected a checkpoint to adapt".to_owned();
        findings.add(&["lora"], message, Some("say `model.from`".to_owned()));
    }
    if let (Some(_), Some(ModelSpec { origin: ModelOrigin::Init(_), .. })) = (&file.anchor, &model)
    {
        let message = "found with `model.init`, expected a checkpoint to stay near".to_owned();
        findings.add(&["anchor"], message, Some("say `model.from`".to_owned()));
    }
    let keeps = optimizer.as_ref().is_some_and(|optimizer| optimizer.state == OptimizerState::Keep);
    if lora.is_some() && keeps {
        let message = "found `keep` with `[lora]`, whose factors are new".to_owned();
        findings.add(&["optimizer", "state"], message, Some("leave `state` out".to_owned()));
    }
    if let (Some(stage), Some(model), Some(optimizer)) = (stage, &model, &optimizer) {
        add(findings, limits::of_model(stage, model, optimizer.state));
    }
    let Mixed { mixture, mut manifests, .. } = mixed?;
    let replay = match replay {
        Some(replay) => {
            let (replay, of_replay) = replay?;
            manifests.extend(of_replay);
            Some(replay)
        }
        None => None,
    };
    let anchor = match &file.anchor {
        Some(file) => Some(anchor(file, (&mixture, replay.as_ref()), stage?, project, findings)?),
        None => None,
    };
    let (forgetting, suite) = match forgetting {
        Some(forgetting) => forgetting.map(|(policy, suite)| (Some(policy), Some(suite)))?,
        None => (None, None),
    };
    let recipe = Recipe {
        schema: file.schema,
        name: name?,
        stage: stage?,
        // Any fixed number will do; a recipe that does not ask for another gives the same run twice.
        seed: file.seed.unwrap_or(0),
        model: model?,
        training: training?,
        tokenization: tokenization(&file.tokenization),
        mixture,
        sft,
        preference,
        rl,
        replay,
        lora,
        anchor,
        ema,
        optimizer: optimizer?,
        checkpoint,
        forgetting,
    };
    let (project, source_text) = (project.clone(), source_text.to_owned());
    Some(Loaded {
        recipe,
        project,
        source_text,
        follows: None,
        says_optimizer_state,
        suite,
        manifests,
    })
}

/// Adds values outside their limits, except where a value was refused already.
pub(crate) fn add(findings: &mut Findings<'_>, breaches: impl IntoIterator<Item = Breach>) {
    for Breach { path, message, hint } in breaches {
        findings.add(path, message, hint);
    }
}

/// The one of several keys that is given; a problem if it is none or more than one.
pub(crate) fn one_of<T>(
    path: &[&str],
    choices: impl IntoIterator<Item = (&'static str, Option<T>)>,
    hint: &str,
    findings: &mut Findings<'_>,
) -> Option<T> {
    let choices: Vec<_> = choices.into_iter().collect();
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let refused = names.iter().any(|name| findings.refused(&[path, &[*name]].concat()));
    let mut given: Vec<(&str, T)> =
        choices.into_iter().filter_map(|(name, choice)| Some((name, choice?))).collect();
    if given.len() != 1 && !refused {
        let found: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        let found = if found.is_empty() { "none".to_owned() } else { quoted(&found) };
        let message = format!("found {found}, expected exactly one of {}", quoted(&names));
        findings.add(path, message, Some(hint.to_owned()));
    }
    if given.len() == 1 { given.pop().map(|(_, choice)| choice) } else { None }
}

fn model(file: &ModelFile, project: &Project, findings: &mut Findings<'_>) -> Option<ModelSpec> {
    let choices = [
        ("from", file.from.clone().map(ModelOrigin::From)),
        ("init", file.init.clone().map(ModelOrigin::Init)),
    ];
    let hint =
        "`from` continues a checkpoint, `init` draws the weights of a `config.json` from the seed";
    let origin = one_of(&["model"], choices, hint, findings);
    let chat_template = match &file.chat_template {
        None => None,
        Some(path) => Some(chat_template(path, project, findings)?),
    };
    Some(ModelSpec {
        // A weight that is not there is a mistake far more often than a wish.
        partial: file.partial.unwrap_or(false),
        added_tokens: file.added_tokens.clone().unwrap_or_default(),
        origin: origin?,
        chat_template,
    })
}

fn chat_template(
    path: &str,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<ProjectFile> {
    match ProjectFile::find(path, project) {
        Ok(file) => Some(file),
        Err(error) => {
            let hint = "the path of a Jinja file, relative to the project's root";
            let message = format!("cannot read `{path}`: {error}");
            findings.add(&["model", "chat_template"], message, Some(hint.to_owned()));
            None
        }
    }
}

fn tokenization(file: &TokenizationFile) -> Tokenization {
    Tokenization {
        // With a BOS the first real token of a document has something before it, so it is a target too.
        bos: file.bos.unwrap_or(true),
        // Without an EOS the model never learns to stop.
        eos: file.eos.unwrap_or(true),
    }
}

fn checkpoint(file: &CheckpointFile, findings: &mut Findings<'_>) -> CheckpointPolicy {
    let checkpoint = CheckpointPolicy {
        // Minutes of work at stake, and writing stays a small part of them.
        every: file.every.unwrap_or(100),
        // The newest, and one before it should the newest turn out bad.
        keep_last: file.keep_last.unwrap_or(2),
        // Keeping a trail is a wish, not a need.
        keep_every: file.keep_every.unwrap_or(0),
        // What was trained is what is written.
        dtype: file.dtype.unwrap_or(StoredDtype::F32),
    };
    add(findings, limits::of_checkpoint(&checkpoint));
    checkpoint
}

fn forgetting(
    file: &ForgettingFile,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<(ForgettingPolicy, SuiteWithManifests)> {
    let tolerance = Tolerance {
        // About five percent more perplexity.
        loss: file.tolerance.loss.unwrap_or(0.05),
        // Two points, about what a reader of benchmark tables calls a difference.
        accuracy: file.tolerance.accuracy.unwrap_or(0.02),
    };
    add(findings, limits::of_tolerance(&tolerance));
    let path = &["forgetting", "suite"];
    let hint = "the name of a file in `data-manifests/suites`, as in `suite = \"quickstart\"`";
    let id = findings.required(path, file.suite.clone(), hint)?;
    let suite = match project.suite(&id) {
        Ok(suite) => suite,
        Err(error) => {
            findings.add_error(path, error);
            return None;
        }
    };
    let tasks: Vec<&str> = suite.suite.tasks.iter().map(|task| task.id.as_str()).collect();
    for task in file.accept_contaminated.iter().filter(|task| !tasks.contains(&task.as_str())) {
        let path = &["forgetting", "accept_contaminated"];
        let message = format!("`{task}` is no task of `{id}`");
        findings.add(path, message, Some(format!("its tasks are {}", quoted(&tasks))));
    }
    let policy = ForgettingPolicy {
        suite: id,
        suite_digest: suite.digest(),
        since: file.since.clone(),
        // Before and after is what the report needs; each look in between costs a scoring.
        every: file.every.unwrap_or(0),
        tolerance,
        // Whoever asks for a gate wants it closed when it says no.
        action: file.action.unwrap_or(Action::Stop),
        // A small suite is often undecided; stopping on it would stop most runs.
        on_undecided: file.on_undecided.unwrap_or(Action::Warn),
        accept_contaminated: file.accept_contaminated.clone(),
    };
    Some((policy, suite))
}
