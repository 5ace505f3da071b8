//! `temper check`: is this recipe fit to run.

mod deep;
mod earlier;
mod rows;

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use temper_recipe::{Loaded, ModelOrigin, Reward};

use self::deep::check_deep;
use self::earlier::Earlier;
use self::rows::CheckedRows;
use crate::advice::{self, StartAdvice};
use crate::args::CheckArguments;
use crate::corpora::Corpora;
use crate::exit::Failure;
use crate::fit::fit;
use crate::labels::Labels;
use crate::methods::{self, TrainedParameters};
use crate::model::Model;
use crate::rewards::{self, Rewards};
use crate::scoring::CheckedSuite;
use crate::signals::Signals;
use crate::since::since;
use crate::{device, print};

/// Grammar, manifests and shares of every stage, the rows of its sources and the items of its suite; with
/// `--deep` also every source, a step and a checkpoint.
pub(crate) fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let chain = temper_recipe::load_chain(&arguments.recipe.recipe, &arguments.recipe.overrides)?;
    device::check_names(&arguments.device.device)?;
    let signals = Signals::listen()?;
    let mut summaries = Vec::with_capacity(chain.len());
    let mut is_refused = false;
    let mut earlier = BTreeMap::new();
    for loaded in chain {
        let (lines, summary, refused) = check_stage(arguments, loaded, &mut earlier, &signals)?;
        is_refused |= refused;
        if !arguments.recipe.json {
            print::data(&lines.join("\n"));
        }
        summaries.push(summary);
    }
    if arguments.recipe.json {
        // A recipe of one stage is no list of them.
        match &summaries[..] {
            [summary] => print::json(summary)?,
            all => print::json(&all)?,
        }
    }
    if is_refused { Err(Failure::Refused) } else { Ok(()) }
}

/// What is said of a stage, and whether it would be refused for its rows. `earlier` has the runs of the stages before it.
fn check_stage(
    arguments: &CheckArguments,
    loaded: Loaded,
    earlier: &mut BTreeMap<String, Earlier>,
    signals: &Signals,
) -> Result<(Vec<String>, Value, bool)> {
    let (project, mut recipe) = (loaded.project, loaded.recipe);
    let start = loaded.follows.filter(|start| !project.root.join(start).exists());
    let mut moments = None;
    let (model, past, stand_in) = match &start {
        None => {
            let model = Model::of_recipe(&project, &recipe)?;
            since(&project, &recipe, &model)?;
            recipe = fit(recipe, &model.config, &arguments.device.device)?;
            moments = methods::moments_left(&recipe, loaded.says_optimizer_state, &model);
            let past = model.past(&project.root)?;
            (model, past, recipe.model.clone())
        }
        // It is the run of a stage before this one.
        Some(start) => {
            let before = &earlier[start];
            let stand_in = before.stand_in_for(&recipe.model);
            let model = Model::standing_in(&project, &recipe, &stand_in)?;
            (model, before.past.clone(), stand_in)
        }
    };
    let trained = TrainedParameters::of(&recipe, &model.config)?;
    let fisher = methods::fisher(&project, &recipe, &model.config)?;
    let rows = rows::check(&project, &recipe, &model, signals.flag())?;
    let suite = loaded.suite.as_ref().map(|suite| CheckedSuite::of(&project, suite, &model));
    let suite = suite.transpose()?;
    let (ModelOrigin::From(read_by) | ModelOrigin::Init(read_by)) = stand_in.origin.clone();
    let of_run = Earlier { past: past.clone().then(recipe.stage), stand_in };
    earlier.insert(format!("runs/{}", recipe.name), of_run);
    // A file that cannot be read is a matter of the run, and says so there.
    let start_advice = StartAdvice::of(&project, &recipe, past).ok().flatten();
    let labels = rows::labels(&rows);
    let one_kind = labels.and_then(Labels::refusal);
    let is_refused = rows.iter().any(CheckedRows::is_refused) || one_kind.is_some();
    let mut lines =
        vec![format!("{}: recipe {} is well formed", recipe.name, recipe.digest().short())];
    lines.extend(start.as_ref().map(|start| {
        format!(
            "  starts from `{start}`, which is not there yet: rows are read as from `{read_by}`"
        )
    }));
    lines.extend(recipe.mixture.sources.iter().map(|source| {
        let share = recipe.mixture.shares.stated(&source.corpus);
        // Shares that follow from sizes are known after tokenizing.
        let share = share.map_or("a part".to_owned(), |share| share.to_string());
        format!("  {share} of the mix is `{}` ({})", source.corpus, source.category)
    }));
    lines.extend(recipe.replay.iter().map(|replay| {
        let sources = replay.mixture.sources.iter().map(|source| format!("`{}`", source.corpus));
        let sources: Vec<String> = sources.collect();
        let (rows, weight) = (replay.rows_per_step, replay.weight);
        format!(
            "  {rows} rows of {} are replayed in every step, weight {weight}",
            sources.join(", ")
        )
    }));
    lines.extend(rows.iter().map(CheckedRows::text));
    lines.extend(one_kind.map(|refusal| format!("  {}", refusal.replace("\n\n", "\n    "))));
    if let Some(rl) = &recipe.rl {
        lines.extend(rewards::lines(&project, rl)?);
        // Verifiers have looked at their references with the rows.
        if !is_refused && (rl.environment.is_some() || rl.rewards.iter().any(Reward::is_outside)) {
            let corpora = Corpora::open(&project, &recipe, &model, signals.flag())?;
            Rewards::check(&project, &recipe, rl, &corpora)?;
        }
    }
    lines.extend(suite.as_ref().map(|suite| format!("  {} can be scored", suite.text())));
    lines.push(format!("  {}", trained.text()));
    lines.extend(methods::lines(&recipe, fisher.as_ref()));
    lines.extend(moments.map(|left| format!("  {left}")));
    lines.extend(advice::of_mix(&recipe));
    lines.extend(start_advice.as_ref().map(StartAdvice::to_string));
    let mut summary = json!({
        "recipe": recipe.digest(), "parameters": trained,
        "start": start_advice.as_ref().map(StartAdvice::json), "deep": null,
    });
    if !rows.is_empty() {
        summary["rows"] = rows.iter().map(CheckedRows::json).collect();
    }
    if let Some(suite) = suite {
        summary["suite"] = json!(suite);
    }
    if let Some(labels) = labels {
        summary["feedback"] = json!(labels);
    }
    if arguments.deep && start.is_none() && !is_refused {
        let deep = check_deep(arguments, &project, &recipe, loaded.suite.as_ref(), signals)?;
        lines.push(deep.text());
        summary["deep"] = json!(deep);
    }
    Ok((lines, summary, is_refused))
}
