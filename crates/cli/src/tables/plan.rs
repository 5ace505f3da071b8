//! What a plan draws, and when.

use temper_mix::{Forecast, Plan};
use temper_recipe::Recipe;

use super::percent;
use crate::print::{Table, counted, thousands};
use crate::too_long;

/// What a run draws from each source.
pub(crate) fn forecast(recipe: &Recipe, plan: &Plan, forecast: &Forecast) -> String {
    let mut table = Table::new(&[
        "source",
        "category",
        "share",
        "tokens",
        "realised",
        "epochs",
        "cap",
        "rows",
        "full",
        "split",
        "first step",
        "largest deviation",
    ]);
    let n_own = plan.own_sources().len();
    for (i, (source, drawn)) in recipe.sources().zip(&forecast.sources).enumerate() {
        if i == n_own {
            table.heading("replayed");
        }
        let packing = plan.packing(i);
        let (part, _) = plan.part(i);
        let positions = packing.rows * part.sequence_length() as u64;
        let split = match packing.avoidable_splits {
            0 => thousands(packing.split_documents),
            avoidable => format!("{} ({avoidable} short)", thousands(packing.split_documents)),
        };
        table.row(vec![
            drawn.name.clone(),
            source.category.clone(),
            mean_percent(part, drawn.share),
            thousands(drawn.tokens),
            format!("{:.2} %", 100.0 * drawn.realised),
            format!("{:.2}", drawn.epochs),
            source.max_epochs.to_string(),
            thousands(drawn.rows),
            format!("{:.1} %", 100.0 * packing.positions as f64 / positions as f64),
            split,
            thousands(drawn.first_step),
            deviation(drawn.largest_deviation, part),
        ]);
    }
    let lengths = [Some(plan), plan.replay()].into_iter().flatten();
    let lengths: Vec<String> = lengths.map(|part| part.sequence_length().to_string()).collect();
    let steps = format!(
        "{}, {} in {} of {} positions ({:.1} % full)",
        counted(forecast.steps, "step", "steps"),
        counted(forecast.tokens, "token", "tokens"),
        counted(forecast.rows, "row", "rows"),
        lengths.join(" or "),
        100.0 * forecast.fill
    );
    format!("{table}\n  {steps}{}", too_long::lines(recipe, plan))
}

/// The shares from each moment on; of a ramp's stairs the first and the last.
pub(crate) fn phases(plan: &Plan) -> String {
    let names = plan.own_sources().iter().map(|source| source.name.as_str());
    let headings: Vec<&str> = ["from"].into_iter().chain(names).collect();
    let mut table = Table::new(&headings);
    let phases = plan.phases();
    let start = |at: usize| phases.get(at).map(|phase| phase.start);
    for (i, phase) in phases.iter().enumerate() {
        // A stair is as long as the one before it and the one after.
        let (before, after) = (i.checked_sub(1).and_then(start), start(i + 1));
        let is_stair = before.zip(after).is_some_and(|(before, after)| {
            (phase.start - before).abs_diff(after - phase.start) <= 1 && phases.len() > 20
        });
        if is_stair {
            continue;
        }
        let shares = phase.shares.iter().map(|share| percent(share.as_f64()));
        let from = format!("{} {}", thousands(phase.start), plan.unit_name());
        table.row([from].into_iter().chain(shares).collect());
    }
    table.to_string()
}

/// A share of the whole run: as it was asked, or the mean over phases, of which two decimals are enough.
fn mean_percent(plan: &Plan, share: f64) -> String {
    if plan.phases().len() == 1 { percent(share) } else { format!("{:.2} %", 100.0 * share) }
}

/// A distance from what is due, in what shares count and in rows.
pub(crate) fn deviation(units: f64, plan: &Plan) -> String {
    let unit = plan.unit_name();
    format!("{units:.0} {unit} ({:.2} rows)", units / plan.largest_row() as f64)
}
