//! The audit of a run.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use temper_ledger::{End, LedgerReader, LedgerStep, RunDir, Table, chain_start};
use temper_recipe::{Digest, Hasher, Project};

use crate::checkpoints::{Heads, check_checkpoints, check_citations, one_line};
use crate::compare::compare_step;
use crate::error::Error;
use crate::finding::{Finding, Findings, What};
use crate::inputs::{Bytes, Inputs, chain_text};
use crate::left_out::check_left_out;
use crate::rederive::{Plans, Steps};
use crate::refilled::Refilled;
use crate::tables::source_totals;
use crate::tallies::{Deviation, SourceAudit, SourceTotals, Tallies};

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditReport {
    /// The run's name.
    pub run: String,
    /// The digest of its recipe.
    pub recipe: Digest,
    /// The digest of all rows as they were derived from recipe, manifests and shards alone, and from how often
    /// rows were refilled: whoever has these gets the same, whatever run they look at. `None` when no step could
    /// be derived.
    pub derived: Option<Digest>,
    /// Recorded steps.
    pub steps: u64,
    /// Recorded rows.
    pub rows: u64,
    /// Recorded tokens that carry loss.
    pub tokens: u64,
    /// Asked and realised, in order of the recipe.
    pub sources: Vec<SourceAudit>,
    /// The source that was furthest from its share, and where; `None` without rows.
    pub largest_deviation: Option<(String, Deviation)>,
    /// What was compared, and how many of each.
    pub checks: Vec<Check>,
    /// What differs; none when the run is as it says.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub n_more_findings: u64,
}

/// How many things of a kind were compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How many; 0 says that it could not be done, which is a finding as well.
    pub n: u64,
}

impl AuditReport {
    /// True when nothing differs.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Audits a run: derives its rows again and compares them with the ledger, checks the chain of the
/// measured columns, checkpoints, decisions and sums.
///
/// Reads corpora, shards, checkpoints and ledger once. Memory is that of the plan, one part and 50
/// bytes per step.
///
/// # Errors
/// [`Error`] when the directory is no run or its recipe cannot be read; all else is a finding.
pub fn audit(run: &Path, project: &Project) -> Result<AuditReport, Error> {
    let run = RunDir::open(run)?;
    let mut findings = Findings::default();
    let inputs = Inputs::load(&run, project, Bytes::Verify, &mut findings)?;
    check_left_out(&inputs, &mut findings);
    let plans = Plans::new(&inputs).unwrap_or_else(|error| {
        findings.add(What::Plan, "the recipe's mix", chain_text(&error), "a plan, as the run had");
        None
    });
    let ledger = LedgerReader::open(&run)
        .inspect_err(|error| {
            findings.add(What::Ledger, "parts", one_line(error), "all parts in order")
        })
        .ok();
    let mut audit = Audit::new(&inputs, &run, plans.as_ref());
    if let Some(ledger) = &ledger {
        audit.ledger(ledger, &mut findings);
        audit.totals(ledger, &mut findings);
    }
    audit.end(&run, &mut findings);
    let n_checkpoints = check_checkpoints(&run, &audit.heads, &mut findings);
    let n_citations = check_citations(&run, &inputs.decisions, &mut findings);
    Ok(audit.report(run.name(), n_checkpoints, n_citations, findings))
}

/// An audit under way.
struct Audit<'a> {
    inputs: &'a Inputs,
    /// The steps still to be compared; `None` when they cannot be derived.
    expected: Option<Steps<'a>>,
    refilled: Refilled<'a>,
    tallies: Tallies<'a>,
    chain: Digest,
    derived: Hasher,
    n_steps: u64,
    n_compared: u64,
    heads: Heads,
}

impl<'a> Audit<'a> {
    fn new(inputs: &'a Inputs, run: &RunDir, plans: Option<&'a Plans>) -> Self {
        let recipe = inputs.identity.recipe;
        let chain = chain_start(&recipe);
        let mut tallies = Tallies::new(inputs);
        if let Some(plans) = plans {
            tallies.enter(plans.first());
        }
        Self {
            inputs,
            expected: plans.map(Plans::steps),
            refilled: Refilled::new(&inputs.recipe, run),
            tallies,
            chain,
            derived: Hasher::new(),
            n_steps: 0,
            n_compared: 0,
            heads: Heads { recipe, after: BTreeMap::from([(0, (chain, 0))]), is_whole: false },
        }
    }

    /// Step by step: derived columns, chain, tallies.
    fn ledger(&mut self, ledger: &LedgerReader, findings: &mut Findings) {
        self.heads.is_whole = true;
        for step in ledger.steps() {
            match step {
                Ok(step) => self.step(&step, findings),
                Err(error) => {
                    findings.add(What::Ledger, "parts", one_line(&error), "parts that can be read");
                    self.heads.is_whole = false;
                }
            }
        }
        for (source, deviation) in self.tallies.beyond_a_row() {
            let place = format!("`{source}` after step {}, row {}", deviation.step, deviation.row);
            let found =
                format!("{:+.0} from its share ({:+.2} rows)", deviation.units, deviation.rows);
            findings.add(What::Mix, place, found, "at most one row");
        }
    }

