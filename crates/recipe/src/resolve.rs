//! From the recipe as written to the resolved recipe. This is the only place with defaults, each next to its reason.

use crate::digest::Digest;
use crate::file::{
    CheckpointFile, ForgettingFile, ModelFile, OptimizerFile, RecipeFile, TokenizationFile,
    TrainingFile,
};
use crate::limits::{self, Breach};
use crate::load::Loaded;
use crate::lora::LoraFile;
use crate::manifest::SuiteWithManifests;
use crate::mixing::{self, Mixed};
use crate::preference::{Preference, PreferenceFile};
use crate::problem::{Findings, quoted};
use crate::project::Project;
use crate::recipe::{
    Action, Budget, ChatTemplateFile, CheckpointPolicy, ForgettingPolicy, ModelOrigin, ModelSpec,
    Optimizer, OptimizerName, OptimizerState, Precision, Recipe, Stage, StoredDtype, Tokenization,
    Tolerance, Training, default_most_logits,
};
use crate::rl::{Rl, RlFile};
use crate::schedule::{Schedule, ScheduleKind};

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
    let data_s3_path = file.run.as_ref().and_then(|run| run.data_s3_path.as_deref());
    let length = file.training.sequence_length;
    let mixed = mixing::mixture(
        &file.data_mixing,
        stage.unwrap_or(Stage::MidTrain),
        data_s3_path,
        length,
        project,
        findings,
    );
    let says_budget = file.data_mixing.tokens.is_some() || file.data_mixing.epochs.is_some();
    let training = match &mixed {
        // The amounts are the budget, and there is something wrong with them.
        None if says_budget => None,
        _ => training(&file.training, mixed.as_ref().and_then(|mixed| mixed.budget), findings),
    };
    let preference = preference(file.preference.as_ref(), stage, findings);
    let rl = rl(file.rl.as_ref(), stage, findings);
    let length = training.as_ref().map(|training| training.sequence_length);
    add(findings, rl.iter().flat_map(|rl| limits::of_rl(rl, length)));
    let lora = file.lora.as_ref().map(LoraFile::resolve);
    add(findings, lora.iter().flat_map(limits::of_lora));
    let optimizer = optimizer(&file.optimizer, findings);
    let checkpoint = checkpoint(&file.checkpoint, findings);
    let forgetting =
        file.forgetting.map(|forgetting| self::forgetting(&forgetting, project, findings));
    if let (Some(_), Some(ModelSpec { origin: ModelOrigin::Init(_), .. })) = (&lora, &model) {
        let message = "found with `model.init`, expected a checkpoint to adapt".to_owned();
        findings.add(&["lora"], message, Some("say `model.from`".to_owned()));
    }
    let keeps = optimizer.as_ref().is_some_and(|optimizer| optimizer.state == OptimizerState::Keep);
    if lora.is_some() && keeps {
        let message = "found `keep` with `[lora]`, whose factors are new".to_owned();
        findings.add(&["optimizer", "state"], message, Some("leave `state` out".to_owned()));
    }
    if let (Some(stage), Some(model), Some(optimizer)) = (stage, &model, &optimizer) {
        add(findings, limits::of_model(stage, model, optimizer.state));
    }
    let Mixed { mixture, manifests, .. } = mixed?;
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
        preference,
        rl,
        lora,
        optimizer: optimizer?,
        checkpoint,
        forgetting,
    };
    let (project, source_text) = (project.clone(), source_text.to_owned());
    Some(Loaded { recipe, project, source_text, follows: None, suite, manifests })
}

/// Adds values outside their limits, except where a value was refused already.
pub(crate) fn add(findings: &mut Findings<'_>, breaches: impl IntoIterator<Item = Breach>) {
    for Breach { path, message, hint } in breaches {
        findings.add(path, message, hint);
    }
}

/// The one of several keys that is given; a problem if it is none or more than one.
fn one_of<T>(
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
) -> Option<ChatTemplateFile> {
    match Digest::of_file(&project.root.join(path)) {
        Ok(digest) => Some(ChatTemplateFile { path: path.to_owned(), digest }),
        Err(error) => {
            let hint = "the path of a Jinja file, relative to the project's root";
            let message = format!("cannot read `{path}`: {error}");
            findings.add(&["model", "chat_template"], message, Some(hint.to_owned()));
            None
        }
    }
}

