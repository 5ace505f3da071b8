//! The audit finds and names what was changed after a run.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, Float64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{Float64Type, UInt64Type};
use expect_test::{Expect, expect};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use super::mask_digests;
use crate::project::Project;

/// Changes a copy of a finished run and compares what the audit finds.
#[track_caller]
fn check(whole: &Project, change: impl FnOnce(&Project), expected: Expect) {
    let project = whole.copy();
    change(&project);
    let audit = project.temper(&["audit", "runs/small"]).expect_code(1);
    assert_eq!(audit.stderr, "");
    let is_count = |line: &&str| line.ends_with(" difference") || line.ends_with(" differences");
    let findings = audit.stdout.lines().skip_while(|line| !is_count(line)).skip(1);
    let lines: Vec<&str> = findings.map(str::trim).collect();
    let findings = lines.join("\n").replace(project.path("").to_str().unwrap(), "");
    expected.assert_eq(&mask_digests(&findings));
}

/// Flips one bit of the byte `at` parts of a hundred into the file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let i = bytes.len() * at / 100;
    bytes[i] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The folder in the cache with the shards of `source`.
fn shards(project: &Project, source: &str) -> String {
    let plan = fs::read_to_string(project.path("runs/small/plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let sources = plan["sources"].as_array().unwrap();
    let data = sources.iter().find(|data| data["source"] == source).unwrap();
    format!(".temper/cache/{}", data["shards"].as_str().unwrap())
}

/// Writes a part of the ledger again, as anyone with a Parquet library can, with one column changed.
fn edit_part(
    project: &Project,
    file: &str,
    column: &str,
    change: impl FnOnce(&ArrayRef) -> ArrayRef,
) {
    let path = project.path("runs/small/ledger").join(file);
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let entries = builder.metadata().file_metadata().key_value_metadata().cloned();
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let at = batch.schema().index_of(column).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[at] = change(&columns[at]);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let properties = WriterProperties::builder().set_key_value_metadata(entries).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The same numbers, the second one lower.
fn lower(losses: &ArrayRef) -> ArrayRef {
    let mut losses: Vec<f64> = losses.as_primitive::<Float64Type>().values().to_vec();
    losses[1] -= 0.1;
    Arc::new(Float64Array::from(losses))
}

fn another_document(documents: &ArrayRef) -> ArrayRef {
    let mut documents: Vec<u64> = documents.as_primitive::<UInt64Type>().values().to_vec();
    documents[0] += 1;
    Arc::new(UInt64Array::from(documents))
}

#[test]
fn the_audit_names_what_was_changed() {
    let whole = Project::new();
    whole.temper(&["run", "recipe.toml"]).expect_success();
    whole.temper(&["audit", "runs/small"]).expect_success();

    // What was trained on.
    let customer = "data-manifests/customer.parquet";
    check(
        &whole,
        |project| flip(&project.path(customer), 50),
        expect!["corpus: customer.parquet: found sha256 …, expected sha256 …"],
    );
    let manifest = "data-manifests/customer.toml";
    check(
        &whole,
        |project| project.edit(manifest, "CC0-1.0", "MIT"),
        expect!["manifest: data-manifests/customer.toml: found …, expected …"],
    );
    let shard = format!("{}/shard-00000.tok", shards(&whole, "customer"));
    check(
        &whole,
        |project| flip(&project.path(&shard), 50),
        expect!["shard: shard-00000.tok of `customer`: found sha256 …, expected sha256 …"],
    );
    let set = shards(&whole, "general");
    check(
        &whole,
        |project| fs::remove_dir_all(project.path(&set)).unwrap(),
        expect![
            "shard: shards of `general`: found cannot read `.temper/cache/…/tokens.json`: No such file or directory (os error 2), expected the set with digest …"
        ],
    );

    // What was recorded.
    let steps = "steps-000004-000007.parquet";
    check(
        &whole,
        |project| edit_part(project, steps, "loss", lower),
        expect!["chain: step 5: found …, expected …"],
    );
    let losses = "losses-000004-000007.parquet";
    check(
        &whole,
        |project| edit_part(project, losses, "loss_sum", lower),
        expect!["chain: step 4: found …, expected …"],
    );
    let segments = "segments-000004-000007.parquet";
    check(
        &whole,
        |project| edit_part(project, segments, "document", another_document),
        expect![
            "row: step 4, row 0, segment 0: found 24 tokens from 0 of document 186 (file 0, row group 0, row 185, ids bc5fc88fe2945165), expected 24 tokens from 0 of document 185 (file 0, row group 0, row 185, ids bc5fc88fe2945165)"
        ],
    );
    let part = "runs/small/ledger/rows-000008-000011.parquet";
    check(
        &whole,
        |project| flip(&project.path(part), 99),
        expect![
            "ledger: parts: found ledger part `runs/small/ledger/rows-000008-000011.parquet` is unreadable: Parquet error: Empty struct has fields, expected parts that can be read"
        ],
    );
    check(
        &whole,
        |project| fs::remove_file(project.path(part)).unwrap(),
        expect![
            "ledger: parts: found ledger `runs/small/ledger`: found no part of `rows` with step 8, expected the steps before 12 without a gap, expected all parts in order"
        ],
    );
    let recipe = "runs/small/recipe.resolved.toml";
    check(
        &whole,
        |project| project.edit(recipe, "weight_decay = 0.1", "weight_decay = 0.2"),
        expect!["recipe: recipe.resolved.toml: found …, expected …"],
    );

    // What came out.
    let checkpoint = "runs/small/checkpoints/step-000024";
    let file = |name: &str| format!("{checkpoint}/{name}");
    check(
        &whole,
        |project| flip(&project.path(&file("model.safetensors")), 90),
        expect!["checkpoint: step-000024/model.safetensors: found sha256 …, expected sha256 …"],
    );
    check(
        &whole,
        |project| fs::remove_file(project.path(&file("tokenizer.json"))).unwrap(),
        expect!["checkpoint: step-000024/tokenizer.json: found no such file, expected sha256 …"],
    );
    let eval = "runs/small/evals/step-000024.json";
    check(
        &whole,
        |project| flip(&project.path(eval), 99),
        expect![
            "decision: `gate` at step 24, evals/step-000024.json: found sha256 …, expected sha256 …"
        ],
    );
}
