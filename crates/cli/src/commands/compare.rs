//! `temper compare`: what changed between two checkpoints, task by task.

use std::path::Path;

use temper_eval::forgetting;
use temper_recipe::Project;

use crate::args::CompareArguments;
use crate::exit::Failure;
use crate::inputs::Model;
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
    let suite = project.suite(&arguments.suite)?;
    let kind = device::kind(&arguments.device.device);
    let score = |checkpoint: &str, title: &'static str| -> anyhow::Result<_> {
        let model = Model::find(Path::new(""), checkpoint)?;
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
