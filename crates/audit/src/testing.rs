//! A project with two corpora and a run that was recorded as a trainer records it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use temper_ledger::{
    CheckpointManifest, Decision, End, Ledger, Lineage, Outcome, PlanRecord, RunDir, RunInfo,
    SourceData, SourceLoss, StepReport, TooLongRecord,
};
use temper_mix::{Cursor, Plan, PlannedStep};
use temper_recipe::{
    Budget, CheckpointPolicy, Columns, Digest, Exhausted, GradientSum, Manifest, ManifestFile,
    Mixture, ModelOrigin, ModelSpec, OnBadRow, Optimizer, OptimizerName, OptimizerState, Packing,
    Precision, Project, Recipe, Schedule, ScheduleKind, Sft, Share, Shares, Side, Source, Split,
    Stage, StoredDtype, Tokenization, Training, Unit,
};
use temper_tokens::{ShardSet, ShardWriter, TokenCorpus, TokenSource};
use tempfile::TempDir;

use crate::rederive::{plan_over, row_record};

/// Steps between checkpoints.
pub(crate) const EVERY: u64 = 4;

/// A folder with manifests, corpora, shards and runs; removed when dropped.
pub(crate) struct TestProject {
    _folder: TempDir,
    pub(crate) project: Project,
    tokens: Vec<Arc<TokenCorpus>>,
    sources: Vec<Source>,
    shares: BTreeMap<String, Share>,
}

