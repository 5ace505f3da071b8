//! The tables a person reads: the plan, scores, the forgetting report.

mod forgetting;
mod plan;
mod scores;

use serde::Serialize;

pub(crate) use self::forgetting::{forgetting, gate, since};
pub(crate) use self::plan::{deviation, forecast, phases};
pub(crate) use self::scores::{categories, tasks};

/// What stands above the periods of tasks.
const BY_PERIOD: &str = "by period";

/// A tensor's shape.
pub(crate) fn shape(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}

/// A share as percent: two decimals, and up to four where it needs them.
pub(crate) fn percent(share: f64) -> String {
    let digits = format!("{:.4}", 100.0 * share);
    if share > 0.0 && digits == "0.0000" {
        return "< 0.0001 %".to_owned();
    }
    let two = digits.len() - 2;
    let needed = digits.trim_end_matches('0').len().max(two);
    format!("{} %", &digits[..needed])
}

fn tenths(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn four_decimals(value: f64) -> String {
    format!("{value:.4}")
}

fn or_dash(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or("–".to_owned(), show)
}

/// The name of a value in files.
fn word(value: &impl Serialize) -> String {
    let named = serde_json::to_value(value).ok();
    named.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
