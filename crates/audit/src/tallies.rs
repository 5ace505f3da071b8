//! Asked and realised: what each source supplied, at every prefix of the run.

use serde::Serialize;
use temper_ledger::RowRecord;
use temper_mix::{Plan, PlanSpec};
use temper_recipe::Unit;

use crate::inputs::{InputSource, Inputs};

/// What one source supplied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceAudit {
    /// The source.
    pub source: String,
    /// Its share of what was recorded, as asked, 0 to 1; `None` without a plan.
    pub asked: Option<f64>,
    /// Its share of what was recorded, 0 to 1.
    pub realised: f64,
    /// Recorded tokens that carry loss.
    pub tokens: u64,
    /// Recorded rows.
    pub rows: u64,
    /// Passes over its documents, in tokens; `None` without its shards.
    pub epochs: Option<f64>,
    /// The step of its first row; `None` when it has none.
    pub first_step: Option<u64>,
    /// Where it was furthest from its share.
    pub largest_deviation: Deviation,
}

/// A distance from what a source is due, after some row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Deviation {
    /// In what shares count; positive when ahead.
    pub units: f64,
    /// In rows, of the largest there is.
    pub rows: f64,
    /// The step of the row it was reached with.
    pub step: u64,
    /// That row within the step.
    pub row: u32,
}

/// What one source supplied so far, in whole numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceTotals<'a> {
    pub(crate) source: &'a str,
    /// Tokens that carry loss.
    pub(crate) tokens: u64,
    /// Positions that hold a token.
    pub(crate) positions: u64,
    pub(crate) rows: u64,
}

/// One source while rows come in.
#[derive(Debug)]
struct Tally {
    name: String,
    /// Those that carry loss.
    tokens: u64,
    positions: u64,
    rows: u64,
    /// Whether it is replayed beside the mix, and counts with the others that are.
    is_replayed: bool,
    /// Its number in the plan in force.
    in_plan: Option<usize>,
    /// Under the plan in force, and before it.
    units: u64,
    units_before: u64,
    /// What it was due before the plan in force.
    due_before: f64,
    /// Tokens that one pass gives; `None` without its shards.
    available: Option<u64>,
    first_step: Option<u64>,
    largest: Deviation,
    /// It was once more than a row away from what it was due, exactly.
    is_beyond: bool,
}

/// The tallies of all sources.
#[derive(Debug)]
pub(crate) struct Tallies<'a> {
    tallies: Vec<Tally>,
    /// What was due; without it, nothing is said about deviations.
    plan: Option<&'a Plan>,
    /// Of the mix, and of what is replayed beside it.
    parts: [Part; 2],
    tokens: u64,
    rows: u64,
}

/// Sources whose shares sum to one.
#[derive(Clone, Copy, Debug)]
struct Part {
    unit: Unit,
    /// Under the plan in force, and before it.
    units: u64,
    units_before: u64,
}

impl<'a> Tallies<'a> {
    pub(crate) fn new(inputs: &Inputs) -> Self {
        let recipe = &inputs.recipe;
        let spec = PlanSpec::new(recipe, recipe.training.budget);
        let replayed = recipe.replay.as_ref().map(|replay| &replay.mixture);
        let is_replayed = |corpus: &str| {
            replayed
                .is_some_and(|mixture| mixture.sources.iter().any(|source| source.corpus == corpus))
        };
        let spec_of = |source: &InputSource| match is_replayed(&source.corpus) {
            true => spec.replay.as_deref().unwrap_or(&spec),
            false => &spec,
        };
        let tally = |source: &InputSource| Tally {
            name: source.corpus.clone(),
            tokens: 0,
            positions: 0,
            rows: 0,
            is_replayed: is_replayed(&source.corpus),
            in_plan: None,
            units: 0,
            units_before: 0,
            due_before: 0.0,
            available: source
                .documents()
                .map(|tokens| spec_of(source).tokens_of_pass(tokens.as_ref())),
            first_step: None,
            largest: Deviation::default(),
            is_beyond: false,
        };
        let tallies = inputs.sources.iter().map(tally).collect();
        let part = |unit| Part { unit, units: 0, units_before: 0 };
        let own = recipe.mixture.unit;
        let parts = [part(own), part(replayed.map_or(own, |mixture| mixture.unit))];
        Self { tallies, plan: None, parts, tokens: 0, rows: 0 }
    }

