//! Scores during and after a run, held against the baseline, and the gate's decisions.

use std::error::Error as StdError;
use std::sync::atomic::Ordering;

use anyhow::Result;
use serde_json::json;
use temper_eval::{ForgettingReport, Gate, GateState, SuiteScore, forgetting, gate};
use temper_ledger::{Decision, End, RunDir};
use temper_model::Decoder;
use temper_recipe::{Action, ForgettingPolicy};
use temper_train::{Observer, Progress, Verdict};

use crate::scoring::Scorer;
use crate::signals::Signals;
use crate::since::{Since, SinceReport};
use crate::tables;
use crate::training::TrainingBar;

/// The kind of a gate's decision in the ledger.
pub(crate) const GATE: &str = "gate";

/// The kind of a decision to go on although a gate said stop.
const PAST_GATE: &str = "past-gate";

/// That `run`, which has ended after `step` steps and is resumed, goes on past its gate; `None` where that did not say
/// stop.
pub(crate) fn past_gate(run: &RunDir, step: u64) -> Result<Option<Decision>> {
    // One that was killed or interrupted has not been told what its gate said.
    let ended = run.outcome()?.is_some_and(|it| matches!(it.end, End::Finished | End::Stopped));
    let is_told = ended && said(&run.decisions()?, step) == Some(true);
    Ok(is_told.then(|| Decision {
        kind: PAST_GATE.to_owned(),
        step,
        cites: Vec::new(),
        checkpoint: None,
        values: json!({}),
    }))
}

/// Whether the gate says stop after `step` steps, where it was decided; nobody is stopped twice by the same look.
fn said(decisions: &[Decision], step: u64) -> Option<bool> {
    let at = |kind: &str| decisions.iter().find(|taken| taken.kind == kind && taken.step == step);
    at(GATE).map(|taken| taken.values["stop"] == true && at(PAST_GATE).is_none())
}

/// Whoever compares a run's weights with those it started from.
#[derive(Debug)]
pub(crate) struct Gatekeeper<'a> {
    pub(crate) run: &'a RunDir,
    pub(crate) scorer: &'a Scorer,
    pub(crate) policy: &'a ForgettingPolicy,
    /// Of the resampling.
    pub(crate) seed: u64,
    /// The score before step 0.
    pub(crate) before: SuiteScore,
    /// What the gate goes by instead, where the recipe says so.
    pub(crate) since: Option<Since>,
    /// How often the gate will look, the last time included: each look costs certainty.
    pub(crate) looks: u32,
    pub(crate) signals: &'a Signals,
}

/// One evaluation against the baseline.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) after: SuiteScore,
    pub(crate) report: ForgettingReport,
    pub(crate) since: Option<SinceReport>,
    pub(crate) gate: Gate,
    /// What the policy makes of the gate.
    pub(crate) stop: bool,
}

impl Gatekeeper<'_> {
    /// Scores the weights after `step` steps and records what the gate says.
    pub(crate) fn look(&self, step: u64, decoder: &Decoder) -> Result<Look> {
        let after = match self.scored(step, decoder)? {
            Some(score) => score,
            None => self.scorer.score(decoder, "scoring", self.signals.flag())?,
        };
        let cited = self.run.write_eval(step, &serde_json::to_value(&after)?)?;
        let report = forgetting(&self.before, &after, self.seed, self.looks)?;
        let since = self.since.as_ref().map(|since| -> Result<SinceReport> {
            let forgetting = forgetting(&since.before, &after, self.seed, self.looks)?;
            Ok(SinceReport { checkpoint: since.checkpoint.clone(), forgetting })
        });
        let since = since.transpose()?;
        let basis = since.as_ref().map_or(&report, |since| &since.forgetting);
        let gate = gate(basis, &self.policy.tolerance);
        let action = match gate.state {
            GateState::Held => Action::Warn,
            GateState::Breach => self.policy.action,
            GateState::Undecided => self.policy.on_undecided,
        };
        let stop = action == Action::Stop;
        if self.decided(step)?.is_none() {
            self.run.record_decision(&Decision {
                kind: GATE.to_owned(),
                step,
                cites: match &self.since {
                    Some(since) => vec![since.cited.clone(), cited],
                    None => vec![self.run.eval(0)?.1, cited],
                },
                // Whoever is told to stop wants to look at the weights that were the reason.
                checkpoint: stop.then_some(step),
                values: json!({ "outcome": gate.state, "stop": stop, "looks": self.looks }),
            })?;
        }
        Ok(Look { after, report, since, gate, stop })
    }

    /// What was decided after `step` steps before a kill: a decision is taken once.
    fn decided(&self, step: u64) -> Result<Option<bool>> {
        Ok(said(&self.run.decisions()?, step))
    }

    /// The score after `step` steps, if these very weights were scored before a kill.
    fn scored(&self, step: u64, decoder: &Decoder) -> Result<Option<SuiteScore>> {
        if !self.run.evals()?.contains(&step) {
            return Ok(None);
        }
        let score: SuiteScore = serde_json::from_value(self.run.eval(step)?.0)?;
        let weights = temper_model::weights_digest(decoder).into();
        Ok((score.provenance.weights == weights).then_some(score))
    }
}

/// Shows the training and looks at the gate on schedule.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    pub(crate) gatekeeper: Option<&'a Gatekeeper<'a>>,
    pub(crate) bar: TrainingBar,
}

impl Observer for Watcher<'_> {
    fn step(&mut self, progress: &Progress) {
        self.bar.step(progress);
    }

    fn reference(&mut self, done: u64, total: u64) {
        self.bar.reference(done, total);
    }

    fn fisher(&mut self, done: u64, total: u64) {
        self.bar.fisher(done, total);
    }

    fn evaluate(
        &mut self,
        step: u64,
        decoder: &Decoder,
    ) -> Result<Verdict, Box<dyn StdError + Send + Sync>> {
        let Some(gatekeeper) = self.gatekeeper else { return Ok(Verdict::Continue) };
        let stop = match gatekeeper.decided(step)? {
            Some(stop) => stop,
            None => match self.bar.pause(|| gatekeeper.look(step, decoder)) {
                Ok(look) => {
                    self.bar.note(&format!("step {step}: {}", tables::gate(&look.gate)));
                    look.stop
                }
                // The stage sees the flag too and saves; the evaluation is due again on resume.
                Err(_) if gatekeeper.signals.flag().load(Ordering::SeqCst) => false,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(if stop { Verdict::Stop } else { Verdict::Continue })
    }
}
