//! Data and records that were changed after the run.

use temper_ledger::{DroppedRow, TooLongRecord};

use super::*;

fn flip(path: PathBuf, at: usize) {
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn changed_data_is_named() {
    check(
        |test, run| {
            let step = LedgerReader::open(run).unwrap().step(0).unwrap().unwrap();
            let row = step.rows.iter().find(|row| row.source == "chem").unwrap();
            // Fifty documents of six ids of two bytes to a shard, after a header of 64 bytes.
            let (shard, document) =
                (row.segments[0].document / 50, row.segments[0].document as usize % 50);
            flip(test.shards("chem").join(format!("shard-{shard:05}.tok")), 64 + 12 * document);
        },
        &["shard: shard-0000", "row: step 0, row "],
    );
    check(
        |test, _| fs::remove_dir_all(test.shards("prose")).unwrap(),
        &["shard: shards of `prose`: found cannot read "],
    );
    check(
        |test, _| flip(test.shards("prose").join("tokens.json"), 10),
        &["shard: shards of `prose`: found "],
    );
    check(
        |test, _| {
            fs::write(test.project.manifests_dir().join("corpora/chem.parquet"), "other rows")
                .unwrap()
        },
        &["corpus: corpora/chem.parquet: found sha256 "],
    );
    check(
        |test, _| {
            fs::remove_file(test.project.manifests_dir().join("corpora/chem.parquet")).unwrap()
        },
        &["corpus: corpora/chem.parquet: found No such file"],
    );
    check(
        |test, _| edit(test.project.manifests_dir().join("prose.toml"), "CC0-1.0", "MIT"),
        &["manifest: data-manifests/prose.toml: found "],
    );
}

#[test]
fn edited_records_are_named() {
    check(
        |_, run| {
            edit(run.path().join("recipe.resolved.toml"), "clip_norm = 1.0", "clip_norm = 2.0")
        },
        &["recipe: recipe.resolved.toml: found "],
    );
    check(
        |_, run| edit(run.path().join("outcome.json"), "\"step\": ", "\"step\": 1"),
        &["step: steps in the ledger: found "],
    );
    check(
        |_, run| edit(run.path().join("evals/step-000004.json"), "2.5", "2.4"),
        &["decision: `gate` at step 4, evals/step-000004.json: found sha256 "],
    );
    check(
        |_, run| fs::remove_file(run.path().join("evals/step-000004.json")).unwrap(),
        &["decision: `gate` at step 4, evals/step-000004.json: found No such file"],
    );
    check(
        |_, run| fs::write(run.ledger_folder().join("decisions.jsonl"), "{").unwrap(),
        &["decision: decisions.jsonl: found "],
    );
    check(
        |_, run| edit(run.checkpoint_folder(4).join("model.safetensors"), "4", "5"),
        &["checkpoint: step-000004/model.safetensors: found sha256 "],
    );
    check(
        |_, run| fs::write(run.checkpoint_folder(8).join("more"), "").unwrap(),
        &["checkpoint: step-000008/more: found a file, expected none of that name"],
    );
    check(
        |_, run| {
            let plan = run.plan().unwrap().unwrap();
            edit(run.path().join("plan.json"), &plan.sources[0].shards, "../../elsewhere");
        },
        &["plan: shards of `chem`: found folder `../../elsewhere`, expected a digest"],
    );
    check(
        |_, run| {
            let mut plan = run.plan().unwrap().unwrap();
            let chem = &mut plan.sources[0];
            chem.dropped.insert("no pair".to_owned(), 1);
            let reason = "no pair".to_owned();
            chem.dropped_rows.push(DroppedRow { file: 0, row_group: 0, row: 0, reason });
            chem.too_long = Some(TooLongRecord { truncated: 1, left_out: 0 });
            run.write_plan(&plan).unwrap();
        },
        &[
            "plan: rows of `chem` dropped: found {\"no pair\": 1}, expected {}",
            "plan: `chem`, file 0, row group 0, row 0: found dropped, expected a document",
            "plan: documents of `chem` longer than a row: found 1 truncated, 0 left out, expected 0",
        ],
    );
}

#[test]
fn damaged_ledgers_are_named() {
    check(
        |_, run| fs::remove_file(run.ledger_folder().join("rows-000000-000003.parquet")).unwrap(),
        &["ledger: parts: found ledger "],
    );
    check(
        |_, run| {
            fs::write(run.ledger_folder().join("segments-000004-000007.parquet"), "x").unwrap()
        },
        &["ledger: parts: found ledger "],
    );
}

#[test]
fn a_ledger_written_anew_does_not_fit_the_checkpoints() {
    // The chain is whole again, but its head is not what the checkpoints saw.
    check_rewritten(
        |step| step.step.report.loss = 1.0,
        &[
            "checkpoint: step-000004, chain: found ",
            "checkpoint: step-000008, chain: found ",
            "checkpoint: step-0000",
        ],
    );
    check_rewritten(
        |step| {
            if step.step.report.step == 5 {
                step.rows[1].segments[0].document += 1;
                step.rows[1].epoch += 1;
            }
        },
        &[
            "row: step 5, row 1, epoch: found 1, expected 0",
            "row: step 5, row 1, segment 0: found ",
        ],
    );
    check_rewritten(
        |step| {
            if step.step.report.step == 2 {
                step.rows[0].source = "web".to_owned();
            }
        },
        &[
            "row: step 2, row 0, source: found web, expected ",
            "row: step 2, row 0, source: found `web`, expected a source of the recipe",
            "total: `losses`, sum of tokens of ",
            "checkpoint: step-",
        ],
    );
}
