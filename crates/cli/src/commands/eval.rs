//! `temper eval`: the score of one checkpoint on a suite.

use std::path::Path;

use temper_eval::summary;
use temper_recipe::Project;

use crate::args::EvalArguments;
use crate::exit::Failure;
use crate::inputs::Model;
use crate::print::{self, Table, thousands};
use crate::scoring::Scorer;
use crate::signals::Signals;
use crate::device;

/// Scores every task; with `--json` prints the score of every item.
pub(crate) fn eval(arguments: &EvalArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let device = device::open(&arguments.device.device)?;
    let project = Project::find(Path::new("."))?;
    let model = Model::find(Path::new(""), &arguments.checkpoint)?;
    let suite = project.suite(&arguments.suite)?;
    let kind = device::kind(&arguments.device.device);
    let scorer = Scorer::load(&project, &suite, &model, &kind)?;
    let decoder = model.decoder(0, &device)?;
    let score = scorer.score(&decoder, "scoring", signals.flag()).map_err(Failure::Running)?;
    if arguments.json {
        print::data(&score.to_json()?);
        return Ok(());
    }
    let mut table = Table::new(&["group", "category", "measure", "items", "tokens", "nats/token", "bits/byte", "accuracy"]);
    let or_dash = |value: Option<String>| value.unwrap_or("–".to_owned());
    for line in summary(&score) {
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        table.row(vec![
            word(serde_json::to_value(line.group)?),
            line.category.unwrap_or("all".to_owned()),
            word(serde_json::to_value(line.kind)?),
            thousands(line.n_items as u64),
            thousands(line.tokens),
            format!("{:.4}", line.loss),
            or_dash(line.bits_per_byte.map(|bits| format!("{bits:.4}"))),
            or_dash(line.accuracy.map(|accuracy| format!("{:.1} %", 100.0 * accuracy))),
        ]);
    }
    print::data(&table.to_string());
    Ok(())
}
