//! `temper report`: what a run forgot, and what it learned, again.

use anyhow::{Context as _, Result, anyhow};
use serde::Deserialize;
use serde_json::json;
use temper_eval::{ForgettingReport, Gate, SuiteScore, forgetting, gate};
use temper_ledger::RunDir;
use temper_recipe::Recipe;

use crate::args::RunPath;
use crate::exit::Failure;
use crate::gatekeeper::GATE;
use crate::learned::Learned;
use crate::since::SinceReport;
use crate::{print, tables};

/// What a run says of itself when it ends.
#[derive(Debug, Deserialize)]
struct Summary {
    forgetting: ForgettingReport,
    gate: Gate,
    since: Option<SinceReport>,
}

/// Prints the report that the run ended with, or makes that of its last score.
pub(crate) fn report(arguments: &RunPath) -> Result<(), Failure> {
    let run = RunDir::open(&arguments.run)?;
    let learned = Learned::of(&run)?;
    let recipe = Recipe::from_resolved(&run.resolved_recipe()?)?;
    if let Some(learned) = learned.as_ref().filter(|_| recipe.forgetting.is_none()) {
        match arguments.json {
            true => print::json(&json!({ "learned": learned }))?,
            false => print::data(&format!("{}\n\n{}", run.name(), learned)),
        }
        return Ok(());
    }
    let (step, Summary { forgetting, gate, since }) = match stored(&run)? {
        Some(stored) => stored,
        None => made_again(&run)?,
    };
    if arguments.json {
        print::json(&json!({
            "step": step, "forgetting": forgetting, "gate": gate, "since": since, "learned": learned,
        }))?;
        return Ok(());
    }
    print::data(&format!("{} after step {step}\n", run.name()));
    let after = score(&run, step)?;
    print::data(&tables::forgetting(&forgetting, &after));
    if let Some(since) = &since {
        print::data(&format!("\n{}", tables::since(since, &after)));
    }
    print::data(&format!("\n  {}", tables::gate(&gate)));
    if let Some(learned) = &learned {
        print::data(&format!("\n{}", learned));
    }
    Ok(())
}

/// The report in `outcome.json`; `None` for a run that did not come to its end.
fn stored(run: &RunDir) -> Result<Option<(u64, Summary)>> {
    let Some(outcome) = run.outcome()?.filter(|outcome| !outcome.summary.is_null()) else {
        return Ok(None);
    };
    let summary = serde_json::from_value(outcome.summary).with_context(|| {
        format!("cannot read the report in `{}/outcome.json`", run.path().display())
    })?;
    Ok(Some((outcome.step, summary)))
}

/// The report of the last score that belongs to what the run has saved.
fn made_again(run: &RunDir) -> Result<(u64, Summary)> {
    let recipe = Recipe::from_resolved(&run.resolved_recipe()?)?;
    let saved = match run.outcome()? {
        Some(outcome) => outcome.step,
        None => run.latest_checkpoint()?.unwrap_or(0),
    };
    // A later score is of weights that are gone: the run goes on from its checkpoint.
    let last = run.evals()?.into_iter().rfind(|step| (1..=saved).contains(step));
    let (Some(step), Some(policy)) = (last, &recipe.forgetting) else {
        return Err(anyhow!(
            "run `{}` has no score between its baseline and step {saved}, the last one saved\n\n\
             hint: a recipe with `[forgetting]` is scored before and after training, and every \
             `forgetting.every` steps",
            run.path().display()
        ));
    };
    // The gate looks often in a run and asks for more certainty each time. Runs of earlier versions
    // did not record how often.
    let decisions = run.decisions()?;
    let taken = decisions.iter().find(|taken| taken.kind == GATE && taken.step == step);
    let looks = taken.and_then(|taken| taken.values["looks"].as_u64()).unwrap_or(1);
    let (after, looks) = (score(run, step)?, u32::try_from(looks)?);
    let report = forgetting(&score(run, 0)?, &after, recipe.seed, looks)?;
    let since = run.since()?.map(|(checkpoint, before, _)| -> Result<SinceReport> {
        let before: SuiteScore = serde_json::from_value(before)?;
        let forgetting = forgetting(&before, &after, recipe.seed, looks)?;
        Ok(SinceReport { checkpoint, forgetting })
    });
    let since = since.transpose()?;
    let basis = since.as_ref().map_or(&report, |since| &since.forgetting);
    let gate = gate(basis, &policy.tolerance);
    Ok((step, Summary { forgetting: report, gate, since }))
}

fn score(run: &RunDir, step: u64) -> Result<SuiteScore> {
    Ok(serde_json::from_value(run.eval(step)?.0)?)
}
