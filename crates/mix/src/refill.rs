//! Rows in the place of planned ones: another document of the same source, from an order of its own.
//!
//! A step that finds nothing to learn in a row may ask for another. Shares hold, since the source stays; the
//! plan goes on as if nothing had happened, since the order of what comes instead does not depend on it: it
//! goes through the documents that a row holds whole in passes, each a permutation of its own. Where it stands
//! is a number, the count of such rows so far, which the cursor has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use temper_recipe::Exhausted;

use crate::error::Error;
use crate::order::Permutation;
use crate::pack::whole_document;
use crate::plan::Plan;
use crate::stream::Stream;
use crate::walk::{PlannedRow, PlannedStep};

/// What took the place of planned rows so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refills {
    /// How many rows of each source, by name.
    drawn: BTreeMap<String, u64>,
    /// Tokens of what stood in the rows in the end, beyond those that were planned.
    more_tokens: i64,
}

impl Refills {
    /// Counts `n` more rows of a source.
    pub fn count(&mut self, source: &str, n: u64) {
        if n > 0 {
            *self.drawn.entry(source.to_owned()).or_default() += n;
        }
    }

    /// Nothing did.
    pub(crate) fn is_empty(&self) -> bool {
        self.drawn.is_empty()
    }

    /// Tokens of a run whose plan drew `planned`.
    pub(crate) fn tokens(&self, planned: u64) -> u64 {
        planned.saturating_add_signed(self.more_tokens)
    }
}

/// The order of what takes the place of rows of a plan whose rows are whole documents, source by source.
///
/// Takes 8 bytes a document.
#[derive(Debug)]
pub struct RefillOrder<'a> {
    plan: &'a Plan,
    /// By source of the mix itself.
    sources: Vec<Refillable>,
}

#[derive(Debug)]
struct Refillable {
    /// Those that a row holds.
    documents: Vec<u64>,
    /// Rows that `max_epochs` leaves, beside those that the whole run draws by plan.
    most: u64,
}

impl<'a> RefillOrder<'a> {
    /// Looks at all documents of the mix, and counts what the plan draws.
    ///
    /// # Errors
    /// Those of [`Plan::forecast`].
    ///
    /// # Panics
    ///
    /// When rows of the plan hold several documents, or parts of them.
    pub fn new(plan: &'a Plan) -> Result<Self, Error> {
        assert!(plan.spec.whole_documents, "a row is one document, which is whole");
        let planned = plan.forecast()?;
        let of_source = |source: usize| {
            let tokens = plan.tokens[source].as_ref();
            let is_drawn = |document: &u64| {
                whole_document(tokens, *document, plan.sequence_length() as u32).is_some()
            };
            let documents: Vec<u64> = (0..tokens.n_documents() as u64).filter(is_drawn).collect();
            let max_epochs = u64::from(plan.spec.sources[source].max_epochs);
            let supply = (documents.len() as u64).saturating_mul(max_epochs);
            let drawn = plan.supplies[source].used + planned.sources[source].rows;
            let most = match plan.spec.on_exhausted {
                Exhausted::Repeat => u64::MAX,
                Exhausted::Refuse | Exhausted::Stop | Exhausted::Redistribute => {
                    supply.saturating_sub(drawn)
                }
            };
            Refillable { documents, most }
        };
        let sources = (0..plan.spec.sources.len()).map(of_source).collect();
        Ok(Self { plan, sources })
    }

    /// Puts the next document of its source in the place of row number `row` of `step`, and counts it in the
    /// step's next cursor; false where `max_epochs` leaves none, and all is as it was.
    pub fn replace(&self, step: &mut PlannedStep, row: usize) -> bool {
        let before = &step.rows[row];
        let name = &self.plan.spec.sources[before.source].name;
        let refills = &mut step.next.refills;
        let drawn = refills.drawn.get(name).copied().unwrap_or(0);
        let Some(next) = self.row(before.source, drawn) else { return false };
        refills.count(name, 1);
        refills.more_tokens += next.tokens() as i64 - before.tokens() as i64;
        step.rows[row] = PlannedRow { refills: before.refills + 1, ..next };
        true
    }

    /// Replaces row after row as often as `refills` says, round after round, as a step does it: first all rows
    /// that are replaced at all, then those that are replaced once more. Gives the document that stood in a row
    /// after so many refills, by both.
    pub fn replace_all(
        &self,
        step: &mut PlannedStep,
        refills: &[u32],
    ) -> BTreeMap<(usize, u32), u64> {
        let rounds = refills.iter().copied().max().unwrap_or(0);
        let n_rows = step.own_rows().len();
        let stands = |step: &PlannedStep, row: usize| {
            let planned = &step.rows[row];
            ((row, planned.refills), planned.segments[0].document)
        };
        let mut stood: BTreeMap<_, _> = (0..n_rows).map(|row| stands(step, row)).collect();
        for round in 1..=rounds {
            let rows = refills.iter().take(n_rows).enumerate();
            for (row, _) in rows.filter(|(_, refills)| **refills >= round) {
                if self.replace(step, row) {
                    stood.extend([stands(step, row)]);
                }
            }
        }
        stood
    }

    /// What comes after `number` others of its source.
    fn row(&self, source: usize, number: u64) -> Option<PlannedRow> {
        let Refillable { documents, most } = &self.sources[source];
        let n = documents.len() as u64;
        if number >= *most || n == 0 {
            return None;
        }
        let (epoch, position) = (number / n, number % n);
        let (seed, name) = (self.plan.spec.seed, &self.plan.spec.sources[source].name);
        let order = Permutation::new(n, &mut Stream::new(seed, &["refills", name], epoch));
        let document = documents[order.at(position) as usize];
        let tokens = self.plan.tokens[source].as_ref();
        let length = self.plan.sequence_length() as u32;
        let (segment, supervised) = whole_document(tokens, document, length)?;
        let epoch = u32::try_from(epoch).unwrap_or(u32::MAX);
        Some(PlannedRow { source, epoch, segments: vec![segment], supervised, refills: 0 })
    }
}

#[cfg(test)]
mod tests;
