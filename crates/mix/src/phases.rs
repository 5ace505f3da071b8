//! Shares over a run: constant from one moment to the next, and the targets they add up to.

use temper_recipe::Share;

use crate::error::Error;

/// The shares that hold from `start` on, until the next phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// In units drawn from all sources; the first phase starts at 0.
    pub start: u64,
    /// One per source; they sum to one.
    pub shares: Vec<Share>,
}

/// The phases of a run with what is due at each moment, exactly.
///
/// A source's *target* is the integral of its share over the units drawn from all sources. Targets
/// are held as whole numbers times [`Phases::whole`], moments as fractions, so that nothing is ever
/// rounded.
#[derive(Clone, Debug)]
pub struct Phases {
    /// The common denominator of all shares.
    whole: u64,
    starts: Vec<u64>,
    /// By phase and source: the share times `whole`.
    weights: Vec<Vec<u64>>,
    /// By phase and source: the target at the start of the phase, times `whole`.
    due: Vec<Vec<u128>>,
}

/// A moment of the run: `whole + over / of` units drawn from all sources, in phase `phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) phase: usize,
    pub(crate) whole: u64,
    /// Below `of`.
    pub(crate) over: u64,
    pub(crate) of: u64,
}

impl Phases {
    /// The phases in order of their starts, of which the first is 0.
    ///
    /// # Errors
    /// [`Error::SharesTooFine`] when the shares have no common denominator in 64 bits.
    pub fn new(phases: &[Phase]) -> Result<Self, Error> {
        let n_sources = phases.first().map_or(0, |phase| phase.shares.len());
        assert!(
            phases.first().is_some_and(|phase| phase.start == 0),
            "the first phase starts at 0"
        );
        assert!(phases.is_sorted_by(|a, b| a.start < b.start), "phases are in order");
        let mut whole: u64 = 1;
        for share in phases.iter().flat_map(|phase| &phase.shares) {
            let step = share.denominator() / gcd(whole, share.denominator());
            whole = whole.checked_mul(step).ok_or(Error::SharesTooFine { n_sources })?;
        }
        let weight = |share: &Share| share.numerator() * (whole / share.denominator());
        let weights: Vec<Vec<u64>> =
            phases.iter().map(|phase| phase.shares.iter().map(weight).collect()).collect();
        let starts: Vec<u64> = phases.iter().map(|phase| phase.start).collect();
        let mut due = vec![vec![0; n_sources]];
        for (phase, pair) in starts.windows(2).enumerate() {
            let length = u128::from(pair[1] - pair[0]);
            let at =
                |source: usize| due[phase][source] + length * u128::from(weights[phase][source]);
            let next = (0..n_sources).map(at).collect();
            due.push(next);
        }
        Ok(Self { whole, starts, weights, due })
    }

    pub(crate) fn n_sources(&self) -> usize {
        self.weights[0].len()
    }

    /// What targets are multiplied by.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// The target of `source` when `total` units are drawn, times [`Phases::whole`].
    pub fn target(&self, source: usize, total: u64) -> u128 {
        let phase = self.starts.partition_point(|start| *start <= total) - 1;
        let since = u128::from(total - self.starts[phase]);
        self.due[phase][source] + since * u128::from(self.weights[phase][source])
    }

    /// When the target of `source` reaches `units`; `None` if it never does.
    pub(crate) fn reached(&self, source: usize, units: u64) -> Option<Moment> {
        let scaled = u128::from(units) * u128::from(self.whole);
        // The first phase at whose end it is reached.
        let later = self.due.partition_point(|due| due[source] < scaled);
        let phase = later.max(1) - 1;
        let weight = self.weights[phase][source];
        let missing = scaled - self.due[phase][source];
        if missing == 0 {
            return Some(Moment { phase, whole: self.starts[phase], over: 0, of: 1 });
        }
        if weight == 0 {
            return None;
        }
        let (whole, over) = (missing / u128::from(weight), missing % u128::from(weight));
        let whole = u64::try_from(whole).ok()?.checked_add(self.starts[phase])?;
        Some(Moment { phase, whole, over: over as u64, of: weight })
    }

    /// Where phase `phase` ends, for a run of any length.
    pub(crate) fn end(&self, phase: usize) -> u64 {
        self.starts.get(phase + 1).copied().unwrap_or(u64::MAX)
    }

    pub(crate) fn start(&self, phase: usize) -> u64 {
        self.starts[phase]
    }

    pub(crate) fn weight(&self, phase: usize, source: usize) -> u64 {
        self.weights[phase][source]
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
