//! How fast a run is audited: shard digests read again, every row derived and compared.
//!
//! `cargo bench --workspace --bench audit` audits ten million tokens. To audit more with the binary:
//! `cargo bench --workspace --bench audit -- --write FOLDER 1000000000`, then in FOLDER
//! `temper audit runs/bench`.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use temper_ledger::{
    End, Ledger, Lineage, Outcome, PlanRecord, RowRecord, RunDir, RunInfo, SegmentRecord,
    SourceData, SourceLoss, StepReport,
};
use temper_mix::{Plan, PlanSpec, PlannedRow, PlannedStep, row_digest};
use temper_recipe::{Digest, Manifest, Project, Recipe, Tokenization};
use temper_tokens::{ShardSet, ShardWriter, TokenCorpus, TokenSource as _};

/// Sources with their shares in twentieths.
const SOURCES: [(&str, u64); 3] = [("a", 14), ("b", 5), ("c", 1)];

/// Ids of one shard; larger corpora have several.
const SHARD_IDS: u64 = 50_000_000;

const POLICY: Tokenization = Tokenization { bos: false, eos: false };

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--write") {
        let tokens = arguments[at + 2].parse().unwrap();
        write_run(Path::new(&arguments[at + 1]), tokens);
        return;
    }
    let tokens = 10_000_000;
    let folder = tempfile::tempdir().unwrap();
    let (project, run) = write_run(folder.path(), tokens);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("audit");
    group.throughput(Throughput::Elements(tokens));
    group.sample_size(10);
    group.bench_function("ledger, shards and derivation", |bench| {
        bench.iter(|| {
            let report = temper_audit::audit(run.path(), &project).unwrap();
            assert!(report.is_clean(), "{:?}", report.findings);
        });
    });
    group.finish();
    criterion.final_summary();
}

/// A finished run of `tokens` tokens in rows of 4,096, over corpora that it reads about twice.
fn write_run(folder: &Path, tokens: u64) -> (Project, RunDir) {
    let project = Project { root: folder.to_owned() };
    let mut sources = Vec::new();
    for (id, twentieths) in SOURCES {
        let manifest = write_manifest(&project, id);
        let ids = tokens * twentieths / 20 / 2;
        sources.push((manifest, Arc::new(write_shards(&project, id, ids * 11 / 10))));
    }
    let recipe = recipe(tokens, &sources);
    let all = sources.iter().map(|(_, tokens)| tokens.clone() as _).collect();
    let plan = Plan::new(PlanSpec::new(&recipe, recipe.training.budget), all).unwrap();
    let info = RunInfo {
        version: "0.1.0".to_owned(),
        commit: None,
        features: Vec::new(),
        device_kind: "cpu".to_owned(),
        driver: None,
        cpu_flags: Vec::new(),
        threads: 1,
        arguments: Vec::new(),
        recipe_file: "recipe.toml".into(),
        overrides: Vec::new(),
        started_from: Lineage::Init { folder: "model".to_owned() },
        growth: None,
    };
    let (run, _lock) = RunDir::create(&project.runs_dir(), &recipe, "", &info).unwrap();
    let source = |(manifest, tokens): &(Manifest, Arc<TokenCorpus>)| SourceData {
        source: manifest.id.clone(),
        manifest: manifest.digest(),
        shards: tokens.set().key.to_string(),
        digest: tokens.digest(),
        n_documents: tokens.n_documents() as u64,
        n_tokens: tokens.n_tokens(),
        seen: None,
        dropped: tokens.set().dropped.clone(),
        too_long: None,
        dropped_rows: Vec::new(),
    };
    let mut record = PlanRecord {
        steps: 0,
        tokens: 0,
        own_tokens: None,
        rows: 0,
        mix_from: 0,
        tokenizer: Digest::of(b"tokenizer"),
        sources: sources.iter().map(source).collect(),
    };
    let mut ledger = Ledger::create(&run, recipe.checkpoint.every).unwrap();
    for step in plan.walk(plan.start()).unwrap() {
        record.steps += 1;
        record.tokens += step.tokens();
        record.rows += step.rows.len() as u64;
        append(&mut ledger, &plan, &recipe, &step);
    }
    ledger.finish().unwrap();
    run.write_plan(&record).unwrap();
    let (end, step, summary) = (End::Finished, record.steps, serde_json::Value::Null);
    run.write_outcome(&Outcome { end, step, reason: None, summary }).unwrap();
    (project, run)
}

fn write_manifest(project: &Project, id: &str) -> Manifest {
    let folder = project.manifests_dir();
    fs::create_dir_all(folder.join("corpora")).unwrap();
    let file = format!("corpora/{id}.parquet");
    fs::write(folder.join(&file), format!("the rows of {id}")).unwrap();
    let sha256 = Digest::of_file(&folder.join(&file)).unwrap();
    let text = format!(
        "schema = 1\nid = \"{id}\"\ncategory = \"test\"\nlicence = \"CC0-1.0\"\nsource = \"a bench\"\n\
         split = \"train\"\n[columns]\ntext = \"text\"\n[[files]]\npath = \"{file}\"\n\
         sha256 = \"{sha256}\"\nrows = 1\n"
    );
    fs::write(folder.join(format!("{id}.toml")), text).unwrap();
    project.manifest(id).unwrap()
}

