//! What was replayed beside pairs or rewards: how much of it there was, and how it pulled.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_ledger::RunDir;

use crate::ends::ends;
use crate::error::Error;

/// Replay at the beginning and at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// In the first tenth of the run's steps.
    pub first: Replayed,
    /// In the last tenth.
    pub last: Replayed,
}

/// Means over some steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replayed {
    /// Mean loss of its tokens by source, nats; each was measured before it was learned from.
    pub losses: BTreeMap<String, f64>,
    /// Its part of all tokens that were learned from, sampled ones among them, 0 to 1.
    pub token_share: f64,
    /// The norm of its gradient over that of the stage's own; `None` where that was zero in all steps.
    pub gradient_ratio: Option<f64>,
}

/// What a run replayed; `None` where that was nothing.
///
/// # Errors
/// [`Error::Run`] when the path is no run or its ledger has a gap.
pub fn replay(run: &RunDir) -> Result<Option<ReplayReport>, Error> {
    let mut sums = [Sums::default(), Sums::default()];
    ends(run, |end, report| {
        let sums = &mut sums[end];
        let measured: Vec<&str> =
            report.measures.iter().map(|measure| measure.source.as_str()).collect();
        for measure in &report.measures {
            match (measure.source.as_str(), measure.name.as_str()) {
                ("stage", "gradient_norm") => sums.norms[0] += measure.value,
                ("replay", "gradient_norm") => sums.norms[1] += measure.value,
                (_, "learned_tokens") => sums.own_tokens += measure.value,
                _ => {}
            }
        }
        let is_rl = report.measures.iter().any(|measure| measure.name == "learned_tokens");
        for source in &report.sources {
            if measured.contains(&source.source.as_str()) {
                // Prompts carry no loss.
                sums.own_tokens += if is_rl { 0.0 } else { source.tokens as f64 };
            } else {
                let (tokens, loss) = sums.replayed.entry(source.source.clone()).or_default();
                *tokens += source.tokens as f64;
                *loss += source.loss_sum;
            }
        }
    })?;
    let is_there = sums.iter().any(|sums| sums.norms[1] > 0.0);
    let [first, last] = sums;
    Ok(is_there.then(|| ReplayReport { first: first.means(), last: last.means() }))
}

#[derive(Default)]
struct Sums {
    /// Tokens and their losses, by source.
    replayed: BTreeMap<String, (f64, f64)>,
    /// Tokens of the stage's own loss.
    own_tokens: f64,
    /// Of the stage's own gradients, and of replay's.
    norms: [f64; 2],
}

impl Sums {
    fn means(self) -> Replayed {
        let tokens: f64 = self.replayed.values().map(|(tokens, _)| tokens).sum();
        let losses = self.replayed.into_iter();
        let [own, beside] = self.norms;
        Replayed {
            losses: losses
                .map(|(source, (tokens, loss))| (source, loss / tokens.max(1.0)))
                .collect(),
            token_share: tokens / (tokens + self.own_tokens).max(1.0),
            gradient_ratio: (own > 0.0).then(|| beside / own),
        }
    }
}
