//! Of preferences, rollouts, replay, adapters, and of what is frozen, held or averaged.

use super::rewards::{of_environment, of_rewards};
use super::{Breach, MOST_POSITIONS, MOST_ROWS, of_count};
use crate::anchor::Anchor;
use crate::ema::Ema;
use crate::lora::Lora;
use crate::preference::{AnswerWeights, Preference, PreferenceLoss};
use crate::recipe::{Precision, Stage};
use crate::replay::Replay;
use crate::rl::Rl;

/// Times that a group is replaced within a step.
const MOST_REFILLS: u32 = 16;

/// `answers` are those of a step.
pub(crate) fn of_preference(preference: &Preference, answers: Option<usize>) -> Vec<Breach> {
    let Preference { loss, beta, label_smoothing, weights } = *preference;
    let mut breaches = Vec::new();
    if !(beta > 0.0 && beta.is_finite()) {
        breaches.push(Breach::new(&["preference", "beta"], beta, "more than 0"));
    }
    let path = &["preference", "label_smoothing"];
    if !(0.0..0.5).contains(&label_smoothing) {
        let breach = Breach::new(path, label_smoothing, "a share of the pairs, 0 to less than 0.5");
        breaches.push(breach.hint("from one half on, pairs would be read the wrong way round"));
    } else if label_smoothing > 0.0 && loss == PreferenceLoss::Ipo {
        let breach = Breach::new(path, label_smoothing, "none with `ipo`");
        breaches.push(breach.hint("the square does not trust labels without bound either"));
    } else if label_smoothing > 0.0 && loss == PreferenceLoss::Kto {
        let breach = Breach::new(path, label_smoothing, "none with `kto`");
        breaches.push(
            breach.hint("its loss is bounded: a wrong label pulls no harder than a right one"),
        );
    }
    if weights.is_some() != (loss == PreferenceLoss::Kto) {
        let message = "found weights of judged answers, expected them with `kto` only".to_owned();
        breaches.push(Breach { path: &["preference"], message, hint: None });
    }
    for (path, weight) in weights.iter().flat_map(|AnswerWeights { desirable, undesirable }| {
        let desirable = (&["preference", "desirable_weight"], *desirable);
        [desirable, (&["preference", "undesirable_weight"], *undesirable)]
    }) {
        if !(weight > 0.0 && weight.is_finite()) {
            let breach = Breach::new(path, weight, "more than 0");
            breaches.push(breach.hint("one of 1 counts an answer as it is"));
        }
    }
    if preference.is_unpaired() && answers == Some(1) {
        let breach = Breach::new(&["training", "global_batch_size"], 1, "2 or more with `kto`");
        breaches.push(breach.hint(
            "the divergence from the start is estimated on prompts with the answers to others of their step",
        ));
    }
    breaches
}

/// `length` is that of a row, which holds a prompt and a completion.
pub(crate) fn of_rl(rl: &Rl, length: Option<usize>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut limit = |holds: bool, path, found: String, expected: &str, hint: &str| {
        if !holds {
            breaches.push(Breach::new(path, found, expected).hint(hint));
        }
    };
    limit(
        (2..=1024).contains(&rl.group_size),
        &["rl", "group_size"],
        rl.group_size.to_string(),
        "2 to 1024 completions",
        "one completion has no others to be better than",
    );
    let room = length.map_or(usize::MAX, |length| length.saturating_sub(1));
    limit(
        (1..=room).contains(&rl.max_new_tokens),
        &["rl", "max_new_tokens"],
        rl.max_new_tokens.to_string(),
        "1 or more, and less than `training.sequence_length`",
        "a row holds a prompt and its completion",
    );
    limit(
        rl.temperature > 0.0 && rl.temperature <= 10.0,
        &["rl", "temperature"],
        rl.temperature.to_string(),
        "more than 0 and at most 10",
        "at 0 all completions of a group are the same",
    );
    let [low, high] = rl.clip;
    limit(
        (0.0..1.0).contains(&low) && high >= 0.0 && high.is_finite(),
        &["rl", "clip"],
        format!("{low}, {high}"),
        "0 to less than 1, and 0 or more",
        "`[0.2, 0.28]` are DAPO's",
    );
    limit(
        rl.kl >= 0.0 && rl.kl.is_finite(),
        &["rl", "kl"],
        rl.kl.to_string(),
        "0 or more",
        "0 leaves the starting model out",
    );
    limit(
        (1..=64).contains(&rl.updates_per_rollout),
        &["rl", "updates_per_rollout"],
        rl.updates_per_rollout.to_string(),
        "1 to 64",
        "the further from the model that sampled, the more is clipped",
    );
    limit(
        rl.refill <= MOST_REFILLS,
        &["rl", "refill"],
        rl.refill.to_string(),
        &format!("0 to {MOST_REFILLS}"),
        "prompts that are too easy or too hard for all of these are better left out of the corpus",
    );
    let drift = rl.max_drift.unwrap_or(1.0);
    limit(
        drift > 0.0 && drift.is_finite(),
        &["rl", "max_drift"],
        drift.to_string(),
        "more than 0 nats per token",
        "leave it out to make all of `updates_per_rollout`",
    );
    limit(
        rl.max_drift.is_none() || rl.updates_per_rollout > 1,
        &["rl", "max_drift"],
        drift.to_string(),
        "none with one update per rollout",
        "the first update is made with the model that sampled: say `updates_per_rollout`, or leave this out",
    );
    breaches.extend(rl.environment.iter().flat_map(of_environment));
    // An environment may be all that rewards.
    if rl.environment.is_none() || !rl.rewards.is_empty() {
        breaches.extend(of_rewards(&rl.rewards));
    }
    breaches
}

