//! The tables a person reads: the plan, scores, the forgetting report.

use serde::Serialize;
use temper_eval::{
    FEW_CLUSTERS, ForgettingReport, Gate, GateState, Interval, Metric, SuiteScore, Summary,
    TaskForgetting, TaskSummary,
};
use temper_mix::{Forecast, Plan};
use temper_recipe::{Group, Recipe};

use crate::print::{Table, thousands};
use crate::since::SinceReport;
use crate::too_long;

/// A tensor's shape.
pub(crate) fn shape(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}

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
        "{} steps, {} tokens in {} rows of {} positions ({:.1} % full)",
        thousands(forecast.steps),
        thousands(forecast.tokens),
        thousands(forecast.rows),
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

/// The score of each task, and what an accuracy has to be read beside.
pub(crate) fn tasks(tasks: &[TaskSummary]) -> String {
    let mut table = Table::new(&[
        "task",
        "group",
        "measure",
        "items",
        "clusters",
        "nats/token",
        "bits/byte",
        "accuracy",
        "chance",
        "majority",
        "confounder",
    ]);
    for task in tasks {
        let baselines = task.baselines.as_ref();
        table.row(vec![
            task.task.clone(),
            word(&task.group),
            word(&task.kind),
            thousands(task.n_items as u64),
            thousands(task.n_clusters as u64),
            four_decimals(task.loss),
            or_dash(task.bits_per_byte, four_decimals),
            or_dash(task.accuracy, tenths),
            or_dash(baselines.map(|baselines| baselines.chance), tenths),
            or_dash(baselines.and_then(|baselines| baselines.majority), tenths),
            or_dash(baselines.and_then(|baselines| baselines.confounder_only), tenths),
        ]);
    }
    let note = "chance, majority, confounder: accuracies without a model, by guessing, by always giving the\n  \
                commonest answer, and by the confounder alone";
    let has_baselines = tasks.iter().any(|task| task.baselines.is_some());
    if has_baselines { format!("{table}  {note}") } else { table.to_string() }
}

/// The score of each category.
pub(crate) fn categories(lines: &[Summary]) -> String {
    let mut table = Table::new(&[
        "group",
        "category",
        "measure",
        "items",
        "tokens",
        "nats/token",
        "bits/byte",
        "accuracy",
    ]);
    for line in lines {
        table.row(vec![
            word(&line.group),
            line.category.clone().unwrap_or("all".to_owned()),
            word(&line.kind),
            thousands(line.n_items as u64),
            thousands(line.tokens),
            four_decimals(line.loss),
            or_dash(line.bits_per_byte, four_decimals),
            or_dash(line.accuracy, tenths),
        ]);
    }
    table.to_string()
}

/// What was learned and what was forgotten.
pub(crate) fn forgetting(report: &ForgettingReport, after: &SuiteScore) -> String {
    let has_choices = report.tasks.iter().any(|task| task.metric == Metric::Accuracy);
    let mut headings = vec!["task", "measure", "before", "after", "change", "95 % interval"];
    headings.extend(if has_choices { &["to wrong", "to right"][..] } else { &[] });
    headings.extend(["items", "verdict"]);
    let mut table = Table::new(&headings);
    for (group, title) in [(Group::General, "general"), (Group::Customer, "customer")] {
        let tasks: Vec<_> = report.tasks.iter().filter(|task| task.group == group).collect();
        if !tasks.is_empty() {
            table.heading(title);
        }
        for task in tasks {
            table.row(row(task, has_choices));
        }
    }
    let mut notes = Vec::new();
    if report.tasks.iter().any(is_guess) {
        notes.push(format!("* fewer than {FEW_CLUSTERS} clusters: the interval is a guess"));
    }
    notes.extend(after.tasks.iter().filter_map(baselines));
    let notes: String = notes.iter().map(|note| format!("\n  {note}")).collect();
    format!("{table}{notes}")
}

