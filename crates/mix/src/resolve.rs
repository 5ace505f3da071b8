//! From what a recipe says to exact shares over the run, once the sizes of the sources are known.

use temper_recipe::{Budget, Exhausted, Moment, PhaseSpec, Share, Shares, Unit};

use crate::error::Error;
use crate::phases::{Phase, Phases};
use crate::rules::{of_rule, passes, rounded};
use crate::spec::PlanSpec;

/// What a pass over a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supply {
    /// Tokens that carry loss.
    pub(crate) tokens: u64,
    /// What shares count.
    pub(crate) units: u64,
    /// Units that an earlier mix of the run has drawn.
    pub(crate) used: u64,
}

impl Supply {
    /// Units that are left of all passes.
    pub(crate) fn left(&self, max_epochs: u32) -> u64 {
        self.units.saturating_mul(u64::from(max_epochs)).saturating_sub(self.used)
    }
}

/// What a spec comes to.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) phases: Vec<Phase>,
    /// In tokens or steps.
    pub(crate) budget: Budget,
    /// Units drawn over the whole run; with a budget in steps as if all rows were full.
    pub(crate) units: u64,
}

/// A ramp has at most this many stairs.
const MOST_STAIRS: u64 = 1000;

impl Resolved {
    /// Resolves the shares of `spec` over sources that supply `supplies` in a pass.
    ///
    /// # Errors
    /// [`Error::Phases`] for phases that do not fit the run, [`Error::SharesTooFine`].
    pub(crate) fn new(spec: &PlanSpec, supplies: &[Supply]) -> Result<Self, Error> {
        let first = of_rule(spec, supplies);
        let budget = in_tokens_or_steps(spec, supplies, &first);
        let units = units(spec, supplies, &first, budget);
        let mut phases = vec![Phase { start: 0, shares: first }];
        for change in &spec.phases {
            add(&mut phases, change, spec, units)?;
        }
        let resolved = Self { phases, budget, units };
        match spec.on_exhausted {
            Exhausted::Refuse | Exhausted::Repeat => Ok(resolved),
            Exhausted::Stop => resolved.stopped(spec, supplies),
            Exhausted::Redistribute => resolved.redistributed(spec, supplies),
        }
    }

    /// Ends the run where the first source is used up.
    fn stopped(mut self, spec: &PlanSpec, supplies: &[Supply]) -> Result<Self, Error> {
        let phases = Phases::new(&self.phases)?;
        if let Some((_, end)) = first_exhausted(spec, supplies, &phases, self.units, &[]) {
            let units = u128::from(self.units.max(1));
            let part = |whole: u64| (u128::from(whole) * u128::from(end) / units) as u64;
            self.budget = match self.budget {
                Budget::Steps(steps) => Budget::Steps(part(steps)),
                Budget::Tokens(tokens) => Budget::Tokens(part(tokens)),
                Budget::Epochs(_) => unreachable!("resolved in Resolved::new"),
            };
            self.units = end;
        }
        Ok(self)
    }

    /// Gives the share of each source that is used up to the others, from there on.
    fn redistributed(mut self, spec: &PlanSpec, supplies: &[Supply]) -> Result<Self, Error> {
        let mut gone = Vec::new();
        while gone.len() + 1 < supplies.len() {
            let phases = Phases::new(&self.phases)?;
            let dry = first_exhausted(spec, supplies, &phases, self.units, &gone);
            let Some((source, at)) = dry else { break };
            gone.push(source);
            let phase = self.phases.partition_point(|phase| phase.start <= at) - 1;
            if self.phases[phase].start < at {
                let shares = self.phases[phase].shares.clone();
                self.phases.insert(phase + 1, Phase { start: at, shares });
            }
            for phase in self.phases.iter_mut().filter(|phase| phase.start >= at) {
                let parts: Vec<f64> = phase
                    .shares
                    .iter()
                    .enumerate()
                    .map(|(i, share)| if gone.contains(&i) { 0.0 } else { share.as_f64() })
                    .collect();
                // Where only used-up sources have a share, the plan is refused for want of tokens.
                if parts.iter().sum::<f64>() > 0.0 {
                    phase.shares = rounded(&parts);
                }
            }
        }
        Ok(self)
    }
}

