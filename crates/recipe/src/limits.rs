//! The limits of every resolved value, the same for a recipe a human wrote and one read back from a run.

mod methods;
mod optimizer;
mod rewards;

use std::collections::BTreeSet;

use crate::SCHEMA;
use crate::mixture::{Mixture, Shares};
use crate::recipe::{
    Budget, CheckpointPolicy, ModelOrigin, ModelSpec, OptimizerState, Recipe, Stage, Tolerance,
    Training,
};
use crate::rl::group_size;
use crate::share::Share;

pub(crate) use methods::{
    of_anchor, of_dropout, of_ema, of_frozen, of_lora, of_preference, of_replay, of_rl,
};
pub(crate) use optimizer::of_optimizer;

/// Positions per row: counts within a row fit 32 bits, and those within a step 64.
const MOST_POSITIONS: usize = 1 << 20;
/// Rows per step.
const MOST_ROWS: usize = 1 << 20;
/// Documents in a packing window.
const MOST_DOCUMENTS: usize = 1 << 24;

/// A value outside its limits.
#[derive(Debug)]
pub(crate) struct Breach {
    /// The key in the recipe as a human writes it.
    pub(crate) path: &'static [&'static str],
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Breach {
    fn new(path: &'static [&'static str], found: impl std::fmt::Display, expected: &str) -> Self {
        Self { path, message: format!("found `{found}`, expected {expected}"), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// All breaches of a recipe.
pub(crate) fn of_recipe(recipe: &Recipe) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if recipe.schema != SCHEMA {
        breaches.push(Breach::new(&["schema"], recipe.schema, &format!("`{SCHEMA}`")));
    }
    breaches.extend(of_name(&recipe.name));
    breaches.extend(of_model(recipe.stage, &recipe.model, recipe.optimizer.state));
    breaches.extend(of_training(&recipe.training, group_size(recipe.rl.as_ref())));
    breaches.extend(of_mixture(&recipe.mixture));
    if !recipe.sft.is_default() && recipe.stage != Stage::Sft {
        let message = format!("the stage is `{}`, expected it in `sft` only", recipe.stage.name());
        breaches.push(Breach { path: &["sft"], message, hint: None });
    }
    let answers = Some(recipe.training.global_batch_size);
    let preference = recipe.preference.iter();
    breaches.extend(preference.flat_map(|preference| of_preference(preference, answers)));
    if recipe.preference.is_some() != (recipe.stage == Stage::Dpo) {
        let message = format!("the stage is `{}`, expected it in `dpo` only", recipe.stage.name());
        breaches.push(Breach { path: &["preference"], message, hint: None });
    }
    breaches
        .extend(recipe.rl.iter().flat_map(|rl| of_rl(rl, Some(recipe.training.sequence_length))));
    if recipe.rl.is_some() != (recipe.stage == Stage::Rl) {
        let message = format!("the stage is `{}`, expected it in `rl` only", recipe.stage.name());
        breaches.push(Breach { path: &["rl"], message, hint: None });
    }
    breaches.extend(recipe.replay.iter().flat_map(of_replay));
    breaches.extend(recipe.replay.iter().flat_map(|replay| of_mixture(&replay.mixture)));
    breaches.extend(recipe.lora.iter().flat_map(of_lora));
    breaches.extend(
        recipe
            .lora
            .iter()
            .flat_map(|lora| of_dropout(lora, recipe.stage, recipe.training.precision)),
    );
    breaches.extend(of_frozen(&recipe.training.frozen, recipe.lora.is_some()));
    breaches.extend(recipe.anchor.iter().flat_map(of_anchor));
    breaches.extend(recipe.ema.iter().flat_map(of_ema));
    breaches.extend(of_optimizer(&recipe.optimizer));
    breaches.extend(of_checkpoint(&recipe.checkpoint));
    breaches.extend(recipe.forgetting.iter().flat_map(|policy| of_tolerance(&policy.tolerance)));
    breaches
}

/// A run's name is a folder and stands before an `@` in `runs/<name>@<step>`.
pub(crate) fn of_name(name: &str) -> Option<Breach> {
    let breach = Breach::new(
        &["name"],
        name,
        "1 to 100 of the characters `a-z A-Z 0-9 . _ -`, the first a letter or a digit",
    );
    (!is_name(name)).then(|| breach.hint("the run goes to the folder `runs/<name>`"))
}

/// True for a word that is safe as a file name.
pub(crate) fn is_name(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.len() <= 100
        && word.chars().all(allowed)
}

pub(crate) fn of_model(stage: Stage, model: &ModelSpec, state: OptimizerState) -> Vec<Breach> {
    let (ModelOrigin::From(path) | ModelOrigin::Init(path)) = &model.origin;
    let mut breaches = Vec::new();
    if path.trim().is_empty() {
        breaches.push(Breach::new(&["model"], path, "the path of a folder"));
    }
    let mut tokens = BTreeSet::new();
    let wrong =
        model.added_tokens.iter().find(|token| token.trim().is_empty() || !tokens.insert(*token));
    breaches.extend(wrong.map(|token| {
        Breach::new(
            &["model", "added_tokens"],
            token,
            "tokens of at least one character, each once",
        )
    }));
    if let ModelOrigin::Init(_) = model.origin {
        if model.partial {
            breaches.push(Breach::new(
                &["model", "partial"],
                true,
                "none with `init`, which draws all weights",
            ));
        }
        if stage != Stage::Pretrain {
            let name = stage.name();
            let message = format!("`{name}` continues a checkpoint, found `init`, expected `from`");
            breaches.push(Breach {
                path: &["model", "init"],
                message,
                hint: Some(
                    "say `from`, or `stage = \"pretrain\"` to start from the seed".to_owned(),
                ),
            });
        }
        if state == OptimizerState::Keep {
            breaches.push(
                Breach::new(
                    &["optimizer", "state"],
                    "keep",
                    "`reset`, as `model.init` starts anew",
                )
                .hint("weights drawn from the seed have no moments to keep"),
            );
        }
    }
    breaches
}

fn of_training(training: &Training, group_size: usize) -> Vec<Breach> {
    let mut breaches = of_budget(training.budget);
    breaches.extend(of_length(training.sequence_length));
    breaches.extend(of_batch(training.global_batch_size, group_size, training.micro_batch_size));
    breaches
}

pub(crate) fn of_budget(budget: Budget) -> Vec<Breach> {
    let breach = match budget {
        Budget::Tokens(0) => Breach::new(&["training", "max_tokens"], 0, "1 or more"),
        Budget::Steps(0) => Breach::new(&["training", "max_steps"], 0, "1 or more"),
        Budget::Epochs(epochs) if !(epochs > 0.0 && epochs.is_finite()) => {
            Breach::new(&["training", "max_epochs"], epochs, "more than 0")
        }
        Budget::Tokens(_) | Budget::Steps(_) | Budget::Epochs(_) => return Vec::new(),
    };
    vec![breach]
}

pub(crate) fn of_length(sequence_length: usize) -> Option<Breach> {
    of_count(&["training", "sequence_length"], sequence_length, MOST_POSITIONS, "positions")
}

/// A count of what a run holds in memory together.
fn of_count(
    path: &'static [&'static str],
    found: usize,
    most: usize,
    what: &str,
) -> Option<Breach> {
    let breach = || Breach::new(path, found, &format!("1 to {most} {what}"));
    (!(1..=most).contains(&found)).then(breach)
}