/// What was learned and forgotten since another checkpoint than the start.
pub(crate) fn since(since: &SinceReport, after: &SuiteScore) -> String {
    let SinceReport { checkpoint, forgetting: report } = since;
    format!("since {checkpoint}, which the gate goes by\n\n{}", forgetting(report, after))
}

/// What the gate says, one line.
pub(crate) fn gate(gate: &Gate) -> String {
    let named = |outcome: GateState| -> Vec<&str> {
        let verdicts = gate.verdicts.iter().filter(|verdict| verdict.outcome == outcome);
        verdicts.map(|verdict| verdict.task.as_str()).collect()
    };
    match gate.outcome {
        GateState::Held => "gate: held — no general task lost more than the tolerance".to_owned(),
        GateState::Breach => {
            let tasks = named(GateState::Breach).join(", ");
            let way_out = "more curated data, fewer tokens or a lower `optimizer.lr` forgets less";
            format!("gate: breach — beyond the tolerance: {tasks}; {way_out}")
        }
        GateState::Undecided => format!(
            "gate: undecided — too few items to tell: {}",
            named(GateState::Undecided).join(", ")
        ),
    }
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

/// A share of the whole run: as it was asked, or the mean over phases, of which two decimals are enough.
fn mean_percent(plan: &Plan, share: f64) -> String {
    if plan.phases().len() == 1 { percent(share) } else { format!("{:.2} %", 100.0 * share) }
}

/// A distance from what is due, in what shares count and in rows.
pub(crate) fn deviation(units: f64, plan: &Plan) -> String {
    let unit = plan.unit_name();
    format!("{units:.0} {unit} ({:.2} rows)", units / plan.largest_row() as f64)
}

fn row(task: &TaskForgetting, has_choices: bool) -> Vec<String> {
    let (measure, scale, decimals, unit) = match task.metric {
        Metric::Loss => ("nats/token", 1.0, 3, ""),
        Metric::Accuracy => ("accuracy", 100.0, 1, " %"),
    };
    let show = |value: f64| format!("{:.*}{unit}", decimals, scale * value);
    let signed = |value: f64| format!("{:+.*}", decimals, scale * value);
    let mark = if is_guess(task) { "*" } else { "" };
    let interval = |Interval { lower, upper }: Interval| {
        format!("{} … {}{unit}{mark}", signed(lower), signed(upper))
    };
    let verdict = match task.interval {
        None => "one cluster",
        Some(Interval { lower, upper }) => match task.metric {
            _ if lower <= 0.0 && upper >= 0.0 => "unchanged",
            Metric::Loss if lower > 0.0 => "worse",
            Metric::Accuracy if upper < 0.0 => "worse",
            Metric::Loss | Metric::Accuracy => "better",
        },
    };
    let mut cells = vec![
        format!("  {}", task.task),
        measure.to_owned(),
        show(task.before),
        show(task.after),
        format!("{}{unit}", signed(task.delta)),
        task.interval.map_or("–".to_owned(), interval),
    ];
    if has_choices {
        let is_choice = task.metric == Metric::Accuracy;
        let flipped = |share: f64| or_dash(is_choice.then_some(share), tenths);
        cells.extend([flipped(task.share_worse), flipped(task.share_better)]);
    }
    cells.extend([format!("{}/{}", task.n_items, task.n_clusters), verdict.to_owned()]);
    cells
}

/// True when there is an interval, of too few clusters to rely on.
fn is_guess(task: &TaskForgetting) -> bool {
    task.few_clusters && task.interval.is_some()
}

/// What a choice task's accuracy has to be read beside.
fn baselines(task: &temper_eval::TaskScore) -> Option<String> {
    let baselines = task.baselines.as_ref()?;
    let mut parts = vec![format!("chance {}", tenths(baselines.chance))];
    parts.extend(
        baselines.majority.map(|value| format!("always the commonest answer {}", tenths(value))),
    );
    parts.extend(
        baselines.confounder_only.map(|value| format!("the confounder alone {}", tenths(value))),
    );
    Some(format!("{}: {}", task.id, parts.join(", ")))
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
