//! Another mix for a run that has begun.

use crate::diff::diff;
use crate::mixture::Shares;
use crate::recipe::Recipe;

/// The recipe of a run from its next step on: `before` with the mix of `after`.
///
/// # Errors
/// What else differs, one phrase each: unit, packing and what is skipped or dropped hold for the whole run, a
/// source keeps its data, and all that is no mix belongs to a new run. Passes as shares are refused too,
/// for they would say how long the run is.
pub fn remix(before: &Recipe, after: &Recipe) -> Result<Recipe, Vec<String>> {
    let frozen = |change: &String| {
        let key = change.split(": ").next().unwrap_or_default();
        let fixed =
            ["mixture.unit", "mixture.packing", "mixture.packing_window", "mixture.on_bad_row"];
        let is_budget = key.starts_with("training.budget");
        // Amounts of the mix say how much is still to come.
        let says_budget = matches!(after.mixture.shares, Shares::Tokens(_));
        let may_differ = key.starts_with("mixture.") || is_budget && says_budget;
        !may_differ
            || fixed.contains(&key)
            || key.starts_with("mixture.skip_seen")
            || key.starts_with("mixture.sources.") && key.ends_with(".manifest")
    };
    let mut after = after.clone();
    after.training = after.training.picked_as(&before.training);
    let changes = diff(before, &after);
    let mut refused: Vec<String> =
        changes.iter().filter(|change| frozen(change)).cloned().collect();
    if matches!(after.mixture.shares, Shares::Epochs(_)) {
        refused.push("data_mixing: found `epochs`, expected shares or `tokens`".to_owned());
    }
    if changes.is_empty() {
        refused.push("data_mixing: the mix is the one that the run has".to_owned());
    }
    if refused.is_empty() {
        Ok(Recipe { mixture: after.mixture, ..before.clone() })
    } else {
        Err(refused)
    }
}

#[cfg(test)]
mod tests;
