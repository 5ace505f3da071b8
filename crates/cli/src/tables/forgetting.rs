//! Two scores side by side, and what the gate says of them.

use temper_eval::{
    FEW_CLUSTERS, ForgettingReport, Gate, GateState, Interval, Metric, SuiteScore, TaskForgetting,
    TaskScore,
};
use temper_recipe::Group;

use super::{BY_PERIOD, or_dash, tenths};
use crate::print::Table;
use crate::since::SinceReport;

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
    if !report.periods.is_empty() {
        table.heading(BY_PERIOD);
    }
    report.periods.iter().for_each(|task| table.row(row(task, has_choices)));
    let mut notes = Vec::new();
    if report.tasks.iter().chain(&report.periods).any(is_guess) {
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
    let named = |state: GateState| -> Vec<&str> {
        let verdicts = gate.verdicts.iter().filter(|verdict| verdict.state == state);
        verdicts.map(|verdict| verdict.task.as_str()).collect()
    };
    match gate.state {
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
fn baselines(task: &TaskScore) -> Option<String> {
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
