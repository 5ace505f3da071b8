//! `temper compare`: what changed between two checkpoints, task by task.

use std::path::Path;

use anyhow::{Result, anyhow};
use temper_eval::forgetting;
use temper_recipe::{Kind, Project, Recipe};

use crate::args::CompareArguments;
use crate::checkpoint::Checkpoint;
use crate::exit::Failure;
use crate::model::Model;
use crate::scoring::Scorer;
use crate::signals::Signals;
use crate::{device, print, tables};

/// The resampling seed: a comparison outside a run has no recipe to take one from.
const SEED: u64 = 0;

/// Scores both checkpoints and pairs them item by item.
pub(crate) fn compare(arguments: &CompareArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let device = device::open(&arguments.device.device)?;
    let project = Project::find(Path::new("."))?;
    let suite = match &arguments.suite {
        Some(id) => project.suite(id)?,
        None => project.suite(&suite_of(&project, &arguments.after)?)?,
    };
    let kind = device::kind(&arguments.device.device, &device);
    let score = |checkpoint: &str, title: &'static str| -> Result<_> {
        let model = Model::find(Path::new(""), checkpoint)?;
        let model = model.with_chat_template(arguments.chat_template.as_deref())?;
        let scorer = Scorer::load(&project, &suite, &model, &kind)?;
        scorer.score(&model.decoder(0, &device)?, title, signals.flag())
    };
    let before = score(&arguments.before, "before")?;
    let after = score(&arguments.after, "after")?;
    let report = forgetting(&before, &after, SEED, 1)?;
    if arguments.json {
        print::json(&report)?;
    } else {
        print::data(&tables::forgetting(&report, &after));
    }
    Ok(())
}

/// The suite that the run behind `checkpoint` was scored on.
fn suite_of(project: &Project, checkpoint: &str) -> Result<String> {
    let unknown = |reason: &str| {
        let known = project.ids(Kind::Suite).unwrap_or_default().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        anyhow!(
            "compare: which suite? `{checkpoint}` {reason}\n\nhint: name one with `--suite`; in \
             `data-manifests/suites/`: {known}"
        )
    };
    let origin = Checkpoint::find(Path::new(""), checkpoint)?.origin;
    let Some((run, _)) = origin.run else {
        return Err(unknown("was made by no run"));
    };
    let recipe = Recipe::from_resolved(&run.resolved_recipe()?)?;
    let policy = recipe.forgetting;
    Ok(policy.ok_or_else(|| unknown("comes from a run without `[forgetting]`"))?.suite)
}