/// `amounts` is the budget that the amounts of the mix make up.
fn training(
    file: &TrainingFile,
    amounts: Option<Budget>,
    findings: &mut Findings<'_>,
) -> Option<Training> {
    let choices = [
        ("max_tokens", file.max_tokens.map(|count| Budget::Tokens(count.0))),
        ("max_steps", file.max_steps.map(Budget::Steps)),
        ("max_epochs", file.max_epochs.map(Budget::Epochs)),
    ];
    let hint = "the budget of the run, as in `max_tokens = \"1M\"`";
    let budget = match amounts {
        Some(amounts) => with_amounts(amounts, choices, findings),
        None => one_of(&["training"], choices, hint, findings),
    };
    let sequence_length = findings.required(
        &["training", "sequence_length"],
        file.sequence_length,
        "positions per row, at most the model's context, as in `sequence_length = 512`",
    );
    let global_batch_size = findings.required(
        &["training", "global_batch_size"],
        file.global_batch_size,
        "rows per step, as in `global_batch_size = 16`",
    );
    add(findings, budget.into_iter().flat_map(limits::of_budget));
    add(findings, sequence_length.and_then(limits::of_length));
    let micro_batch_size = global_batch_size.map(|global| {
        file.micro_batch_size.unwrap_or_else(|| limits::default_micro_batch_size(global))
    });
    if file.memory.is_some() {
        let given = [
            ("micro_batch_size", file.micro_batch_size.is_some()),
            ("activation_checkpointing", file.activation_checkpointing.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            let message = "found beside `memory`, which picks it, expected one of the two";
            let hint = format!("leave `{key}` out, or say it and leave `memory` out");
            findings.add(&["training", key], message.to_owned(), Some(hint));
        }
    }
    let batch = global_batch_size.zip(micro_batch_size);
    add(findings, batch.and_then(|(global, micro)| limits::of_batch(global, micro)));
    Some(Training {
        budget: budget?,
        sequence_length: sequence_length?,
        global_batch_size: global_batch_size?,
        micro_batch_size: micro_batch_size?,
        // Every device has it.
        precision: file.precision.unwrap_or(Precision::F32),
        memory: file.memory,
        activation_checkpointing: file.activation_checkpointing.unwrap_or(false),
        most_logits: default_most_logits(),
        gradient_sum: file.gradient_sum.unwrap_or_default(),
    })
}

/// The budget that the mix says; the recipe may say the same once more, and nothing else.
fn with_amounts(
    amounts: Budget,
    choices: [(&'static str, Option<Budget>); 3],
    findings: &mut Findings<'_>,
) -> Option<Budget> {
    for (key, given) in choices {
        if given.is_some_and(|given| given != amounts) {
            let of_mix = match amounts {
                Budget::Tokens(tokens) => format!("none, or the {tokens} tokens of the mix"),
                Budget::Steps(_) | Budget::Epochs(_) => "none: the passes make it up".to_owned(),
            };
            let message = format!("the amounts in `data_mixing` are the budget, expected {of_mix}");
            findings.add(&["training", key], message, Some(format!("leave `{key}` out")));
        }
    }
    Some(amounts)
}

fn preference(
    file: Option<&PreferenceFile>,
    stage: Option<Stage>,
    findings: &mut Findings<'_>,
) -> Option<Preference> {
    match (stage, file) {
        (Some(Stage::Dpo), file) => {
            let preference =
                file.map_or_else(|| PreferenceFile::default().resolve(), PreferenceFile::resolve);
            add(findings, limits::of_preference(&preference));
            Some(preference)
        }
        (Some(stage), Some(_)) => {
            let message =
                format!("found in the stage `{}`, expected it in `dpo` only", stage.name());
            findings.add(&["preference"], message, Some("leave the table out".to_owned()));
            None
        }
        (Some(_) | None, _) => None,
    }
}

fn rl(file: Option<&RlFile>, stage: Option<Stage>, findings: &mut Findings<'_>) -> Option<Rl> {
    match (stage, file) {
        (Some(Stage::Rl), file) => file.unwrap_or(&RlFile::default()).resolve(findings),
        (Some(stage), Some(_)) => {
            let message =
                format!("found in the stage `{}`, expected it in `rl` only", stage.name());
            findings.add(&["rl"], message, Some("leave the table out".to_owned()));
            None
        }
        (Some(_) | None, _) => None,
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

fn optimizer(file: &OptimizerFile, findings: &mut Findings<'_>) -> Option<Optimizer> {
    let lr = findings.required(
        &["optimizer", "lr"],
        file.lr,
        "the peak learning rate; a tenth to a third of the pretraining's continues it gently",
    );
    let is_given = lr.is_some();
    // Where it is missing, the highest one stands in, so that the other values can be looked at.
    let lr = lr.unwrap_or(1.0);
    // Holds its peak, so that a run can be extended without starting a new curve (Hu et al. 2024,
    // arXiv 2404.06395).
    let kind = file.schedule.kind.unwrap_or(ScheduleKind::Wsd);
    let schedule = Schedule {
        kind,
        // With clipping, the first hundredth suffices for the second moments to settle.
        warmup: file.schedule.warmup.unwrap_or(0.01),
        decay: file.schedule.decay.unwrap_or(match kind {
            // A tenth of the run is enough to collect the gain (Hu et al. 2024, arXiv 2404.06395).
            ScheduleKind::Wsd => 0.1,
            ScheduleKind::Constant | ScheduleKind::Linear | ScheduleKind::Cosine => 0.0,
        }),
        min_lr: file.schedule.min_lr.unwrap_or(match kind {
            // Never comes down.
            ScheduleKind::Constant => lr,
            // To a tenth, as Brown et al. 2020 (arXiv 2005.14165) and most since.
            ScheduleKind::Linear | ScheduleKind::Cosine | ScheduleKind::Wsd => tenth(lr),
        }),
    };
    if kind == ScheduleKind::Constant && schedule.min_lr != lr {
        findings.add(
            &["optimizer", "schedule", "min_lr"],
            format!("found `{}`, expected none with `constant`", schedule.min_lr),
            Some("`constant` stays at `lr`; leave `min_lr` out".to_owned()),
        );
    }
    let name = file.name.unwrap_or(OptimizerName::Adamw);
    let has_momentum = matches!(name, OptimizerName::Sgd | OptimizerName::Muon);
    if file.momentum.is_some() && !has_momentum {
        let message = format!("found with `{name}`, expected it with `sgd` or `muon` only");
        let hint = "leave it out; `betas` says what the others remember";
        findings.add(&["optimizer", "momentum"], message, Some(hint.to_owned()));
    }
    let optimizer = Optimizer {
        name,
        lr,
        // A short memory of the second moment forgives a spike; these and the next three are those
        // of Brown et al. 2020 (arXiv 2005.14165), which Llama-style models are trained with.
        betas: file.betas.unwrap_or(match name {
            OptimizerName::Adamw | OptimizerName::Sgd | OptimizerName::Muon => [0.9, 0.95],
            // Of its paper.
            OptimizerName::Lion => [0.9, 0.99],
        }),
        momentum: file.momentum.unwrap_or(match name {
            OptimizerName::Adamw | OptimizerName::Lion => 0.0,
            // The usual one.
            OptimizerName::Sgd => 0.9,
            // As in all that is published of it.
            OptimizerName::Muon => 0.95,
        }),
        eps: file.eps.unwrap_or(1e-8),
        weight_decay: file.weight_decay.unwrap_or(0.1),
        clip_norm: file.clip_norm.unwrap_or(1.0),
        schedule,
        // Published checkpoints come without moments.
        state: file.state.unwrap_or(OptimizerState::Reset),
    };
    add(findings, limits::of_optimizer(&optimizer));
    is_given.then_some(optimizer)
}

/// The tenth as a human would write it: a tenth of `3e-4` is `3e-5`, where division gives
/// `2.9999999999999997e-5`.
fn tenth(value: f64) -> f64 {
    let written = format!("{value:e}");
    let shifted = written.split_once('e').and_then(|(digits, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        format!("{digits}e{}", exponent - 1).parse().ok()
    });
    shifted.unwrap_or(value / 10.0)
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