/// Documents of 50 to 4,000 ids, `n_ids` together.
fn write_shards(project: &Project, id: &str, n_ids: u64) -> TokenCorpus {
    let key = Digest::of(id.as_bytes());
    let folder = project.cache_dir().join(key.to_string());
    fs::create_dir_all(&folder).unwrap();
    let (mut written, mut document, mut infos) = (0, 0_u64, Vec::new());
    while written < n_ids {
        let path = folder.join(format!("shard-{:05}.tok", infos.len()));
        let mut writer = ShardWriter::create(&path, 50_000, 0).unwrap();
        let first = written;
        while written < n_ids && written - first < SHARD_IDS {
            let length = 50 + (document * document * 7919) % 3951;
            let ids: Vec<u32> =
                (0..length).map(|at| ((document * 31 + at * 17) % 50_000) as u32).collect();
            writer.push_ids(&ids).unwrap();
            writer.end_document(infos.len() as u32, document as u32).unwrap();
            written += length;
            document += 1;
        }
        infos.push(writer.finish().unwrap());
    }
    let set = ShardSet::new(id, key, Digest::of(b"tokenizer"), 50_000, POLICY, infos);
    set.save(&folder).unwrap();
    TokenCorpus::open(&folder, true).unwrap()
}

fn recipe(tokens: u64, sources: &[(Manifest, Arc<TokenCorpus>)]) -> Recipe {
    let mut text = format!(
        "schema = 1\nname = \"bench\"\nstage = \"pretrain\"\nseed = 17\n\
         [model]\npartial = false\nadded_tokens = []\n[model.origin]\ninit = \"model\"\n\
         [training]\nsequence_length = 4096\nglobal_batch_size = 64\nmicro_batch_size = 8\n\
         precision = \"f32\"\n[training.budget]\ntokens = {tokens}\n\
         [tokenization]\nbos = false\neos = false\n\
         [mixture]\nunit = \"tokens\"\npacking = \"best-fit\"\npacking_window = 4096\n\
         on_exhausted = \"refuse\"\nphases = []\n[mixture.shares.stated]\n"
    );
    for (id, twentieths) in SOURCES {
        text += &format!("{id} = \"{twentieths}/20\"\n");
    }
    for (manifest, _) in sources {
        text += &format!(
            "[[mixture.sources]]\ncorpus = \"{}\"\nside = \"curated\"\ncategory = \"test\"\n\
             manifest = \"{}\"\nmax_epochs = 4\n",
            manifest.id,
            manifest.digest()
        );
    }
    text += "[optimizer]\nname = \"adamw\"\nlr = 0.001\nbetas = [0.9, 0.95]\neps = 1e-8\n\
             weight_decay = 0.1\nclip_norm = 1.0\nstate = \"reset\"\n\
             [optimizer.schedule]\nkind = \"cosine\"\nwarmup = 0.1\ndecay = 0.0\nmin_lr = 0.0001\n\
             [checkpoint]\nevery = 100\nkeep_last = 1\nkeep_every = 0\ndtype = \"f32\"\n";
    Recipe::from_resolved(&text).unwrap()
}

/// Records a step as a trainer does, with made-up losses.
fn append(ledger: &mut Ledger, plan: &Plan, recipe: &Recipe, step: &PlannedStep) {
    let micro_batch = recipe.training.micro_batch_size as u32;
    let rows = step.rows.iter().zip(0..);
    let rows = rows.map(|(row, number)| record(plan, step.index, number, micro_batch, row));
    let mut tokens = vec![0; plan.sources().len()];
    step.rows.iter().for_each(|row| tokens[row.source] += row.tokens());
    let sources = plan.sources().iter().zip(tokens).filter(|(_, tokens)| *tokens > 0);
    let optimizer = &recipe.optimizer;
    let report = StepReport {
        measures: Vec::new(),
        step: step.index,
        tokens: step.tokens(),
        learning_rate: optimizer.schedule.learning_rate(optimizer.lr, plan.progress(&step.next)),
        loss: 3.0,
        gradient_norm: 0.5,
        sources: sources
            .map(|(source, tokens)| SourceLoss {
                source: source.name.clone(),
                tokens,
                loss_sum: tokens as f64 * 3.0,
            })
            .collect(),
    };
    ledger.append(report, rows.collect()).unwrap();
}

fn record(plan: &Plan, step: u64, number: u32, micro_batch: u32, row: &PlannedRow) -> RowRecord {
    let tokens = row.tokens() as u32;
    let segments = row.segments.iter().map(|segment| {
        let (tokens, document) = (plan.tokens(row.source), segment.document as usize);
        let origin = tokens.origin(document);
        SegmentRecord {
            document: segment.document,
            ids: tokens.ids_digest(document).into(),
            file: origin.file,
            row_group: origin.row_group,
            row: origin.row,
            start: segment.start,
            length: segment.len,
        }
    });
    RowRecord {
        step,
        row: number,
        lane: number / micro_batch,
        source: plan.sources()[row.source].name.clone(),
        epoch: row.epoch,
        tokens,
        supervised: tokens,
        ids: row_digest(plan, row).into(),
        refills: row.refills,
        segments: segments.collect(),
    }
}
