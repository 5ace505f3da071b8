//! The bar of a training: step, loss per source, tokens per second, time left.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use temper_train::Progress as StepProgress;

use crate::print::{counted, thousands};
use crate::progress::{Progress, clock};

/// Losses are shown as the mean over this many steps: one step of a small share says little.
const WINDOW: usize = 20;

/// Tokens, or pairs, and their summed loss by source.
type Losses = BTreeMap<String, (u64, f64)>;

/// A training under way.
#[derive(Debug)]
pub(crate) struct TrainingBar {
    bar: Progress,
    started: Instant,
    /// Tokens and progress before the first step seen, when a run was resumed.
    first: Option<(u64, f64)>,
    tokens: u64,
    window: VecDeque<Losses>,
}

impl TrainingBar {
    /// A run of `steps` steps.
    pub(crate) fn start(steps: u64) -> Self {
        let bar = Progress::start("training", steps);
        Self { bar, started: Instant::now(), first: None, tokens: 0, window: VecDeque::new() }
    }

    /// Shows one more step.
    pub(crate) fn step(&mut self, step: &StepProgress) {
        let (first_tokens, first_progress) =
            *self.first.get_or_insert((step.tokens - step.report.tokens, step.progress));
        self.tokens = step.tokens - first_tokens;
        let losses = step.report.sources.iter().map(|source| {
            let measures = step.report.measures.iter();
            // A loss is one of a pair or of a judged answer where there are such.
            let is_counted = ["pairs", "desirable", "undesirable"];
            let answers = measures
                .filter(|measure| measure.source == source.source)
                .filter(|measure| is_counted.contains(&measure.name.as_str()))
                .map(|measure| measure.value as u64)
                .sum();
            let counted = if answers > 0 { answers } else { source.tokens };
            (source.source.clone(), (counted, source.loss_sum))
        });
        self.window.push_back(losses.collect());
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let elapsed = self.started.elapsed().as_secs_f64();
        // The first step's share of the budget is already behind; what is left costs what the rest did.
        let gone = step.progress - first_progress;
        let left = if gone > 0.0 { elapsed * (1.0 - step.progress) / gone } else { 0.0 };
        let rate = self.tokens as f64 / elapsed.max(1e-9);
        let losses = losses_text(&self.window);
        self.bar.at(step.report.step + 1, || {
            let step = step.report.step + 1;
            format!(
                "step {step}  {losses}  {} tokens/s  {} left",
                thousands(rate as u64),
                clock(left)
            )
        });
    }

    /// Shows that the starting model looks at answers, before the first step.
    pub(crate) fn reference(&mut self, done: u64, total: u64) {
        self.before("answers read by the starting model", done, total);
    }

    /// Shows that the Fisher information of curated rows is measured, before the first step.
    pub(crate) fn fisher(&mut self, done: u64, total: u64) {
        self.before("rows measured for their Fisher information", done, total);
    }

    fn before(&mut self, what: &str, done: u64, total: u64) {
        self.bar.at(0, || format!("{} of {} {what}", thousands(done), thousands(total)));
        if done == total {
            // What was no training does not count against the rate.
            self.started = Instant::now();
        }
    }

    /// Does something that is no training: its time does not count against the rate.
    pub(crate) fn pause<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.started += began.elapsed();
        done
    }

    /// A line above the bar.
    pub(crate) fn note(&self, line: &str) {
        self.bar.note(line);
    }

    /// Ends the bar after `steps` steps.
    pub(crate) fn finish(self, steps: u64) {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let rate = self.tokens as f64 / seconds;
        let losses = losses_text(&self.window);
        let steps = counted(steps, "step", "steps");
        self.bar.finish(&format!("{steps}  {losses}  {} tokens/s", thousands(rate as u64)));
    }
}

fn losses_text(window: &VecDeque<Losses>) -> String {
    let mut sums = Losses::new();
    for (source, (tokens, loss)) in window.iter().flatten() {
        let sum = sums.entry(source.clone()).or_default();
        *sum = (sum.0 + tokens, sum.1 + loss);
    }
    let show = |(source, (tokens, loss)): (&String, &(u64, f64))| {
        format!("{source} {:.3}", loss / (*tokens).max(1) as f64)
    };
    sums.iter().map(show).collect::<Vec<_>>().join("  ")
}
