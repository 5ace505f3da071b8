//! `temper eval`: the score of one checkpoint on a suite, or how many prompts it solves.

mod asked;
mod judging;
mod solve;
mod standard;

use std::path::Path;

use serde_json::json;
use temper_eval::{period_summaries, summary, task_summaries};
use temper_recipe::Project;

use crate::args::EvalArguments;
use crate::exit::Failure;
use crate::model::Model;
use crate::scoring::Scorer;
use crate::signals::Signals;
use crate::{device, print, tables};

/// Scores every task; with `--json` prints the score of every item too.
pub(crate) fn eval(arguments: &EvalArguments) -> Result<(), Failure> {
    if let Some(prompts) = &arguments.prompts {
        return solve::solve(arguments, prompts);
    }
    let signals = Signals::listen()?;
    let device = device::open(&arguments.device.device)?;
    let project = Project::find(Path::new("."))?;
    let model = Model::find(Path::new(""), &arguments.checkpoint)?
        .with_chat_template(arguments.chat_template.as_deref())?;
    let suite = project.suite(arguments.suite.as_deref().unwrap_or_default())?;
    let kind = device::kind(&arguments.device.device, &device);
    let scorer = Scorer::load(&project, &suite, &model, &kind)?;
    let decoder = model.decoder(0, &device)?;
    let score = scorer.score(&decoder, "scoring", signals.flag()).map_err(Failure::running)?;
    let (tasks, periods) = (task_summaries(&score), period_summaries(&score));
    let categories = summary(&score);
    if arguments.json {
        print::json(&json!({
            "tasks": tasks, "periods": periods, "categories": categories, "score": score,
        }))?;
    } else {
        print::data(&tables::tasks(&tasks, &periods));
        print::data(&format!("\n{}", tables::categories(&categories)));
    }
    Ok(())
}
