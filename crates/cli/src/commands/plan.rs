//! `temper plan`: what a run would draw, before it draws it.

use serde_json::json;

use crate::args::RecipeArguments;
use crate::exit::Failure;
use crate::inputs::{Corpora, disk_bytes};
use crate::model::Model;
use crate::signals::Signals;
use crate::{print, tables};

/// Tokenizes what is not cached, and walks the whole plan without reading a token.
pub(crate) fn plan(arguments: &RecipeArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let loaded = temper_recipe::load(&arguments.recipe, &arguments.overrides)?;
    let (project, recipe) = (loaded.project, loaded.recipe);
    let model = Model::of_recipe(&project, &recipe)?;
    let corpora = Corpora::open(&project, &recipe)?;
    let tokens = corpora.tokenize(&project, &recipe, &model.tokenizer, signals.flag())?;
    let plan = tokens.plan(&recipe, recipe.training.budget)?;
    let forecast = plan.forecast();
    let disk = disk_bytes(&recipe, &model, &forecast);
    if arguments.json {
        let record = tokens.record(&recipe, &forecast);
        let sources: Vec<_> = forecast
            .sources
            .iter()
            .map(|source| {
                json!({
                    "source": source.name, "share": source.share, "tokens": source.tokens,
                    "rows": source.rows, "epochs": source.epochs, "first_step": source.first_step,
                    "largest_deviation_tokens": source.largest_deviation,
                })
            })
            .collect();
        print::json(&json!({
            "recipe": recipe.digest(), "plan": record, "fill": forecast.fill, "sources": sources,
            "disk_bytes": disk,
        }))?;
        return Ok(());
    }
    print::data(&tables::forecast(&recipe, &plan, &forecast));
    print::data(&format!(
        "  {} on disk for checkpoints and ledger; shards in {}",
        print::bytes(disk),
        project.cache_dir().display()
    ));
    Ok(())
}
