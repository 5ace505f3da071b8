//! Whose row comes next: within one row of the target at every prefix of the run.

use std::sync::Arc;

use crate::phases::Phases;
use crate::tournament::{ABSENT, Tournament};
use crate::waiting::Waiting;

/// The accounts of a mix: what each source has supplied, against its exact target.
///
/// The rule is that of the chairman assignment problem (Tijdeman 1980): among the sources whose
/// next row would not put them more than a row ahead, the one whose deadline comes first, that is,
/// the one that would fall a row behind soonest; of two with the same deadline the first one. Taking
/// the source with the largest deficit instead falls up to 1.4 rows behind, and deadlines by the
/// share of the moment instead of the integrated one fall 2 rows behind where shares change.
///
/// A choice costs a few comparisons per doubling of the sources: those that may be taken stand in a
/// tournament of deadlines, the others on a wheel of the moments from which they may.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    phases: Arc<Phases>,
    /// Units of the largest row; what "a row" is in the rule.
    row: u64,
    drawn: Vec<u64>,
    total: u64,
    /// Units of each source's next row, while it has one.
    next: Vec<u64>,
    lines: Vec<Line>,
    waiting: Waiting,
    due: Tournament,
    /// The part of each deadline below one: numerator and denominator.
    fractions: Vec<(u64, u64)>,
}

/// The line on which a source's target grows around what it has drawn.
///
/// Within a phase, moments are found by adding to `whole + over / weight`, the moment when the
/// target reaches what is drawn. A weight of 0 says that the source has no such line.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: u64,
    end: u64,
    weight: u64,
    whole: u64,
    over: u64,
    /// How much later the target is a row further.
    row_whole: u64,
    row_over: u64,
}

/// A deadline that never comes.
const NEVER: u64 = ABSENT - 1;

impl Accounts {
    /// Accounts that start with `drawn`, one per source; no source has a row on offer.
    pub(crate) fn new(phases: Arc<Phases>, row: u64, drawn: Vec<u64>) -> Self {
        let n = drawn.len();
        assert_eq!(n, phases.n_sources(), "one account per source");
        let total = drawn.iter().sum();
        let lines = (0..n).map(|source| line(&phases, row, source, drawn[source])).collect();
        let (waiting, due) = (Waiting::new(n, row, total), Tournament::new(n));
        // Numbers beyond the sources never have keys, but are compared like the others.
        let fractions = vec![(0, 1); n.next_power_of_two().max(2)];
        Self { phases, row, drawn, total, next: vec![0; n], lines, waiting, due, fractions }
    }

    /// Puts the next row of `source` on offer, of so many units; without one it is passed over.
    #[inline]
    pub(crate) fn offer(&mut self, source: usize, row: Option<u64>) {
        let release = row.and_then(|row| self.release(source, row));
        self.next[source] = row.unwrap_or(0);
        match release {
            Some(release) if release <= self.total => self.make_due(source),
            _ => {
                self.set_due(source, ABSENT);
                if let Some(release) = release {
                    self.waiting.insert(source, release);
                }
            }
        }
    }

    /// The source to draw from; `None` when no row on offer may be taken.
    ///
    /// Somebody may always be drawn from while no source is used up: leads sum to zero, and whoever
    /// is not ahead stays within a row of its target.
    #[inline]
    pub(crate) fn choose(&mut self) -> Option<usize> {
        while let Some(source) = self.waiting.release(self.total) {
            self.make_due(source);
        }
        let (source, deadline) = self.due.first();
        (deadline != ABSENT).then_some(source)
    }

    /// Books the row on offer of `source`, and puts the next one on offer.
    #[inline]
    pub(crate) fn take(&mut self, source: usize, next: Option<u64>) {
        let row = self.next[source];
        self.drawn[source] += row;
        self.total += row;
        let line = &mut self.lines[source];
        if line.weight > 0 {
            let (whole, over) = if row == self.row {
                (line.row_whole, line.row_over)
            } else {
                divide(row, self.phases.whole(), line.weight)
            };
            (line.whole, line.over) = line.later(whole, over);
        }
        if line.weight == 0 || line.whole >= line.end {
            *line = self::line(&self.phases, self.row, source, self.drawn[source]);
        }
        self.offer(source, next);
    }

    /// Units drawn from all sources.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Units that `source` is ahead of its target; negative when behind.
    pub(crate) fn lead(&self, source: usize) -> f64 {
        self.scaled_lead(source) as f64 / self.phases.whole() as f64
    }

