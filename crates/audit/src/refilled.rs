//! Rows of the stage `rl` in which another prompt took the place of the planned one.
//!
//! The ledger has how often; which prompts it were follows from that and from the order of refills. The reason
//! is in what was sampled, as long as the run's journal is there: each group before the last one was equally
//! good throughout, and the last one was not, unless it was replaced as often as may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use temper_ledger::{LedgerReader, LedgerStep, RunDir};
use temper_mix::{Plan, PlannedStep, RefillOrder, Refills};
use temper_recipe::{Recipe, Rl};

use crate::error::Error;
use crate::finding::{Findings, What};
use crate::inputs::chain_text;

/// The refills of a run, followed step by step.
#[derive(Debug)]
pub(crate) struct Refilled<'a> {
    /// `None` where nothing is refilled.
    rl: Option<Rl>,
    journal: PathBuf,
    /// That of the plan in force.
    order: Option<(&'a Plan, RefillOrder<'a>)>,
    /// Those before the next step.
    refills: Refills,
    n_checked: u64,
}

/// The document that stood in a row after so many refills, by both.
type Stood = BTreeMap<(usize, u32), u64>;

/// A completion, as far as it says why a row was refilled.
#[derive(Debug, Deserialize)]
struct Sampled {
    row: usize,
    #[serde(default)]
    refill: u32,
    source: String,
    document: u64,
    reward: f64,
    advantage: f64,
}

/// Numbers of a journal are read back to the last bit but one.
const ROUNDING: f64 = 1e-9;

impl<'a> Refilled<'a> {
    pub(crate) fn new(recipe: &Recipe, run: &RunDir) -> Self {
        let rl = recipe.rl.clone().filter(|rl| rl.refill > 0);
        let journal = run.path().join("private/rollouts");
        Self { rl, journal, order: None, refills: Refills::default(), n_checked: 0 }
    }

    /// Steps whose journal was compared; `None` where nothing is refilled.
    pub(crate) fn n_checked(&self) -> Option<u64> {
        self.rl.as_ref().map(|_| self.n_checked)
    }

    /// Counts what the ledger has of the steps before `step`.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) fn pass_over(&mut self, ledger: &LedgerReader, step: u64) -> Result<(), Error> {
        if self.rl.is_none() {
            return Ok(());
        }
        let n_steps = usize::try_from(step).unwrap_or(usize::MAX);
        for recorded in ledger.steps().take(n_steps) {
            for row in recorded?.rows {
                self.refills.count(&row.source, u64::from(row.refills));
            }
        }
        Ok(())
    }

    /// The step that `planned` became, as `found` says how often its rows were refilled, and what stood in them.
    pub(crate) fn derived(
        &mut self,
        plan: &'a Plan,
        mut planned: PlannedStep,
        found: &LedgerStep,
        findings: &mut Findings,
    ) -> (PlannedStep, Stood) {
        let Some(rl) = &self.rl else { return (planned, Stood::new()) };
        let most = rl.refill;
        let Some(order) = in_force(&mut self.order, plan, findings) else {
            return (planned, Stood::new());
        };
        planned.next.refills = std::mem::take(&mut self.refills);
        // More than may be is a difference that the rows show.
        let counts: Vec<u32> = found.rows.iter().map(|row| row.refills.min(most)).collect();
        let stood = order.replace_all(&mut planned, &counts);
        self.refills = planned.next.refills.clone();
        (planned, stood)
    }

    /// [`Refilled::derived`], held against the step's measures and its journal.
    pub(crate) fn checked(
        &mut self,
        plan: &'a Plan,
        planned: PlannedStep,
        found: &LedgerStep,
        findings: &mut Findings,
    ) -> PlannedStep {
        let (derived, stood) = self.derived(plan, planned, found, findings);
        if let (Some(rl), Some((_, order))) = (&self.rl, &self.order) {
            check_measures(plan, &derived, found, findings);
            let path = self.journal.join(format!("step-{:06}.jsonl", derived.index));
            // It is the customer's, who may have removed it.
            if let Ok(text) = fs::read_to_string(path) {
                check_journal(&text, rl, (plan, order), &derived, &stood, findings);
                self.n_checked += 1;
            }
        }
        derived
    }
}

