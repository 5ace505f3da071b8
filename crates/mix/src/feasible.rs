//! Can the mix be kept? If not, why not, and what could be.

use std::sync::Arc;

use temper_recipe::{Budget, Exhausted, Unit};
use temper_tokens::TokenSource;

use crate::error::{Error, NeverDrawn, Shortage};
use crate::forecast::Forecast;
use crate::plan::Plan;
use crate::resolve::{Supply, in_tokens_or_steps, units};
use crate::rules::of_rule;
use crate::spec::{PlanSource, PlanSpec};

impl Plan {
    /// Refuses what cannot be kept.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_stated = matches!(self.resolved.budget, Budget::Tokens(_));
        // Of what is counted in steps, the walk says how much there will be.
        if is_stated {
            let shortages = self.shortages(self.resolved.units);
            if !shortages.is_empty() {
                return Err(Error::TooFewTokens { shortages });
            }
        }
        let whole = u128::from(self.phases.whole());
        let is_due = |source| {
            let due = self.phases.target(source, self.resolved.units);
            due >= u128::from(self.row) * whole
        };
        let n_sources = self.tokens.len();
        if is_stated && self.spec.unit == Unit::Tokens && (0..n_sources).all(is_due) {
            return Ok(());
        }
        // Otherwise the walk says whether shares are kept, and whether all sources get a row.
        let forecast = self.forecast()?;
        let never = (0..n_sources).filter(|source| forecast.sources[*source].rows == 0);
        let sources: Vec<NeverDrawn> =
            never.map(|source| self.never_drawn(source, &forecast)).collect();
        if sources.is_empty() { Ok(()) } else { Err(Error::NeverDrawn { sources }) }
    }

    /// The sources that cannot supply their targets of a run of `units`.
    pub(crate) fn shortages(&self, units: u64) -> Vec<Shortage> {
        if self.spec.on_exhausted == Exhausted::Repeat {
            return Vec::new();
        }
        (0..self.supplies.len()).filter_map(|source| self.shortage(source, units)).collect()
    }

    fn shortage(&self, source: usize, units: u64) -> Option<Shortage> {
        let PlanSource { name, max_epochs } = &self.spec.sources[source];
        let Supply { units: available, used, .. } = self.supplies[source];
        let enough = self.supplies[source].left(*max_epochs);
        let whole = u128::from(self.phases.whole());
        let needed = self.phases.target(source, units).div_ceil(whole);
        (needed > u128::from(enough)).then(|| Shortage {
            source: name.clone(),
            unit: self.unit_name(),
            needed: u64::try_from(needed).unwrap_or(u64::MAX),
            available,
            used,
            max_epochs: *max_epochs,
            largest_budget: self
                .in_tokens(self.phases.reached(source, enough).map_or(units, |at| at.whole)),
        })
    }

    fn never_drawn(&self, source: usize, forecast: &Forecast) -> NeverDrawn {
        let total = forecast.sources.iter().map(|source| source.units).sum();
        let due = self.phases.target(source, total) as f64 / self.phases.whole() as f64;
        let after = self.phases.reached(source, self.row);
        NeverDrawn {
            source: self.spec.sources[source].name.clone(),
            unit: self.unit_name(),
            due,
            total,
            row: self.row,
            smallest_budget: after.map(|moment| self.in_tokens(moment.whole + 1)),
        }
    }

    /// The budget in tokens that so many units come to, at the mean of the run.
    fn in_tokens(&self, units: u64) -> u64 {
        let more = match (self.spec.unit, self.resolved.budget) {
            (Unit::Rows | Unit::Documents, Budget::Tokens(tokens)) => {
                let all = u128::from(units) * u128::from(tokens);
                (all / u128::from(self.resolved.units.max(1))) as u64
            }
            (_, _) => units,
        };
        self.start.tokens().saturating_add(more)
    }
}

/// The shares nearest to those of `spec` that its sources can supply, as weights of a hundred with four
/// decimals: each as it is asked or as much as there is, and what is then missing from the others
/// in proportion. `None` if all together have too little, or shares count no tokens or change.
pub fn feasible_weights(
    spec: &PlanSpec,
    tokens: &[Arc<dyn TokenSource + Send>],
) -> Option<Vec<f64>> {
    if spec.unit != Unit::Tokens || !spec.phases.is_empty() {
        return None;
    }
    let supply = |positions| Supply { tokens: positions, units: positions, used: 0 };
    let supplies: Vec<Supply> =
        tokens.iter().map(|source| supply(spec.tokens_of_pass(source.as_ref()))).collect();
    let asked = of_rule(spec, &supplies);
    let units = units(spec, &supplies, &asked, in_tokens_or_steps(spec, &supplies, &asked)) as f64;
    let caps: Vec<f64> = spec
        .sources
        .iter()
        .zip(&supplies)
        .map(|(source, supply)| supply.left(source.max_epochs) as f64 / units)
        .collect();
    let mut shares: Vec<f64> = asked.iter().map(|share| share.as_f64()).collect();
    let mut full = vec![false; shares.len()];
    while let Some(i) = (0..shares.len()).find(|i| !full[*i] && shares[*i] > caps[*i]) {
        (full[i], shares[i]) = (true, caps[i]);
        let sum = |of_full: bool| -> f64 {
            (0..shares.len()).filter(|i| full[*i] == of_full).map(|i| shares[i]).sum()
        };
        let scale = (1.0 - sum(true)) / sum(false);
        if !(scale.is_finite() && scale >= 0.0) {
            return None;
        }
        for i in (0..shares.len()).filter(|i| !full[*i]) {
            shares[i] *= scale;
        }
    }
    // A full source is rounded down, and the roomiest of the others takes what is left.
    let mut weights: Vec<f64> = shares.iter().map(|share| (share * 1e6).floor() / 1e4).collect();
    let roomiest = (0..weights.len())
        .filter(|i| !full[*i])
        .max_by(|a, b| (caps[*a] - shares[*a]).total_cmp(&(caps[*b] - shares[*b])))?;
    let left = 100.0 - weights.iter().sum::<f64>();
    weights[roomiest] = ((weights[roomiest] + left) * 1e4).ceil() / 1e4;
    Some(weights)
}
