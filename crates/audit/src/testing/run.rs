//! Runs over it, recorded step by step.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use temper_ledger::{
    CheckpointManifest, Decision, End, Ledger, Lineage, Outcome, PlanRecord, RunDir, RunInfo,
    SourceData, SourceLoss, StepReport, TooLongRecord,
};
use temper_mix::{Cursor, Plan, PlannedStep};
use temper_recipe::{Budget, Digest, Source};
use temper_tokens::{TokenCorpus, TokenSource as _};

use super::{EVERY, TestProject};
use crate::rederive::row_record;

impl TestProject {
    /// A finished run with checkpoints, an eval and a decision that cites it.
    pub(crate) fn finished_run(&self) -> RunDir {
        let run = self.new_run();
        let plan = self.plan(self.recipe().training.budget);
        let mut ledger = Ledger::create(&run, EVERY).unwrap();
        let cursor = self.train(&run, &mut ledger, &plan, plan.start());
        let chain = ledger.head();
        ledger.finish().unwrap();
        self.save(&run, &cursor, chain);
        let eval = run.write_eval(4, &json!({ "loss": 2.5 })).unwrap();
        let decision = Decision {
            kind: "gate".to_owned(),
            step: 4,
            cites: vec![eval],
            checkpoint: Some(4),
            values: Value::Null,
        };
        run.record_decision(&decision).unwrap();
        self.finish(&run, &cursor);
        run
    }

    /// A finished run that went on to 700 tokens.
    pub(crate) fn extended_run(&self) -> RunDir {
        let run = self.finished_run();
        let last = run.checkpoint(run.latest_checkpoint().unwrap().unwrap()).unwrap();
        let cursor: Cursor = serde_json::from_value(last.training.clone()).unwrap();
        run.record_decision(&Decision::extend(last.step, 700)).unwrap();
        let plan = self.plan(Budget::Tokens(700));
        let mut ledger = Ledger::resume(&run, EVERY, last.step, &last.chain).unwrap();
        let cursor = self.train(&run, &mut ledger, &plan, &cursor);
        let chain = ledger.head();
        ledger.finish().unwrap();
        self.save(&run, &cursor, chain);
        self.finish(&run, &cursor);
        run
    }

    pub(crate) fn new_run(&self) -> RunDir {
        let info = RunInfo {
            version: "0.1.0".to_owned(),
            commit: None,
            features: Vec::new(),
            device_kind: "cpu".to_owned(),
            driver: None,
            cpu_flags: Vec::new(),
            threads: 2,
            arguments: Vec::new(),
            recipe_file: "recipe.toml".into(),
            overrides: Vec::new(),
            started_from: Lineage::Init { folder: "checkpoints/nano".to_owned() },
            growth: None,
        };
        let recipe = self.recipe();
        let (run, _lock) = RunDir::create(&self.project.runs_dir(), &recipe, "", &info).unwrap();
        run.write_plan(&self.plan_record(&self.plan(recipe.training.budget))).unwrap();
        run
    }

    /// Records every step of `plan` from `cursor` on, and saves a checkpoint every [`EVERY`] steps.
    fn train(&self, run: &RunDir, ledger: &mut Ledger, plan: &Plan, cursor: &Cursor) -> Cursor {
        let mut cursor = cursor.clone();
        for step in plan.walk(&cursor).unwrap() {
            self.append(ledger, plan, &step);
            cursor = step.next;
            if cursor.step.is_multiple_of(EVERY) {
                self.save(run, &cursor, ledger.head());
            }
        }
        cursor
    }

    pub(crate) fn append(&self, ledger: &mut Ledger, plan: &Plan, step: &PlannedStep) {
        let recipe = self.recipe();
        let rows: Vec<_> =
            (0..step.rows.len()).map(|number| row_record(plan, step, number, &recipe)).collect();
        let optimizer = &recipe.optimizer;
        let mut tokens = vec![0; plan.sources().len()];
        for row in &step.rows {
            tokens[row.source] += row.tokens();
        }
        let sources = plan.sources().iter().zip(tokens).filter(|(_, tokens)| *tokens > 0);
        let report = StepReport {
            measures: Vec::new(),
            step: step.index,
            tokens: step.tokens(),
            learning_rate: optimizer
                .schedule
                .learning_rate(optimizer.lr, plan.progress(&step.next)),
            loss: 3.0 - step.index as f64 / 100.0,
            gradient_norm: 0.5,
            sources: sources
                .map(|(source, tokens)| SourceLoss {
                    source: source.name.clone(),
                    tokens,
                    loss_sum: tokens as f64 * 2.5,
                })
                .collect(),
        };
        ledger.append(report, rows).unwrap();
    }

    fn save(&self, run: &RunDir, cursor: &Cursor, chain: Digest) {
        let draft = run.draft_checkpoint(cursor.step).unwrap();
        fs::write(draft.folder().join("model.safetensors"), format!("weights {}", cursor.step))
            .unwrap();
        let manifest = CheckpointManifest {
            step: cursor.step,
            tokens: cursor.tokens(),
            recipe: self.recipe().digest(),
            chain,
            weights: Digest::of(b"weights"),
            device_kind: "cpu".to_owned(),
            training: serde_json::to_value(cursor).unwrap(),
            files: BTreeMap::new(),
        };
        draft.commit(manifest).unwrap();
    }

    fn finish(&self, run: &RunDir, cursor: &Cursor) {
        let outcome =
            Outcome { end: End::Finished, step: cursor.step, reason: None, summary: Value::Null };
        run.write_outcome(&outcome).unwrap();
    }

    fn plan_record(&self, plan: &Plan) -> PlanRecord {
        let forecast = plan.forecast().unwrap();
        let source = |(source, tokens): (&Source, &Arc<TokenCorpus>)| SourceData {
            source: source.corpus.clone(),
            manifest: source.manifest,
            shards: tokens.set().key.to_string(),
            digest: tokens.digest(),
            n_documents: tokens.n_documents() as u64,
            n_tokens: tokens.n_tokens(),
            seen: None,
            dropped: tokens.set().dropped.clone(),
            too_long: Some(TooLongRecord { truncated: 0, left_out: 0 }),
            dropped_rows: Vec::new(),
        };
        PlanRecord {
            steps: forecast.steps,
            tokens: forecast.tokens,
            own_tokens: None,
            rows: forecast.rows,
            mix_from: 0,
            tokenizer: Digest::of(b"tokenizer"),
            sources: self.sources.iter().zip(&self.tokens).map(source).collect(),
        }
    }
}
