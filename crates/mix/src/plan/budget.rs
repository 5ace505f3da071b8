//! How far a plan goes, and how much of it is behind a cursor.

use temper_recipe::Budget;

use super::Plan;
use crate::cursor::Cursor;

impl Plan {
    /// When the run is over: in tokens or steps since step 0.
    pub fn budget(&self) -> Budget {
        match self.resolved.budget {
            Budget::Tokens(tokens) => {
                Budget::Tokens(tokens.saturating_add(self.start.own_tokens()))
            }
            Budget::Steps(steps) => Budget::Steps(steps.saturating_add(self.start.step)),
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        }
    }

    /// The share of the budget behind `cursor`, 0 to 1.
    pub fn progress(&self, cursor: &Cursor) -> f64 {
        let part = match self.budget() {
            Budget::Tokens(tokens) => cursor.own_tokens() as f64 / tokens.max(1) as f64,
            Budget::Steps(steps) => cursor.step as f64 / steps.max(1) as f64,
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        };
        part.min(1.0)
    }

    /// Units of the whole plan, judged from its first `rows` rows of `units` units.
    pub(crate) fn expected_units(&self, rows: u64, units: u64) -> u64 {
        match self.resolved.budget {
            Budget::Tokens(_) => self.resolved.units,
            Budget::Steps(steps) => {
                let all = u128::from(steps) * self.spec.rows_per_step as u128;
                let expected = (all * u128::from(units)).div_ceil(u128::from(rows.max(1)));
                u64::try_from(expected).unwrap_or(u64::MAX)
            }
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        }
    }

    pub(crate) fn is_over(&self, step: u64, tokens: u64) -> bool {
        match self.budget() {
            Budget::Tokens(budget) => tokens >= budget,
            Budget::Steps(steps) => step >= steps,
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        }
    }
}