/// The order of refills under `plan`.
fn in_force<'o, 'a>(
    order: &'o mut Option<(&'a Plan, RefillOrder<'a>)>,
    plan: &'a Plan,
    findings: &mut Findings,
) -> Option<&'o RefillOrder<'a>> {
    if order.as_ref().is_none_or(|(of, _)| !std::ptr::eq(*of, plan)) {
        match RefillOrder::new(plan) {
            Ok(new) => *order = Some((plan, new)),
            Err(error) => {
                findings.add(What::Plan, "the order of refills", chain_text(&error), "an order");
                *order = None;
            }
        }
    }
    order.as_ref().map(|(_, order)| order)
}

/// What the chain covers of it: sums over the rows of each source.
fn check_measures(plan: &Plan, step: &PlannedStep, found: &LedgerStep, findings: &mut Findings) {
    for (number, source) in plan.own_sources().iter().enumerate() {
        let rows = step.own_rows().iter().filter(|row| row.source == number);
        let derived: u64 = rows.map(|row| u64::from(row.refills)).sum();
        let measures = found.step.report.measures.iter();
        let measured: f64 = measures
            .filter(|measure| measure.source == source.name && measure.name == "refills")
            .map(|measure| measure.value)
            .sum();
        let place = format!("step {}, refills of `{}`", step.index, source.name);
        findings.compare(What::Step, &place, measured, derived as f64);
    }
}

fn check_journal(
    text: &str,
    rl: &Rl,
    (plan, order): (&Plan, &RefillOrder<'_>),
    step: &PlannedStep,
    stood: &Stood,
    findings: &mut Findings,
) {
    let place = format!("step {} in the journal", step.index);
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Sampled>, _>>();
    let sampled = match lines {
        Ok(sampled) => sampled,
        Err(error) => {
            findings.add(What::Rollout, place, error, "completions as the run wrote them");
            return;
        }
    };
    let mut groups: BTreeMap<(usize, u32), Vec<Sampled>> = BTreeMap::new();
    for one in sampled {
        groups.entry((one.row, one.refill)).or_default().push(one);
    }
    for (row, refill) in groups.keys().filter(|group| !stood.contains_key(*group)) {
        let place = format!("{place}, row {row}, refill {refill}");
        findings.add(What::Rollout, place, "completions", "none");
    }
    for (&(row, refill), document) in stood {
        let place = format!("{place}, row {row}, refill {refill}");
        let group = groups.get(&(row, refill)).map(Vec::as_slice).unwrap_or_default();
        let expected = format!("{} completions", rl.group_size);
        findings.compare(What::Rollout, &place, format!("{} completions", group.len()), expected);
        let source = &plan.sources()[step.rows[row].source].name;
        let is_of = |one: &&Sampled| (&one.source, one.document) == (source, *document);
        if let Some(other) = group.iter().find(|one| !is_of(one)) {
            let found = format!("document {} of `{}`", other.document, other.source);
            findings.add(
                What::Rollout,
                &place,
                found,
                format!("document {document} of `{source}`"),
            );
        }
        let is_equal = group.iter().all(|one| one.advantage == 0.0);
        let differ = |pair: &[Sampled]| (pair[0].reward - pair[1].reward).abs() > ROUNDING;
        if refill < step.rows[row].refills && (!is_equal || group.windows(2).any(differ)) {
            let found = "rewards that differ, and another group after it";
            findings.add(What::Rollout, &place, found, "one to learn from");
        }
        if refill == step.rows[row].refills && is_equal && refill < rl.refill {
            // Its source may have had no other prompt left.
            let found = "rewards that are all equal, and no other group after it";
            if order.replace(&mut step.clone(), row) {
                findings.add(What::Rollout, &place, found, "another prompt in its place");
            }
        }
    }
}

#[cfg(test)]
mod tests;