pub(crate) fn of_replay(replay: &Replay) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let (rows, length) = (replay.rows_per_step, replay.sequence_length);
    breaches.extend(of_count(&["replay", "rows_per_step"], rows, MOST_ROWS, "rows"));
    breaches.extend(of_count(&["replay", "sequence_length"], length, MOST_POSITIONS, "positions"));
    if !(replay.weight > 0.0 && replay.weight.is_finite()) {
        let breach = Breach::new(&["replay", "weight"], replay.weight, "more than 0");
        breaches.push(breach.hint("leave `[replay]` out to replay nothing"));
    }
    breaches
}

pub(crate) fn of_lora(lora: &Lora) -> Vec<Breach> {
    let mut breaches = Vec::new();
    breaches.extend(of_count(&["lora", "rank"], lora.rank, 1 << 16, "columns"));
    for (path, value) in
        [(&["lora", "alpha"], lora.alpha), (&["lora", "plus_ratio"], lora.plus_ratio)]
    {
        if !(value > 0.0 && value.is_finite()) {
            breaches.push(Breach::new(path, value, "more than 0"));
        }
    }
    if !(0.0..1.0).contains(&lora.dropout) {
        let breach = Breach::new(&["lora", "dropout"], lora.dropout, "0 to less than 1");
        breaches.push(breach.hint("it is the share of inputs that is dropped, such as `0.05`"));
    }
    breaches
}

/// Where inputs of factors can be dropped.
pub(crate) fn of_dropout(lora: &Lora, stage: Stage, precision: Precision) -> Vec<Breach> {
    let path = &["lora", "dropout"];
    let mut breaches = Vec::new();
    if lora.dropout > 0.0 && matches!(stage, Stage::Dpo | Stage::Rl) {
        let expected = format!("none in the stage `{}`", stage.name());
        let breach = Breach::new(path, lora.dropout, &expected);
        breaches
            .push(breach.hint("log-probabilities would be compared with those of another model"));
    }
    if lora.dropout > 0.0 && precision == Precision::Bf16 {
        let breach = Breach::new(path, lora.dropout, "none with `precision = \"bf16\"`");
        breaches.push(breach.hint("passes with dropout compute in 32-bit floats"));
    }
    breaches
}

/// Patterns over names of tensors; which names there are is known with the model.
pub(crate) fn of_frozen(frozen: &[String], with_lora: bool) -> Vec<Breach> {
    let path = &["training", "frozen"];
    let mut breaches = Vec::new();
    if let Some(pattern) = frozen.iter().find(|pattern| pattern.trim().is_empty()) {
        let breach = Breach::new(path, pattern, "the name of a tensor, or a pattern with `*`");
        breaches.push(breach.hint("as in `frozen = [\"model.embed_tokens.*\"]`"));
    }
    if let Some(pattern) = frozen.first().filter(|_| with_lora) {
        let breach = Breach::new(path, pattern, "none with `[lora]`, which freezes all weights");
        breaches.push(breach.hint("`lora.targets` says which matrices get factors"));
    }
    breaches
}

pub(crate) fn of_ema(ema: &Ema) -> Vec<Breach> {
    let breach = Breach::new(&["ema", "decay"], ema.decay, "more than 0 and less than 1");
    let is_within = ema.decay > 0.0 && ema.decay < 1.0;
    (!is_within)
        .then(|| breach.hint("0.999 remembers about a thousand updates"))
        .into_iter()
        .collect()
}

pub(crate) fn of_anchor(anchor: &Anchor) -> Vec<Breach> {
    let Anchor { l2, ewc, kl, fisher_rows, ref sources, ref fisher } = *anchor;
    let mut breaches = Vec::new();
    for (path, value) in
        [(&["anchor", "l2"], l2), (&["anchor", "ewc"], ewc), (&["anchor", "kl"], kl)]
    {
        if !(value >= 0.0 && value.is_finite()) {
            breaches.push(Breach::new(path, value, "0 or more"));
        }
    }
    if breaches.is_empty() && l2 == 0.0 && ewc == 0.0 && kl == 0.0 {
        let message = "found no term above 0, expected `l2`, `ewc` or `kl`".to_owned();
        let hint = Some("leave `[anchor]` out to hold nothing".to_owned());
        breaches.push(Breach { path: &["anchor"], message, hint });
    }
    if anchor.measures() {
        let path = &["anchor", "fisher_rows"];
        breaches.extend(of_count(path, fisher_rows, MOST_ROWS, "rows"));
    }
    if let Some(file) = fisher.as_ref().filter(|_| ewc == 0.0) {
        let breach = Breach::new(&["anchor", "fisher"], &file.path, "none without `ewc`");
        breaches.push(breach.hint("say `ewc`, which weighs by it, or leave `fisher` out"));
    }
    if anchor.looks_at_rows() && sources.is_empty() {
        let breach = Breach::new(&["anchor", "sources"], "[]", "sources of curated rows");
        breaches.push(breach);
    }
    breaches
}