    fn step(&mut self, found: &LedgerStep, findings: &mut Findings) {
        let report = &found.step.report;
        if let Some(steps) = &mut self.expected {
            match steps.next() {
                Some((plan, planned)) => {
                    self.tallies.enter(plan);
                    let planned = self.refilled.checked(plan, planned, found, findings);
                    let (recipe, derived) = (&self.inputs.recipe, &mut self.derived);
                    compare_step(found, plan, &planned, recipe, derived, findings);
                    self.n_compared += 1;
                }
                None => {
                    let place = format!("step {}", report.step);
                    findings.add(What::Step, place, "a recorded step", "the end of the plan");
                    self.expected = None;
                }
            }
        }
        for step in self.expected.iter_mut().flat_map(|steps| steps.wrong_seams.drain(..)) {
            let place = format!("`remix` at step {step}, start");
            findings.add(What::Decision, place, "another cursor", "where the mix before it stood");
        }
        let derived = report.chain(&self.chain);
        let place = format!("step {}", report.step);
        findings.compare(What::Chain, &place, derived.short(), found.step.chain.short());
        // On from the record: an edit is named once, at its own step.
        self.chain = found.step.chain;
        for row in &found.rows {
            if !self.tallies.count(row) {
                let place = format!("step {}, row {}, source", row.step, row.row);
                findings.add(
                    What::Row,
                    place,
                    format!("`{}`", row.source),
                    "a source of the recipe",
                );
            }
        }
        self.n_steps = report.step + 1;
        self.heads.after.insert(self.n_steps, (self.chain, self.tallies.tokens()));
    }

    /// The sums that polars makes of the tables, against those of the pass over the rows.
    fn totals(&self, ledger: &LedgerReader, findings: &mut Findings) {
        // A part that cannot be read is named already, and sums without it say nothing.
        if !self.heads.is_whole || ledger.n_steps() == 0 {
            return;
        }
        let tables =
            [(Table::Rows, "supervised"), (Table::Segments, "length"), (Table::Losses, "tokens")];
        for (table, column) in tables {
            let totals = match source_totals(ledger, table, column) {
                Ok(totals) => totals,
                Err(error) => {
                    let place = format!("parts of `{}`", table.name());
                    findings.add(What::Total, place, error, "files that polars can read");
                    continue;
                }
            };
            for SourceTotals { source, tokens, positions, rows } in self.tallies.totals() {
                let total = totals.iter().find(|total| total.source == source);
                let expected = if table == Table::Segments { positions } else { tokens };
                let place = format!("`{}`, sum of {column} of `{source}`", table.name());
                findings.compare(
                    What::Total,
                    &place,
                    total.map_or(0, |total| total.tokens),
                    expected,
                );
                if table == Table::Rows {
                    let place = format!("`rows`, lines of `{source}`");
                    findings.compare(
                        What::Total,
                        &place,
                        total.map_or(0, |total| total.lines),
                        rows,
                    );
                }
            }
        }
    }

    /// A finished run must have done what its plan says, and no ledger ends before its checkpoints.
    fn end(&mut self, run: &RunDir, findings: &mut Findings) {
        let outcome = run.outcome().unwrap_or_else(|error| {
            findings.add(What::Step, "outcome.json", one_line(&error), "how the run ended");
            None
        });
        let Some(outcome) = outcome.filter(|_| self.heads.is_whole) else { return };
        let is_over = matches!(outcome.end, End::Finished | End::Stopped);
        // Otherwise the ledger may be a part ahead of the last checkpoint.
        if is_over || self.n_steps < outcome.step {
            findings.compare(What::Step, "steps in the ledger", self.n_steps, outcome.step);
        }
        let goes_on = self.expected.as_mut().is_some_and(|steps| steps.next().is_some());
        if outcome.end == End::Finished && goes_on {
            findings.add(
                What::Step,
                "end of the run",
                format!("step {}", self.n_steps),
                "more steps in the plan",
            );
        }
    }

    fn report(
        self,
        run: String,
        n_checkpoints: u64,
        n_citations: u64,
        findings: Findings,
    ) -> AuditReport {
        let sources = self.tallies.audited();
        let furthest = sources
            .iter()
            .map(|source| (source.source.clone(), source.largest_deviation))
            .max_by(|(_, a), (_, b)| a.units.abs().total_cmp(&b.units.abs()));
        let check = |what, n| Check { what, n };
        let refilled = self.refilled.n_checked();
        let refilled = refilled.map(|n| check("steps whose refills are in the journal", n));
        let mut checks = vec![
            check("files of corpora and shards", self.inputs.n_files),
            check("steps derived again", self.n_compared),
            check("steps in the chain", self.n_steps),
            check("checkpoints", n_checkpoints),
            check("evals cited by decisions", n_citations),
        ];
        checks.extend(refilled);
        AuditReport {
            run,
            recipe: self.inputs.identity.recipe,
            derived: (self.n_compared > 0).then(|| self.derived.finish()),
            steps: self.n_steps,
            rows: self.tallies.rows(),
            tokens: self.tallies.tokens(),
            largest_deviation: furthest.filter(|_| self.tallies.rows() > 0),
            sources,
            checks,
            findings: findings.kept,
            n_more_findings: findings.n_more,
        }
    }
}

#[cfg(test)]
mod tests;