impl TestProject {
    /// `chem` (75 %, ids below 640, short documents) and `prose` (25 %, long ones).
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let project = Project { root: folder.path().to_owned() };
        let mut test = Self {
            _folder: folder,
            project,
            tokens: Vec::new(),
            sources: Vec::new(),
            shares: BTreeMap::new(),
        };
        test.add("chem", Share::new(3, 4).unwrap(), 0, &[6; 100]);
        test.add("prose", Share::new(1, 4).unwrap(), 640, &[45, 9, 20, 33, 61, 12, 50, 17]);
        test
    }

    fn add(&mut self, id: &str, share: Share, first_id: u32, lengths: &[usize]) {
        let folder = self.project.manifests_dir();
        fs::create_dir_all(folder.join("corpora")).unwrap();
        let file = format!("corpora/{id}.parquet");
        fs::write(folder.join(&file), format!("the rows of {id}")).unwrap();
        let manifest = Manifest {
            schema: 1,
            id: id.to_owned(),
            category: "test".to_owned(),
            licence: "CC0-1.0".to_owned(),
            source: "made for tests".to_owned(),
            attribution: None,
            condition: None,
            fraction: None,
            max_documents: None,
            split: Split::Train,
            columns: Columns {
                id: None,
                text: Some("text".to_owned()),
                messages: None,
                rejected: None,
                label: None,
                tools: None,
                context: None,
                answer: None,
                choices: None,
                gold: None,
                cluster: None,
                confounder: None,
                metadata: Vec::new(),
            },
            files: vec![ManifestFile {
                sha256: Digest::of_file(&folder.join(&file)).unwrap(),
                path: file,
                rows: lengths.len() as u64,
            }],
        };
        fs::write(folder.join(format!("{id}.toml")), manifest_toml(&manifest)).unwrap();
        let manifest = self.project.manifest(id).unwrap();
        self.tokens.push(Arc::new(self.write_shards(id, first_id, lengths)));
        self.shares.insert(id.to_owned(), share);
        self.sources.push(Source {
            corpus: id.to_owned(),
            side: Side::Customer,
            category: "test".to_owned(),
            manifest: manifest.digest(),
            max_epochs: 9,
        });
    }

    /// Two shards, in two row groups.
    fn write_shards(&self, id: &str, first_id: u32, lengths: &[usize]) -> TokenCorpus {
        let folder = self.shards(id);
        fs::create_dir_all(&folder).unwrap();
        let mut next = first_id;
        let mut infos = Vec::new();
        for (group, lengths) in lengths.chunks(lengths.len() / 2).enumerate() {
            let path = folder.join(format!("shard-{group:05}.tok"));
            let mut writer = ShardWriter::create(&path, 4096, 0).unwrap();
            for (row, length) in lengths.iter().enumerate() {
                let ids: Vec<u32> = (next..next + *length as u32).collect();
                next += *length as u32;
                writer.push_ids(&ids).unwrap();
                writer.end_document(group as u32, row as u32).unwrap();
            }
            infos.push(writer.finish().unwrap());
        }
        let key = Digest::of(id.as_bytes());
        let set = ShardSet::new(id, key, Digest::of(b"tokenizer"), 4096, POLICY, infos);
        set.save(&folder).unwrap();
        TokenCorpus::open(&folder, true).unwrap()
    }

    /// The folder of a source's shards.
    pub(crate) fn shards(&self, id: &str) -> PathBuf {
        self.project.cache_dir().join(Digest::of(id.as_bytes()).to_string())
    }

    pub(crate) fn recipe(&self) -> Recipe {
        Recipe {
            schema: 1,
            name: "a".to_owned(),
            stage: Stage::MidTrain,
            seed: 17,
            model: ModelSpec {
                partial: false,
                added_tokens: Vec::new(),
                origin: ModelOrigin::From("checkpoints/nano".to_owned()),
                chat_template: None,
            },
            training: Training {
                budget: Budget::Tokens(400),
                sequence_length: 16,
                global_batch_size: 3,
                micro_batch_size: 1,
                precision: Precision::F32,
                memory: None,
                activation_checkpointing: false,
                most_logits: 1 << 25,
                gradient_sum: GradientSum::Tree,
                frozen: Vec::new(),
            },
            tokenization: POLICY,
            mixture: Mixture {
                unit: Unit::Tokens,
                packing: Packing::BestFit,
                packing_window: 8,
                on_exhausted: Exhausted::Refuse,
                on_bad_row: OnBadRow::Refuse,
                shares: Shares::Stated(self.shares.clone()),
                phases: Vec::new(),
                skip_seen: Vec::new(),
                sources: self.sources.clone(),
            },
            sft: Sft::default(),
            preference: None,
            rl: None,
            replay: None,
            lora: None,
            anchor: None,
            ema: None,
            optimizer: Optimizer {
                name: OptimizerName::Adamw,
                momentum: 0.0,
                lr: 1e-3,
                betas: [0.9, 0.95],
                eps: 1e-8,
                weight_decay: 0.1,
                clip_norm: 1.0,
                schedule: Schedule {
                    kind: ScheduleKind::Cosine,
                    warmup: 0.1,
                    ..Schedule::constant(1e-4)
                },
                state: OptimizerState::Reset,
            },
            checkpoint: CheckpointPolicy {
                every: EVERY,
                keep_last: 9,
                keep_every: 0,
                dtype: StoredDtype::F32,
            },
            forgetting: None,
        }
    }

    /// The documents of the sources.
    pub(crate) fn documents(&self) -> Vec<Arc<dyn TokenSource + Send>> {
        self.tokens.iter().map(|tokens| tokens.clone() as _).collect()
    }

    pub(crate) fn plan(&self, budget: Budget) -> Plan {
        plan_over(&self.recipe(), budget, self.documents(), None).unwrap()
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
}

const POLICY: Tokenization = Tokenization { bos: false, eos: false };

fn manifest_toml(manifest: &Manifest) -> String {
    let Manifest { id, category, licence, source, files, .. } = manifest;
    let ManifestFile { path, sha256, rows } = &files[0];
    format!(
        "schema = 1\nid = \"{id}\"\ncategory = \"{category}\"\nlicence = \"{licence}\"\n\
         source = \"{source}\"\nsplit = \"train\"\n[columns]\ntext = \"text\"\n\
         [[files]]\npath = \"{path}\"\nsha256 = \"{sha256}\"\nrows = {rows}\n"
    )
}
