//! The steps a run must have taken, from recipe and shards alone.

use std::sync::Arc;

use temper_ledger::{Remix, RowRecord, SegmentRecord};
use temper_mix::{Cursor, Plan, PlanSpec, PlannedStep, Walk, row_digest};
use temper_recipe::{Budget, Recipe};
use temper_tokens::TokenSource;

use crate::error::Error;
use crate::inputs::Inputs;

/// The plans of a run: that of its recipe, and one for each extension and remix.
#[derive(Debug)]
pub(crate) struct Plans {
    /// Each with the step that it ends before, if another follows.
    plans: Vec<(Option<u64>, Plan)>,
}

impl Plans {
    /// `None` when the shards of a source are missing.
    pub(crate) fn new(inputs: &Inputs) -> Result<Option<Self>, Error> {
        if inputs.sources.iter().any(|source| source.tokens.is_none()) {
            return Ok(None);
        }
        let (mut recipe, mut start) = (&inputs.recipe, None);
        // By the step from which it holds. Of several decisions at one step the last one holds: a mix
        // may be replaced because it could not be extended.
        let mut held = vec![(0, recipe, recipe.training.budget, None)];
        let mut remixes = inputs.remixes.iter().peekable();
        for decision in &inputs.decisions {
            let Some(budget) = decision.budget() else { continue };
            if let Some(remix) = remixes.next_if(|_| Remix::is(decision)) {
                (recipe, start) = (&remix.recipe, Some(cursor(remix)?));
            }
            held.retain(|(step, ..)| *step != decision.step);
            held.push((decision.step, recipe, budget, start.clone()));
        }
        let ends: Vec<Option<u64>> =
            held.iter().skip(1).map(|(step, ..)| Some(*step)).chain([None]).collect();
        let mut plans = Vec::with_capacity(held.len());
        for (end, (_, recipe, budget, start)) in ends.into_iter().zip(held) {
            plans.push((end, plan(recipe, budget, inputs, start)?));
        }
        Ok(Some(Self { plans }))
    }

    /// The plan of the recipe that the run was started with.
    pub(crate) fn first(&self) -> &Plan {
        &self.plans[0].1
    }

    /// Step `step` alone, and the plan it belongs to; `None` beyond the end. Rows before it are counted,
    /// not read.
    pub(crate) fn step(&self, step: u64) -> Result<Option<(&Plan, PlannedStep)>, Error> {
        let mut cursor = self.first().start().clone();
        for (end, plan) in &self.plans {
            cursor = plan.enter(cursor);
            let mut walk = plan.walk_to(&cursor, end.unwrap_or(step).min(step))?;
            if end.is_none_or(|end| step < end) {
                return Ok(walk
                    .next()
                    .filter(|planned| planned.index == step)
                    .map(|step| (plan, step)));
            }
            // The next plan goes on where this one stood, whether it was used up or not.
            cursor = walk.cursor();
        }
        Ok(None)
    }

    /// How many steps there are.
    pub(crate) fn n_steps(&self) -> Result<u64, Error> {
        let mut cursor = self.first().start().clone();
        for (end, plan) in &self.plans {
            cursor = plan.enter(cursor);
            cursor = plan.walk_to(&cursor, end.unwrap_or(u64::MAX))?.cursor();
        }
        Ok(cursor.step)
    }

    /// All steps in order.
    pub(crate) fn steps(&self) -> Steps<'_> {
        let cursor = self.first().start().clone();
        Steps { plans: &self.plans, before: None, walk: None, cursor, wrong_seams: Vec::new() }
    }
}

fn cursor(remix: &Remix) -> Result<Cursor, Error> {
    let found = serde_json::from_value(remix.start.clone());
    let cursor: Cursor = found.map_err(|cause| Error::Seam { cause })?;
    if cursor.step != remix.step {
        let problem = format!("found step {}, expected {}", cursor.step, remix.step);
        return Err(Error::Seam { cause: serde::de::Error::custom(problem) });
    }
    Ok(cursor)
}

/// The plan of `recipe` for `budget`, from `start` on.
fn plan(
    recipe: &Recipe,
    budget: Budget,
    inputs: &Inputs,
    start: Option<Cursor>,
) -> Result<Plan, Error> {
    let source = |name: &str| inputs.source(name)?.documents();
    let documents = recipe.sources().filter_map(|named| source(&named.corpus)).collect();
    plan_over(recipe, budget, documents, start)
}

/// The plan of `recipe` over `documents`, one per source, for `budget`, from `start` on.
pub(crate) fn plan_over(
    recipe: &Recipe,
    budget: Budget,
    documents: Vec<Arc<dyn TokenSource + Send>>,
    start: Option<Cursor>,
) -> Result<Plan, Error> {
    let spec = PlanSpec::new(recipe, budget);
    Ok(match start {
        Some(start) => Plan::continued(spec, documents, start)?,
        None => Plan::new(spec, documents)?,
    })
}

/// The steps of a run, plan after plan.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    plans: &'a [(Option<u64>, Plan)],
    /// The plan that the cursor is of.
    before: Option<&'a Plan>,
    walk: Option<Walk<'a>>,
    cursor: Cursor,
    /// Remixes that do not start where the plan before them stood, by step.
    pub(crate) wrong_seams: Vec<u64>,
}

impl<'a> Steps<'a> {
    /// The walk of `plan` from where the plan before it stood.
    fn enter(&mut self, plan: &'a Plan) -> Walk<'a> {
        let is_remix = |before: &Plan| before.start().step != plan.start().step;
        if let Some(before) = self.before.filter(|before| is_remix(before)) {
            let derived = self.cursor.remixed(before.own_sources(), plan.own_sources()).ok();
            if derived.as_ref() != Some(plan.start()) {
                self.wrong_seams.push(plan.start().step);
            }
            self.cursor = plan.start().clone();
        }
        self.before = Some(plan);
        plan.walk(&self.cursor).expect("a plan enters at a cursor of its own sources")
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = (&'a Plan, PlannedStep);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (end, plan) = self.plans.first()?;
            if self.walk.is_none() {
                self.walk = Some(self.enter(plan));
            }
            let next = self.walk.as_mut().and_then(Walk::next);
            match next.filter(|step| end.is_none_or(|end| step.index < end)) {
                Some(step) => {
                    self.cursor = step.next.clone();
                    return Some((plan, step));
                }
                // The next plan goes on where this one stood, whether it was used up or not.
                None => (self.plans, self.walk) = (&self.plans[1..], None),
            }
        }
    }
}

/// The record of row `number` of a planned step.
pub(crate) fn row_record(
    plan: &Plan,
    step: &PlannedStep,
    number: usize,
    recipe: &Recipe,
) -> RowRecord {
    let row = &step.rows[number];
    let segments = row.segments.iter().map(|segment| {
        let (tokens, document) = (plan.tokens(row.source), segment.document as usize);
        let origin = tokens.origin(document);
        SegmentRecord {
            document: segment.document,
            ids: tokens.ids_digest(document).into(),
            file: origin.file,
            row_group: origin.row_group,
            row: origin.row,
            start: segment.start,
            length: segment.len,
        }
    });
    RowRecord {
        step: step.index,
        row: number as u32,
        lane: step.lane_of(number, recipe.training.micro_batch_size) as u32,
        source: plan.sources()[row.source].name.clone(),
        epoch: row.epoch,
        tokens: row.positions() as u32,
        supervised: row.supervised,
        ids: row_digest(plan, row).into(),
        refills: row.refills,
        segments: segments.collect(),
    }
}
