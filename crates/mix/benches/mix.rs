//! How fast plans are packed, walked and read.
//!
//! `cargo bench --workspace --bench mix`. Shares and row length are those that
//! docs/how-the-mix-works.md compares `datasets.interleave_datasets` with.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use temper_mix::{Plan, PlanSource, PlanSpec};
use temper_recipe::{Budget, Digest, Exhausted, Packing, Share, Shares, Tokenization, Unit};
use temper_tokens::{DocumentOrigin, ShardSet, ShardWriter, TokenCorpus, TokenSource};

/// Documents whose lengths come round and round, and whose ids are copied from one buffer as a
/// shard's are from its file.
struct Simulated {
    n_documents: usize,
    lengths: Vec<usize>,
    ids: Vec<u16>,
}

impl Simulated {
    fn new(n_documents: usize, shortest: usize, longest: usize) -> Self {
        let lengths = (0..997).map(|k: usize| shortest + (k * k * 7919) % (longest - shortest + 1));
        let ids = (0..=2 * longest).map(|id| (id % 50_000) as u16).collect();
        Self { n_documents, lengths: lengths.collect(), ids }
    }
}

impl TokenSource for Simulated {
    fn n_documents(&self) -> usize {
        self.n_documents
    }

    fn document_len(&self, document: usize) -> usize {
        self.lengths[document % self.lengths.len()]
    }

    fn read(&self, _: usize, start: usize, out: &mut [u32]) {
        let ids = &self.ids[start..start + out.len()];
        out.iter_mut().zip(ids).for_each(|(out, id)| *out = u32::from(*id));
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        DocumentOrigin { file: 0, row_group: 0, row: document as u32 }
    }
}

/// Three sources with the shares 70, 25 and 5, as the peer's.
fn spec(budget: Budget, packing: Packing) -> PlanSpec {
    let names = ["a", "b", "c"];
    let shares = names.iter().zip([70, 25, 5]);
    let shares =
        shares.map(|(name, percent)| ((*name).to_owned(), Share::new(percent, 100).unwrap()));
    let source = |name: &&str| PlanSource { name: (*name).to_owned(), max_epochs: 1000 };
    PlanSpec {
        whole_documents: false,
        replay: None,
        seed: 1,
        budget,
        sequence_length: 1024,
        rows_per_step: 16,
        packing,
        packing_window: 1024,
        unit: Unit::Tokens,
        shares: Shares::Stated(shares.collect()),
        phases: Vec::new(),
        on_exhausted: Exhausted::Refuse,
        sources: names.iter().map(source).collect(),
    }
}

fn plan(n_documents: usize, lengths: (usize, usize), budget: Budget, packing: Packing) -> Plan {
    let source = || Arc::new(Simulated::new(n_documents, lengths.0, lengths.1)) as _;
    Plan::new(spec(budget, packing), (0..3).map(|_| source()).collect()).unwrap()
}

const MANY: usize = 200;

/// Two hundred sources with shares from 1 to 200 parts.
fn many(budget: Budget) -> Plan {
    let name = |i: usize| format!("corpus-{i:03}");
    let whole = (MANY * (MANY + 1) / 2) as u64;
    let share = |i: usize| (name(i), Share::new(i as u64 + 1, whole).unwrap());
    let source = |i| PlanSource { name: name(i), max_epochs: 100_000 };
    let spec = PlanSpec {
        whole_documents: false,
        replay: None,
        shares: Shares::Stated((0..MANY).map(share).collect()),
        sources: (0..MANY).map(source).collect(),
        ..spec(budget, Packing::BestFit)
    };
    let tokens = (0..MANY).map(|_| Arc::new(Simulated::new(2000, 50, 4000)) as _).collect();
    Plan::new(spec, tokens).unwrap()
}

fn packing(c: &mut Criterion) {
    let mut group = c.benchmark_group("pack");
    let n_documents = 100_000;
    group.throughput(Throughput::Elements(3 * n_documents as u64));
    group.sample_size(10);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (name, lengths) in [("plain text", (50, 4000)), ("short conversations", (20, 400))] {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let plan = plan(n_documents, lengths, Budget::Tokens(1_000_000), Packing::BestFit);
                one.install(|| (0..3).map(|source| plan.packing(source).rows).sum::<u64>())
            });
        });
    }
    group.finish();
}

fn walking(c: &mut Criterion) {
    let mut group = c.benchmark_group("walk");
    let steps = 200_000_u64;
    group.throughput(Throughput::Elements(16 * steps));
    group.sample_size(10);
    let plan = plan(200_000, (50, 4000), Budget::Steps(2 * steps), Packing::BestFit);
    (0..3).for_each(|source| _ = plan.packing(source));
    group.bench_function("rows counted, none read, of 3 sources", |bench| {
        bench.iter(|| plan.walk_to(plan.start(), steps).unwrap().cursor());
    });
    let plan = many(Budget::Steps(2 * steps));
    (0..MANY).for_each(|source| _ = plan.packing(source));
    group.bench_function("rows counted, none read, of 200 sources", |bench| {
        bench.iter(|| plan.walk_to(plan.start(), steps).unwrap().cursor());
    });
    group.finish();
}

/// Shards as a corpus has them, in the page cache once they were read.
fn shards(folder: &Path, name: &str) -> Arc<dyn TokenSource + Send> {
    let source = Simulated::new(20_000, 50, 4000);
    let path = folder.join(format!("{name}.tok"));
    let mut writer = ShardWriter::create(&path, 50_000, 0).unwrap();
    for document in 0..source.n_documents {
        let mut ids = vec![0; source.document_len(document)];
        source.read(document, document % 997, &mut ids);
        writer.push_ids(&ids).unwrap();
        writer.end_document(0, document as u32).unwrap();
    }
    let info = writer.finish().unwrap();
    let (folder, digest) = (folder.join(name), Digest::of(name.as_bytes()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::rename(&path, folder.join(&info.file_name)).unwrap();
    let policy = Tokenization { bos: true, eos: true };
    ShardSet::new(name, digest, digest, 50_000, policy, vec![info]).save(&folder).unwrap();
    Arc::new(TokenCorpus::open(&folder, true).unwrap())
}

fn loading(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    let steps = 2000_u64;
    let folder = tempfile::tempdir().unwrap();
    let tokens = ["a", "b", "c"].map(|name| shards(folder.path(), name)).into();
    let spec = spec(Budget::Steps(steps), Packing::BestFit);
    let plan = Plan::new(spec, tokens).unwrap();
    group.throughput(Throughput::Elements(steps * 16 * 1024));
    group.sample_size(10);
    group.bench_function("batches of 16 × 1,024 tokens from shards", |bench| {
        bench.iter(|| {
            let walk = plan.walk(plan.start()).unwrap();
            walk.map(|step| plan.lanes(&step, 8).len()).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, packing, walking, loading);
criterion_main!(benches);
