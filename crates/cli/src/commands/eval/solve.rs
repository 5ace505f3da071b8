//! `temper eval --prompts`: completions of held-out prompts, judged.

use std::path::Path;

use serde_json::{Value, json};
use temper_corpus::Corpus;
use temper_eval::{Interval, MeanReward, PassAt, mean_reward, pass_at};
use temper_model::{GenerateOptions, Sampling};
use temper_recipe::Project;

use super::asked::Asked;
use super::judging::{Judged, Judging};
use super::standard::Standard;
use crate::args::EvalArguments;
use crate::device;
use crate::exit::Failure;
use crate::model::Model;
use crate::print::{self, Table, counted};
use crate::rewards::Rewards;
use crate::signals::Signals;
use crate::stop_ids;

/// Samples every prompt of a corpus, and says how many are solved and what completions are worth.
pub(super) fn solve(arguments: &EvalArguments, prompts: &str) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let device = device::open(&arguments.device.device)?;
    let project = Project::find(Path::new("."))?;
    let standard = Standard::of(arguments, &project)?;
    let model = Model::find(Path::new(""), &arguments.checkpoint)?
        .with_chat_template(arguments.chat_template.as_deref())?;
    let manifest = project.manifest(prompts)?;
    let corpus = Corpus::open(&manifest, &project.manifests_dir())?;
    let judged_by = std::iter::once((&manifest, &corpus));
    let rewards = Rewards::of(&standard.project, &standard.rewards, judged_by)?;
    let asked = Asked::of(&corpus, &model, arguments, &project, signals.flag())?;
    if asked.n_left_out > 0 {
        let prompts = counted(asked.n_left_out as u64, "prompt", "prompts");
        print::note(&format!("left out, since the context has no room for an answer: {prompts}"));
    }
    let options = GenerateOptions {
        max_tokens: arguments.max_tokens,
        sampling: Sampling { temperature: arguments.temperature, ..Sampling::default() },
        stop_ids: stop_ids::of_answers(&model)?,
        is_complete: None,
    };
    let decoder = model.decoder(0, &device)?;
    let judging = Judging {
        standard: &standard,
        rewards: &rewards,
        tokenizer: &model.tokenizer,
        corpus: prompts,
        signals: &signals,
    };
    let judged = judging.judged(&decoder, &asked, &options)?;
    let solved = Solved::of(arguments, &standard, judged);
    if arguments.json {
        let mut summary = solved.json();
        summary["prompts"] = json!(prompts);
        summary["left_out"] = json!(asked.n_left_out);
        print::json(&summary)?;
    } else {
        print::data(&solved.text(arguments.rewards.is_some()));
    }
    Ok(())
}

/// What came of the prompts.
struct Solved {
    samples: u32,
    pass_from: f64,
    passes: Vec<PassAt>,
    reward: MeanReward,
    parts: Vec<Part>,
    judged: Vec<Judged>,
}

/// A part of the reward.
struct Part {
    /// As the ledger calls it.
    measure: String,
    weight: f64,
    mean: MeanReward,
}

impl Solved {
    fn of(arguments: &EvalArguments, standard: &Standard, judged: Vec<Judged>) -> Self {
        let (samples, seed) = (arguments.samples, arguments.seed);
        let n = u64::from(samples);
        let counts: Vec<(u64, u64)> = judged.iter().map(|judged| (judged.right, n)).collect();
        let mut ks = vec![1];
        ks.extend((n > 1).then_some(n));
        let mean = |of: &dyn Fn(&Judged) -> f64| {
            mean_reward(&judged.iter().map(of).collect::<Vec<f64>>(), seed)
        };
        let parts = standard.rewards.iter().enumerate().map(|(part, reward)| Part {
            measure: format!("reward_{part}_{}", reward.name()),
            weight: reward.weight(),
            mean: mean(&|judged| judged.parts[part]),
        });
        Self {
            samples,
            pass_from: standard.pass_from,
            passes: ks.into_iter().map(|k| pass_at(k, &counts, seed)).collect(),
            reward: mean(&|judged| judged.reward),
            parts: parts.collect(),
            judged,
        }
    }

    fn json(&self) -> Value {
        let parts = self.parts.iter().map(|Part { measure, weight, mean }| {
            let MeanReward { mean, interval } = mean;
            json!({ "measure": measure, "weight": weight, "mean": mean, "interval": interval })
        });
        json!({
            "n": self.judged.len(), "samples": self.samples,
            "pass_from": self.pass_from, "pass": self.passes,
            "reward": self.reward, "parts": parts.collect::<Value>(),
            "right": self.judged.iter().map(|judged| judged.right).collect::<Value>(),
            "rewards": self.judged.iter().map(|judged| judged.reward).collect::<Value>(),
        })
    }

    /// As a person reads it, with the rewards where they are asked for.
    fn text(&self, with_rewards: bool) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let mut passes = Table::new(&["prompts", "samples", "measure", "solved", "95 % interval"]);
        for PassAt { k, share, interval } in &self.passes {
            passes.row(vec![
                self.judged.len().to_string(),
                self.samples.to_string(),
                format!("pass@{k}"),
                percent(*share),
                range(*interval, percent),
            ]);
        }
        if !with_rewards {
            return passes.to_string();
        }
        let decimals = |reward: f64| format!("{reward:.3}");
        let mut rewards = Table::new(&["measure", "weight", "mean", "95 % interval"]);
        let mut row = |measure: &str, weight: String, of: &MeanReward| {
            let interval = range(of.interval, decimals);
            rewards.row(vec![measure.to_owned(), weight, decimals(of.mean), interval]);
        };
        for Part { measure, weight, mean } in &self.parts {
            row(measure, weight.to_string(), mean);
        }
        row("reward", "–".to_owned(), &self.reward);
        let pass_from = self.pass_from;
        format!("{passes}\n{rewards}\n  a prompt is solved by a reward of {pass_from} or more")
    }
}

/// `1 … 2`
fn range(interval: Option<Interval>, text: impl Fn(f64) -> String) -> String {
    interval.map_or("–".to_owned(), |Interval { lower, upper }| {
        format!("{} … {}", text(lower), text(upper))
    })
}