/// `group_size` is that of RL, otherwise 1.
pub(crate) fn of_batch(global: usize, group_size: usize, micro: usize) -> Option<Breach> {
    let n_rows = global.saturating_mul(group_size);
    let breach = of_count(&["training", "global_batch_size"], global, MOST_ROWS, "rows");
    if breach.is_some() {
        breach
    } else if micro == 0 || !n_rows.is_multiple_of(micro) {
        let of = if group_size == 1 { "" } else { " times `rl.group_size`" };
        let expected = format!("a divisor of `global_batch_size`{of}, {n_rows}");
        let hint = format!("leave it out to get {}", default_micro_batch_size(n_rows));
        Some(Breach::new(&["training", "micro_batch_size"], micro, &expected).hint(hint))
    } else {
        None
    }
}

/// Rows per lane where the recipe does not say: as many as eight, which is enough to keep a small
/// model's matrices busy and little enough to fit a laptop, and all lanes alike.
pub(crate) fn default_micro_batch_size(n_rows: usize) -> usize {
    (1..=8).rev().find(|rows| n_rows.is_multiple_of(*rows)).unwrap_or(1)
}

fn of_mixture(mixture: &Mixture) -> Vec<Breach> {
    let mut breaches: Vec<Breach> = of_packing_window(mixture.packing_window).into_iter().collect();
    let corpora: BTreeSet<&String> = mixture.sources.iter().map(|source| &source.corpus).collect();
    if corpora.len() < mixture.sources.len() {
        let message = "a corpus is a source twice".to_owned();
        breaches.push(Breach { path: &["mixture", "sources"], message, hint: None });
    }
    if let Some(source) = mixture.sources.iter().find(|source| source.max_epochs == 0) {
        let message = format!("`{}` has 0, expected 1 or more", source.corpus);
        breaches.push(Breach { path: &["mixture", "sources", "max_epochs"], message, hint: None });
    }
    let phases = mixture.phases.iter().map(|phase| &phase.shares);
    let stated = match &mixture.shares {
        Shares::Stated(shares) => Some(shares),
        Shares::Tokens(_)
        | Shares::Epochs(_)
        | Shares::Temperature { .. }
        | Shares::Unimax { .. } => None,
    };
    for shares in stated.into_iter().chain(phases) {
        let parts = shares.values().copied();
        let foreign = shares.keys().any(|corpus| !corpora.contains(corpus));
        if foreign || !Share::sum_is_one(parts.clone()) || parts.clone().any(Share::is_zero) {
            let found: Vec<String> = parts.map(|share| share.to_string()).collect();
            let expected = "shares above zero, of sources, that sum to one";
            breaches.push(Breach::new(&["mixture", "shares"], found.join(" + "), expected));
        }
    }
    let amounts: Option<BTreeSet<&String>> = match &mixture.shares {
        Shares::Tokens(amounts) => Some(amounts.keys().collect()),
        Shares::Epochs(amounts) => Some(amounts.keys().collect()),
        Shares::Stated(_) | Shares::Temperature { .. } | Shares::Unimax { .. } => None,
    };
    if amounts.is_some_and(|amounts| amounts != corpora) {
        let message = "expected an amount for each source".to_owned();
        breaches.push(Breach { path: &["mixture", "shares"], message, hint: None });
    }
    breaches
}