    /// Goes on under `plan`. Another budget changes nothing; at a remix all tallies restart.
    pub(crate) fn enter(&mut self, plan: &'a Plan) {
        let starts = |plan: &Plan| plan.start().step;
        if self.plan.is_some_and(|before| starts(before) == starts(plan)) {
            return;
        }
        let before = self.plan.replace(plan);
        for tally in &mut self.tallies {
            let units = self.parts[usize::from(tally.is_replayed)].units;
            tally.due_before += tally.due(before, units);
            tally.units_before += tally.units;
            tally.units = 0;
            tally.in_plan = plan.sources().iter().position(|source| source.name == tally.name);
        }
        for part in &mut self.parts {
            part.units_before += std::mem::take(&mut part.units);
        }
    }

    /// Counts a row; false when the recipe has no such source.
    pub(crate) fn count(&mut self, row: &RowRecord) -> bool {
        let Some(tally) = self.tallies.iter_mut().find(|tally| tally.name == row.source) else {
            return false;
        };
        let tokens = u64::from(row.supervised);
        let is_replayed = tally.is_replayed;
        let part = &mut self.parts[usize::from(is_replayed)];
        let units = match part.unit {
            Unit::Tokens => tokens,
            Unit::Rows => 1,
            Unit::Documents => {
                row.segments.iter().filter(|segment| segment.start == 0).count() as u64
            }
        };
        tally.tokens += tokens;
        tally.positions += u64::from(row.tokens);
        tally.units += units;
        tally.rows += 1;
        tally.first_step.get_or_insert(row.step);
        self.tokens += tokens;
        part.units += units;
        self.rows += 1;
        // A row of one source moves the target of all of its part.
        if let Some(plan) = self.plan {
            let of_part = self.tallies.iter_mut().filter(|other| other.is_replayed == is_replayed);
            of_part.for_each(|other| other.compare(plan, part.units, row));
        }
        true
    }

    /// Tokens of all sources.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Rows of all sources.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Tokens and rows of each source, by name.
    pub(crate) fn totals(&self) -> impl Iterator<Item = SourceTotals<'_>> {
        self.tallies.iter().map(|tally| SourceTotals {
            source: &tally.name,
            tokens: tally.tokens,
            positions: tally.positions,
            rows: tally.rows,
        })
    }

    /// The tallies as they stand.
    pub(crate) fn audited(&self) -> Vec<SourceAudit> {
        let part = |tally: &Tally| self.parts[usize::from(tally.is_replayed)];
        let whole = |tally: &Tally| {
            let part = part(tally);
            (part.units_before + part.units).max(1) as f64
        };
        let asked = |tally: &Tally| tally.due_before + tally.due(self.plan, part(tally).units);
        let source = |tally: &Tally| SourceAudit {
            source: tally.name.clone(),
            asked: self.plan.map(|_| asked(tally) / whole(tally)),
            realised: (tally.units_before + tally.units) as f64 / whole(tally),
            tokens: tally.tokens,
            rows: tally.rows,
            epochs: tally.available.map(|tokens| tally.tokens as f64 / tokens.max(1) as f64),
            first_step: tally.first_step,
            largest_deviation: tally.largest,
        };
        self.tallies.iter().map(source).collect()
    }

    /// Sources that were more than a row away from what they were due, exactly.
    pub(crate) fn beyond_a_row(&self) -> impl Iterator<Item = (&str, Deviation)> {
        self.tallies
            .iter()
            .filter(|tally| tally.is_beyond)
            .map(|tally| (tally.name.as_str(), tally.largest))
    }
}

impl Tally {
    /// Units that it is due under `plan` once `total` are drawn.
    fn due(&self, plan: Option<&Plan>, total: u64) -> f64 {
        let Some((plan, source)) = plan.zip(self.in_plan) else { return 0.0 };
        plan.target_share(source, total) * total as f64
    }

    fn compare(&mut self, plan: &Plan, total: u64, row: &RowRecord) {
        // A row of a source that the mix in force does not have is a difference of its own.
        let Some(source) = self.in_plan else { return };
        let (plan, source) = plan.part(source);
        let targets = plan.targets();
        let drawn = i128::from(self.units) * i128::from(targets.whole());
        let scaled = drawn - targets.target(source, total) as i128;
        self.is_beyond |=
            scaled.abs() > i128::from(plan.largest_row()) * i128::from(targets.whole());
        let units = scaled as f64 / targets.whole() as f64;
        if units.abs() > self.largest.units.abs() {
            self.largest = Deviation {
                units,
                rows: units / plan.largest_row() as f64,
                step: row.step,
                row: row.row,
            };
        }
    }
}