    /// True when `source` is more than a row behind its target.
    pub(crate) fn is_owed(&self, source: usize) -> bool {
        self.scaled_lead(source) < -(i128::from(self.row) * i128::from(self.phases.whole()))
    }

    fn scaled_lead(&self, source: usize) -> i128 {
        let drawn = i128::from(self.drawn[source]) * i128::from(self.phases.whole());
        drawn - self.phases.target(source, self.total) as i128
    }

    /// The total from which a row of `row` units leaves `source` at most a row ahead; `None` for never.
    #[inline]
    fn release(&self, source: usize, row: u64) -> Option<u64> {
        let Some(drawn) = (self.drawn[source] + row).checked_sub(self.row) else { return Some(0) };
        let (whole, over) = match self.lines[source].earlier(self.row - row, self.phases.whole()) {
            Some(moment) => moment,
            None => {
                let moment = self.phases.reached(source, drawn)?;
                (moment.whole, moment.over)
            }
        };
        // The row itself is part of the total that it is held against.
        Some((whole + u64::from(over > 0)).saturating_sub(row))
    }

    #[inline]
    fn make_due(&mut self, source: usize) {
        let line = &self.lines[source];
        let (whole, over) = line.later(line.row_whole, line.row_over);
        let (whole, fraction) = if line.weight > 0 && whole < line.end {
            (whole, (over, line.weight))
        } else {
            match self.phases.reached(source, self.drawn[source] + self.row) {
                Some(moment) => (moment.whole.min(NEVER), (moment.over, moment.of)),
                None => (NEVER, (0, 1)),
            }
        };
        self.fractions[source] = fraction;
        self.set_due(source, whole);
    }

    #[inline]
    fn set_due(&mut self, source: usize, deadline: u64) {
        let fractions = &self.fractions;
        self.due.set(source, deadline, |a, b| {
            let ((a_over, a_of), (b_over, b_of)) = (fractions[a], fractions[b]);
            let left = u128::from(a_over) * u128::from(b_of);
            let right = u128::from(b_over) * u128::from(a_of);
            left < right || left == right && a < b
        });
    }
}

impl Line {
    /// The moment that is `whole + over / weight` after the line's own.
    #[inline]
    fn later(&self, whole: u64, over: u64) -> (u64, u64) {
        let (sum, over) = (self.whole.saturating_add(whole), self.over + over);
        if over >= self.weight && self.weight > 0 {
            (sum + 1, over - self.weight)
        } else {
            (sum, over)
        }
    }

    /// The moment when the target was `units` less than what is drawn, if it lies in this phase.
    #[inline]
    fn earlier(&self, units: u64, unit_weight: u64) -> Option<(u64, u64)> {
        if self.weight == 0 {
            return None;
        }
        if units == 0 {
            return Some((self.whole, self.over));
        }
        let (whole, over) = divide(units, unit_weight, self.weight);
        let (borrow, over) = match self.over.checked_sub(over) {
            Some(over) => (0, over),
            None => (1, self.over + self.weight - over),
        };
        let whole = self.whole.checked_sub(whole)?.checked_sub(borrow)?;
        (whole >= self.start).then_some((whole, over))
    }
}

fn line(phases: &Phases, row: u64, source: usize, drawn: u64) -> Line {
    let nowhere =
        Line { start: 0, end: 0, weight: 0, whole: 0, over: 0, row_whole: 0, row_over: 0 };
    let Some(moment) = phases.reached(source, drawn) else { return nowhere };
    let weight = phases.weight(moment.phase, source);
    if weight == 0 {
        return nowhere;
    }
    let (row_whole, row_over) = divide(row, phases.whole(), weight);
    Line {
        start: phases.start(moment.phase),
        end: phases.end(moment.phase),
        weight,
        whole: moment.whole,
        over: moment.over,
        row_whole,
        row_over,
    }
}

/// `units × unit_weight / weight`, and what is left over; saturates beyond 64 bits.
#[inline]
fn divide(units: u64, unit_weight: u64, weight: u64) -> (u64, u64) {
    match units.checked_mul(unit_weight) {
        Some(product) => (product / weight, product % weight),
        None => {
            let product = u128::from(units) * u128::from(unit_weight);
            let (whole, over) = (product / u128::from(weight), product % u128::from(weight));
            (u64::try_from(whole).unwrap_or(u64::MAX), over as u64)
        }
    }
}

#[cfg(test)]
mod tests;