pub(crate) fn of_packing_window(window: usize) -> Option<Breach> {
    of_count(&["data_mixing", "packing_window"], window, MOST_DOCUMENTS, "documents")
}

pub(crate) fn of_checkpoint(checkpoint: &CheckpointPolicy) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if checkpoint.every == 0 {
        breaches.push(
            Breach::new(&["checkpoint", "every"], 0, "1 step or more").hint(
                "the last step always makes a checkpoint; a large number makes only that one",
            ),
        );
    }
    if checkpoint.keep_last == 0 {
        breaches.push(
            Breach::new(&["checkpoint", "keep_last"], 0, "1 or more")
                .hint("a run without a checkpoint can be neither resumed nor used"),
        );
    }
    breaches
}

pub(crate) fn of_tolerance(tolerance: &Tolerance) -> Vec<Breach> {
    let Tolerance { loss, accuracy } = *tolerance;
    let mut breaches = Vec::new();
    if !(loss >= 0.0 && loss.is_finite()) {
        let path = &["forgetting", "tolerance", "loss"];
        breaches.push(Breach::new(path, loss, "nats per token, 0 or more"));
    }
    if !(0.0..=1.0).contains(&accuracy) {
        let path = &["forgetting", "tolerance", "accuracy"];
        breaches.push(
            Breach::new(path, accuracy, "a share of the items, 0 to 1")
                .hint("two points of accuracy are `0.02`"),
        );
    }
    breaches
}
