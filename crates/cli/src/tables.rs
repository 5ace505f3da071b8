//! The tables a person reads: the plan, the forgetting report, the realised mix.

use temper_eval::{ForgettingReport, Gate, Interval, Metric, Outcome, SuiteScore, TaskForgetting};
use temper_mix::{Forecast, Plan};
use temper_recipe::{Group, Recipe};

use crate::print::{Table, thousands};

/// What a run draws from each source.
pub(crate) fn forecast(recipe: &Recipe, plan: &Plan, forecast: &Forecast) -> String {
    let mut table = Table::new(&[
        "source", "category", "share", "tokens", "realised", "epochs", "cap", "rows", "first step", "largest deviation",
    ]);
    for (source, drawn) in recipe.mixture.sources.iter().zip(&forecast.sources) {
        table.row(vec![
            drawn.name.clone(),
            source.category.clone(),
            percent(drawn.share),
            thousands(drawn.tokens),
            percent(drawn.tokens as f64 / forecast.tokens.max(1) as f64),
            format!("{:.2}", drawn.epochs),
            source.max_epochs.to_string(),
            thousands(drawn.rows),
            drawn.first_step.map_or("never".to_owned(), thousands),
            deviation(drawn.largest_deviation, plan.sequence_length()),
        ]);
    }
    let steps = format!(
        "{} steps, {} tokens in {} rows of {} positions ({:.1} % full)",
        thousands(forecast.steps),
        thousands(forecast.tokens),
        thousands(forecast.rows),
        plan.sequence_length(),
        100.0 * forecast.fill
    );
    format!("{table}\n  {steps}")
}

/// The asked mix beside the realised one.
pub(crate) fn mix(forecast: &Forecast, row_len: usize) -> String {
    let mut table = Table::new(&["source", "asked", "realised", "tokens", "epochs", "largest deviation"]);
    for source in &forecast.sources {
        table.row(vec![
            source.name.clone(),
            percent(source.share),
            percent(source.tokens as f64 / forecast.tokens.max(1) as f64),
            thousands(source.tokens),
            format!("{:.2}", source.epochs),
            deviation(source.largest_deviation, row_len),
        ]);
    }
    table.to_string()
}

/// What was learned and what was forgotten.
pub(crate) fn forgetting(report: &ForgettingReport, after: &SuiteScore) -> String {
    let mut table = Table::new(&["task", "measure", "before", "after", "change", "95 % interval", "items", "verdict"]);
    for (group, title) in [(Group::General, "general"), (Group::Customer, "customer")] {
        let tasks: Vec<_> = report.tasks.iter().filter(|task| task.group == group).collect();
        if !tasks.is_empty() {
            table.heading(title);
        }
        for task in tasks {
            table.row(row(task));
        }
    }
    let notes: Vec<String> = after.tasks.iter().filter_map(baselines).collect();
    let notes = if notes.is_empty() { String::new() } else { format!("\n  {}", notes.join("\n  ")) };
    format!("{table}{notes}")
}

/// What the gate says, one line.
pub(crate) fn gate(gate: &Gate) -> String {
    let named = |outcome: Outcome| -> Vec<&str> {
        let verdicts = gate.verdicts.iter().filter(|verdict| verdict.outcome == outcome);
        verdicts.map(|verdict| verdict.task.as_str()).collect()
    };
    match gate.outcome {
        Outcome::Held => "gate: held — no general task lost more than the tolerance".to_owned(),
        Outcome::Breach => format!("gate: breach — beyond the tolerance: {}", named(Outcome::Breach).join(", ")),
        Outcome::Undecided => format!(
            "gate: undecided — too few items to tell: {}",
            named(Outcome::Undecided).join(", ")
        ),
    }
}

/// A share as percent with as many decimals as it needs, four at most.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn deviation(tokens: f64, row_len: usize) -> String {
    format!("{:.0} tokens ({:.2} rows)", tokens, tokens / row_len as f64)
}

fn row(task: &TaskForgetting) -> Vec<String> {
    let (measure, show): (&str, fn(f64) -> String) = match task.metric {
        Metric::Loss => ("nats/token", |value| format!("{value:.3}")),
        Metric::Accuracy => ("accuracy", |value| format!("{:.1} %", 100.0 * value)),
    };
    let signed = |value: f64| if value < 0.0 { show(value) } else { format!("+{}", show(value)) };
    let interval = |Interval { lower, upper }: Interval| format!("{} … {}", signed(lower), signed(upper));
    let verdict = match task.interval {
        None => "one cluster",
        Some(Interval { lower, upper }) => match task.metric {
            _ if lower <= 0.0 && upper >= 0.0 => "unchanged",
            Metric::Loss if lower > 0.0 => "worse",
            Metric::Accuracy if upper < 0.0 => "worse",
            Metric::Loss | Metric::Accuracy => "better",
        },
    };
    vec![
        format!("  {}", task.task),
        measure.to_owned(),
        show(task.before),
        show(task.after),
        signed(task.delta),
        task.interval.map_or("–".to_owned(), interval),
        format!("{}/{}", task.n_items, task.n_clusters),
        verdict.to_owned(),
    ]
}

/// What a choice task's accuracy has to be read beside.
fn baselines(task: &temper_eval::TaskScore) -> Option<String> {
    let baselines = task.baselines.as_ref()?;
    let show = |value: f64| format!("{:.1} %", 100.0 * value);
    let mut parts = vec![format!("chance {}", show(baselines.chance))];
    parts.extend(baselines.majority.map(|value| format!("always the commonest answer {}", show(value))));
    parts.extend(baselines.confounder_only.map(|value| format!("length alone {}", show(value))));
    Some(format!("{}: {}", task.id, parts.join(", ")))
}
