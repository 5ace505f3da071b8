//! Whether a run's budget can be raised while its mix goes on, and by how much to.

use anyhow::{Context as _, Result};
use temper_ledger::{Decision, RunDir};
use temper_recipe::{Budget, Mixture, Recipe};

/// The recipe's budget, or what was made of it since, `decisions` last; in epochs where the recipe says it so.
pub(crate) fn budget_in_force(
    run: &RunDir,
    recipe: &Recipe,
    decisions: &[Decision],
) -> Result<Budget> {
    let recorded = run.decisions()?;
    let changed = recorded.iter().chain(decisions).rev().find_map(Decision::budget);
    Ok(changed.unwrap_or(recipe.training.budget))
}

/// [`budget_in_force`] in tokens or steps: of epochs the tokens that were planned for them.
pub(crate) fn planned_budget(
    run: &RunDir,
    recipe: &Recipe,
    decisions: &[Decision],
) -> Result<Budget> {
    Ok(match budget_in_force(run, recipe, decisions)? {
        Budget::Epochs(_) => {
            let planned = run.plan()?.context("this run has no plan yet")?;
            Budget::Tokens(planned.totals().own_tokens)
        }
        budget @ (Budget::Tokens(_) | Budget::Steps(_)) => budget,
    })
}

/// Whether another budget would change what a run has trained on before.
pub(crate) fn depends_on_budget(recipe: &Recipe) -> bool {
    let depends = |mixture: &Mixture| mixture.depends_on_budget();
    depends(&recipe.mixture)
        || recipe.replay.as_ref().is_some_and(|replay| depends(&replay.mixture))
}

/// What `--extend` is suggested with: about a third of the budget; `None` where it would be refused, or where the
/// recipe does not say its budget in tokens.
pub(crate) fn suggested(recipe: &Recipe, budget: Budget) -> Option<String> {
    let Budget::Tokens(tokens) = budget else { return None };
    (!depends_on_budget(recipe)).then(|| a_third(tokens))
}

/// A third of a number of tokens, as recipes write it, in one digit and zeros.
fn a_third(tokens: u64) -> String {
    let third = (tokens / 3).max(1);
    let digit = 10_u64.pow(third.ilog10());
    let round = third / digit * digit;
    let units =
        [("T", 12), ("B", 9), ("M", 6), ("k", 3)].map(|(unit, zeros)| (unit, 10_u64.pow(zeros)));
    match units.into_iter().find(|(_, size)| round.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", round / size),
        None => round.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use temper_recipe::parse_token_count;

    use super::*;

    #[test]
    fn a_third_is_round_and_written_as_it_is_read() {
        let check = |tokens, expected: &str, count| {
            let written = a_third(tokens);
            assert_eq!(written, expected, "{tokens}");
            assert_eq!(parse_token_count(&written), Some(count), "{tokens}");
        };
        check(0, "1", 1);
        check(2, "1", 1);
        check(1_000, "300", 300);
        check(3_500, "1k", 1_000);
        check(600_000, "200k", 200_000);
        check(1_234_567, "400k", 400_000);
        check(100_000_000, "30M", 30_000_000);
        check(7_500_000_000_000, "2T", 2_000_000_000_000);
        check(u64::MAX, "6000000T", 6_000_000_000_000_000_000);
    }
}