/// The source that runs dry first before `units` are drawn, and when, besides those that are `gone`.
fn first_exhausted(
    spec: &PlanSpec,
    supplies: &[Supply],
    phases: &Phases,
    units: u64,
    gone: &[usize],
) -> Option<(usize, u64)> {
    let sources = (0..supplies.len()).filter(|source| !gone.contains(source));
    let used_up = sources.filter_map(|source| {
        let all = supplies[source].left(spec.sources[source].max_epochs);
        let asked = phases.target(source, units);
        let moment = phases.reached(source, all)?;
        (asked > u128::from(all) * u128::from(phases.whole())).then_some((source, moment.whole))
    });
    used_up.min_by_key(|(source, at)| (*at, *source))
}

/// Epochs count passes over the source that is used up first.
pub(crate) fn in_tokens_or_steps(spec: &PlanSpec, supplies: &[Supply], shares: &[Share]) -> Budget {
    let Budget::Epochs(epochs) = spec.budget else { return spec.budget };
    if let (Shares::Epochs(_), Unit::Tokens) = (&spec.shares, spec.unit) {
        return Budget::Tokens(passes(spec, supplies).iter().sum());
    }
    let passes = |(share, supply): (&Share, &Supply)| {
        // In the unit of the shares, then in tokens at the mean of the mix.
        epochs * supply.units as f64 / share.as_f64()
    };
    let drawn = shares.iter().zip(supplies).filter(|(share, _)| !share.is_zero());
    let units = drawn.map(passes).fold(f64::INFINITY, f64::min);
    Budget::Tokens((units * tokens_per_unit(supplies, shares)) as u64)
}

/// Units over the whole run.
pub(crate) fn units(spec: &PlanSpec, supplies: &[Supply], shares: &[Share], budget: Budget) -> u64 {
    let tokens = match budget {
        Budget::Tokens(tokens) => tokens,
        Budget::Steps(steps) => positions(spec, steps),
        Budget::Epochs(_) => unreachable!("resolved before"),
    };
    match spec.unit {
        Unit::Tokens => tokens,
        Unit::Rows | Unit::Documents => {
            (tokens as f64 / tokens_per_unit(supplies, shares)).ceil() as u64
        }
    }
}

/// The mean over a mix in which shares count units.
fn tokens_per_unit(supplies: &[Supply], shares: &[Share]) -> f64 {
    let mean = |(share, supply): (&Share, &Supply)| {
        share.as_f64() * supply.tokens as f64 / supply.units.max(1) as f64
    };
    shares.iter().zip(supplies).map(mean).sum()
}

/// Positions of so many steps.
pub(crate) fn positions(spec: &PlanSpec, steps: u64) -> u64 {
    let per_step = (spec.rows_per_step * spec.sequence_length) as u64;
    steps.saturating_mul(per_step)
}

/// Adds a change of shares, which must come after the phases that are there.
fn add(
    phases: &mut Vec<Phase>,
    change: &PhaseSpec,
    spec: &PlanSpec,
    units: u64,
) -> Result<(), Error> {
    let at = |moment: Moment| match moment {
        Moment::Fraction(share) => {
            let whole = u128::from(units) * u128::from(share.numerator());
            (whole / u128::from(share.denominator())) as u64
        }
        Moment::Tokens(tokens) => tokens,
        Moment::Step(step) => positions(spec, step),
    };
    let start = at(change.at);
    let length = change.ramp.map_or(0, at);
    let last = phases.last().map_or(0, |phase| phase.start);
    if start <= last || start.saturating_add(length) >= units {
        return Err(Error::Phases { start, length, last, units });
    }
    let share = |name: &str| change.shares.get(name).copied().unwrap_or(Share::ZERO);
    let after: Vec<Share> = spec.sources.iter().map(|source| share(&source.name)).collect();
    let before = phases.last().expect("there is a first phase").shares.clone();
    // One stair a step is as fine as anyone can see.
    let per_step = (spec.rows_per_step * spec.sequence_length) as u64;
    let stairs = (length / per_step).min(MOST_STAIRS);
    for stair in 0..stairs {
        let way = (stair as f64 + 0.5) / stairs as f64;
        let mean = |(before, after): (&Share, &Share)| {
            before.as_f64() + way * (after.as_f64() - before.as_f64())
        };
        let parts: Vec<f64> = before.iter().zip(&after).map(mean).collect();
        let offset = u128::from(length) * u128::from(stair) / u128::from(stairs);
        phases.push(Phase { start: start + offset as u64, shares: rounded(&parts) });
    }
    phases.push(Phase { start: start + if stairs > 0 { length } else { 0 }, shares: after });
    Ok(())
}
