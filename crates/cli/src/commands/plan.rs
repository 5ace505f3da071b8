//! `temper plan`: what a run would draw and cost, before it does.

use std::fs::File;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use temper_mix::{Error, Forecast, Plan, PlanSpec, feasible_weights};
use temper_recipe::{Loaded, Recipe};

use crate::args::PlanArguments;
use crate::corpora::Corpora;
use crate::cost::Cost;
use crate::exit::Failure;
use crate::fit::fit;
use crate::model::Model;
use crate::picture;
use crate::seen::without_seen;
use crate::session::totals;
use crate::signals::Signals;
use crate::tokens::Tokens;
use crate::{device, print, tables};

/// Tokenizes what is not cached, packs it, and counts the whole plan without reading a token; of a chain,
/// those stages whose start is there.
pub(crate) fn plan(arguments: &PlanArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let mut overrides = arguments.recipe.overrides.clone();
    overrides.extend(arguments.budget.iter().map(|budget| format!("training.max_tokens={budget}")));
    let chain = temper_recipe::load_chain(&arguments.recipe.recipe, &overrides)?;
    let is_chain = chain.len() > 1;
    let mut documents = Vec::new();
    for loaded in chain {
        let start = loaded.follows.as_ref();
        match start.filter(|start| !loaded.project.root.join(start).exists()) {
            Some(start) => print::note(&format!(
                "{}: planned when `{start}`, which it starts from, is there",
                loaded.recipe.name
            )),
            None => documents.extend(plan_stage(arguments, loaded, is_chain, &signals)?),
        }
    }
    if arguments.recipe.json {
        // A recipe of one stage is no list of them.
        match documents.pop() {
            Some(document) if !is_chain => print::json(&document)?,
            last => print::json(&documents.into_iter().chain(last).collect::<Vec<_>>())?,
        }
    }
    Ok(())
}

/// Prints the plan of a stage, or gives it as JSON.
fn plan_stage(
    arguments: &PlanArguments,
    loaded: Loaded,
    is_chain: bool,
    signals: &Signals,
) -> Result<Option<Value>, Failure> {
    let (project, recipe) = (loaded.project, loaded.recipe);
    let model = Model::of_recipe(&project, &recipe)?;
    let devices = &arguments.device.device;
    device::check_names(devices)?;
    let recipe = fit(recipe, &model.config, devices)?;
    let corpora = Corpora::open(&project, &recipe, &model, signals.flag())?;
    let tokens = corpora.tokenize(&project, &recipe, &model, signals.flag())?;
    let tokens = without_seen(&project, &recipe, &model.ancestry(&project.root)?, None, tokens)?;
    let plan = match tokens.plan(&recipe, recipe.training.budget, None) {
        Ok(plan) => plan,
        Err(error) if arguments.suggest => return Err(suggestion(error, &recipe, &tokens).into()),
        Err(error) => return Err(error.into()),
    };
    let forecast = plan.forecast()?;
    let totals = totals(&plan, &forecast);
    let cost = Cost::of(
        &recipe,
        &model,
        (totals, &plan, &forecast),
        arguments.tokens_per_second,
        devices,
    )?;
    if let Some(path) = &arguments.picture {
        if path.extension().is_none_or(|extension| extension != "svg") {
            return Err(anyhow::anyhow!(
                "--picture: found `{}`, expected a name that ends in .svg",
                path.display()
            )
            .into());
        }
        // Of a chain a picture for each stage.
        let path = match is_chain {
            true => path.with_extension(format!("{}.svg", recipe.name)),
            false => path.clone(),
        };
        let failed = || format!("cannot write `{}`", path.display());
        let mut file = File::create_new(&path).with_context(failed)?;
        file.write_all(picture::svg(&plan, &forecast).as_bytes()).with_context(failed)?;
    }
    if arguments.recipe.json {
        let record = tokens.record(&recipe, &plan, totals);
        return Ok(Some(json!({
            "name": recipe.name, "recipe": recipe.digest(), "plan": record, "fill": forecast.fill,
            "unit": plan.unit_name(), "phases": phases(&plan), "sources": sources(&plan, &forecast, &tokens),
            "cost": cost,
        })));
    }
    print::data(&tables::forecast(&recipe, &plan, &forecast));
    if plan.phases().len() > 1 {
        print::data(&format!("\n{}", tables::phases(&plan)));
    }
    print::data(&format!("{}\n  shards in {}", cost.text(), project.cache_dir().display()));
    Ok(None)
}

/// The error, with the nearest shares that can be kept.
fn suggestion(error: anyhow::Error, recipe: &Recipe, tokens: &Tokens) -> anyhow::Error {
    if !matches!(error.downcast_ref(), Some(Error::TooFewTokens { .. })) {
        return error;
    }
    let spec = PlanSpec::new(recipe, recipe.training.budget);
    let own = &tokens.sources()[..recipe.mixture.sources.len()];
    let suggested = match feasible_weights(&spec, own) {
        Some(weights) => {
            let weights = recipe.mixture.sources.iter().zip(weights);
            let weights: Vec<String> =
                weights.map(|(source, weight)| format!("{} = {weight}", source.corpus)).collect();
            let weights = weights.join("\n");
            format!("the nearest shares that can be kept:\n\n[data_mixing.weights]\n{weights}\n")
        }
        None => "no other shares of these sources can be suggested".to_owned(),
    };
    error.context(suggested)
}

fn phases(plan: &Plan) -> Vec<Value> {
    let phase = |phase: &temper_mix::Phase| {
        let shares = plan.own_sources().iter().zip(&phase.shares);
        let shares = shares.map(|(source, share)| (source.name.clone(), json!(share)));
        json!({ "start": phase.start, "shares": Value::Object(shares.collect()) })
    };
    plan.phases().iter().map(phase).collect()
}

fn sources(plan: &Plan, forecast: &Forecast, tokens: &Tokens) -> Vec<Value> {
    let source = |(i, source): (usize, &temper_mix::SourceForecast)| {
        let packing = plan.packing(i);
        let positions = packing.rows * plan.row_length(i) as u64;
        json!({
            "source": source.name, "share": source.share, "tokens": source.tokens,
            "realised": source.realised, "units": source.units, "rows": source.rows, "epochs": source.epochs,
            "first_step": source.first_step, "largest_deviation": source.largest_deviation,
            "pass": {
                "rows": packing.rows, "available": plan.available(i), "tokens": packing.tokens,
                "dropped": plan.available(i) - packing.tokens,
                "fill": packing.positions as f64 / positions as f64,
                "documents": packing.documents,
                "seen_documents": tokens.n_seen(i),
                "left_out_documents":
                    plan.tokens(i).n_documents() as u64 - packing.documents - tokens.n_seen(i),
                "split_documents": packing.split_documents,
                "avoidable_splits": packing.avoidable_splits,
                "truncated_documents": packing.truncated_documents,
            },
        })
    };
    forecast.sources.iter().enumerate().map(source).collect()
}
