//! The steps a run must have taken, from recipe and shards alone.

use std::sync::Arc;

use temper_ledger::{Decision, RowRecord, SegmentRecord};
use temper_mix::{Cursor, Plan, PlanSpec, PlannedRow, PlannedStep, Walk, row_digest};
use temper_recipe::{Budget, Recipe};
use temper_tokens::TokenCorpus;

use crate::error::Error;
use crate::inputs::Inputs;

/// The plans of a run: that of its recipe, and one for each extension.
#[derive(Debug)]
pub(crate) struct Plans {
    /// Each with the step that it ends before, if another follows.
    plans: Vec<(Option<u64>, Plan)>,
}

impl Plans {
    /// `None` when the shards of a source are missing.
    pub(crate) fn new(inputs: &Inputs) -> Result<Option<Self>, Error> {
        let all: Option<Vec<Arc<TokenCorpus>>> = inputs.tokens.iter().cloned().collect();
        let Some(tokens) = all else { return Ok(None) };
        let recipe = &inputs.recipe;
        let mut budgets = vec![(0, recipe.training.budget)];
        budgets.extend(inputs.decisions.iter().filter_map(extension));
        let ends = budgets.iter().skip(1).map(|(step, _)| Some(*step)).chain([None]);
        let mut plans = Vec::with_capacity(budgets.len());
        for (end, (_, budget)) in ends.zip(&budgets) {
            plans.push((end, plan(recipe, *budget, &tokens)?));
        }
        Ok(Some(Self { plans }))
    }

    /// The first plan: what the sources hold is the same in all of them.
    pub(crate) fn first(&self) -> &Plan {
        &self.plans[0].1
    }

    /// Step `step` alone, and the plan it belongs to; `None` beyond the end. Rows before it are counted,
    /// not read.
    pub(crate) fn step(&self, step: u64) -> Result<Option<(&Plan, PlannedStep)>, Error> {
        let mut cursor = self.first().start();
        for (end, plan) in &self.plans {
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
        let mut cursor = self.first().start();
        for (end, plan) in &self.plans {
            cursor = plan.walk_to(&cursor, end.unwrap_or(u64::MAX))?.cursor();
        }
        Ok(cursor.step)
    }

    /// All steps in order.
    pub(crate) fn steps(&self) -> Steps<'_> {
        Steps { plans: &self.plans, walk: None, cursor: self.first().start() }
    }
}

fn extension(decision: &Decision) -> Option<(u64, Budget)> {
    Some((decision.step, Budget::Tokens(decision.extended_to()?)))
}

/// The plan of `recipe` over `tokens`, for `budget`.
pub(crate) fn plan(
    recipe: &Recipe,
    budget: Budget,
    tokens: &[Arc<TokenCorpus>],
) -> Result<Plan, Error> {
    let tokens = tokens.iter().map(|tokens| tokens.clone() as _).collect();
    Ok(Plan::new(PlanSpec::new(recipe, budget), tokens)?)
}

/// The steps of a run, plan after plan.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    plans: &'a [(Option<u64>, Plan)],
    walk: Option<Walk<'a>>,
    cursor: Cursor,
}

impl<'a> Iterator for Steps<'a> {
    type Item = (&'a Plan, PlannedStep);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (end, plan) = self.plans.first()?;
            let cursor = &self.cursor;
            let walk = self.walk.get_or_insert_with(|| {
                plan.walk(cursor).expect("all plans of a run have the recipe's sources")
            });
            match walk.next().filter(|step| end.is_none_or(|end| step.index < end)) {
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

/// The record of a planned row.
pub(crate) fn row_record(
    plan: &Plan,
    step: u64,
    number: u32,
    row: &PlannedRow,
    recipe: &Recipe,
) -> RowRecord {
    let segments = row.segments.iter().map(|segment| {
        let origin = plan.tokens(row.source).origin(segment.document as usize);
        SegmentRecord {
            document: segment.document,
            file: origin.file,
            row_group: origin.row_group,
            row: origin.row,
            start: segment.start,
            length: segment.len,
        }
    });
    let tokens = row.tokens() as u32;
    RowRecord {
        step,
        row: number,
        lane: number / recipe.training.micro_batch_size as u32,
        source: plan.sources()[row.source].name.clone(),
        epoch: row.epoch,
        tokens,
        // In these stages every position predicts an id of its own document.
        supervised: tokens,
        ids: row_digest(plan, row).into(),
        segments: segments.collect(),
    }
}
