//! `temper report`: the forgetting report of a run, again.

use anyhow::anyhow;
use temper_eval::{SuiteScore, forgetting, gate};
use temper_ledger::RunDir;
use temper_recipe::Recipe;

use crate::args::RunPath;
use crate::exit::Failure;
use crate::{print, tables};

/// Compares the last score of the run with its baseline.
pub(crate) fn report(arguments: &RunPath) -> Result<(), Failure> {
    let run = RunDir::open(&arguments.run)?;
    let recipe = Recipe::from_resolved(&run.resolved_recipe()?)?;
    let last = run.evals()?.last().copied().filter(|step| *step > 0);
    let (Some(last), Some(policy)) = (last, &recipe.forgetting) else {
        let hint = "a recipe with `[forgetting]` is scored before and after training";
        return Err(anyhow!("run `{}` has no score after its baseline\n\nhint: {hint}", arguments.run.display()).into());
    };
    let load = |step| -> anyhow::Result<SuiteScore> { Ok(serde_json::from_value(run.eval(step)?.0)?) };
    let (before, after) = (load(0)?, load(last)?);
    let report = forgetting(&before, &after, recipe.seed, 1)?;
    let gate = gate(&report, &policy.tolerance);
    if arguments.json {
        print::json(&serde_json::json!({ "step": last, "forgetting": report, "gate": gate }))?;
        return Ok(());
    }
    print::data(&format!("{} after step {last}\n", run.name()));
    print::data(&tables::forgetting(&report, &after));
    print::data(&format!("\n  {}", tables::gate(&gate)));
    Ok(())
}
