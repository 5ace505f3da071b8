use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use temper_ledger::{DroppedRow, Ledger, TooLongRecord};

use super::*;
use crate::testing::{EVERY, TestProject};

fn messages(report: &AuditReport) -> Vec<String> {
    report.findings.iter().map(Finding::to_string).collect()
}

#[track_caller]
fn check_clean(test: &TestProject, run: &RunDir) -> AuditReport {
    let report = audit(run.path(), &test.project).unwrap();
    assert_eq!(messages(&report), [""; 0]);
    report
}

#[test]
fn a_run_as_recorded_is_clean() {
    let test = TestProject::new();
    let run = test.finished_run();
    let report = check_clean(&test, &run);
    let forecast = test.plan(test.recipe().training.budget).forecast().unwrap();
    assert_eq!(
        (report.steps, report.rows, report.tokens),
        (forecast.steps, forecast.rows, forecast.tokens)
    );
    for (source, planned) in report.sources.iter().zip(&forecast.sources) {
        assert_eq!((source.tokens, source.rows), (planned.tokens, planned.rows));
        assert_eq!(source.epochs, Some(planned.epochs));
        assert_eq!(source.first_step, Some(planned.first_step));
        assert_eq!(source.largest_deviation.units.abs(), planned.largest_deviation);
        assert!((source.realised - source.asked.unwrap()).abs() < 0.05, "{source:?}");
    }
    let (_, largest) = report.largest_deviation.as_ref().unwrap();
    assert!(largest.rows.abs() <= 1.0 && largest.units == largest.rows * 16.0, "{largest:?}");
    assert!(report.checks.iter().all(|check| check.n > 0), "{:?}", report.checks);
}

#[test]
fn an_extended_run_is_clean() {
    let test = TestProject::new();
    let run = test.extended_run();
    let report = check_clean(&test, &run);
    assert!(report.tokens >= 700, "{}", report.tokens);
}

#[test]
fn an_interrupted_run_is_clean() {
    let test = TestProject::new();
    let run = test.new_run();
    assert_eq!(check_clean(&test, &run).steps, 0);
    let plan = test.plan(test.recipe().training.budget);
    let mut ledger = Ledger::create(&run, EVERY).unwrap();
    for step in plan.walk(plan.start()).unwrap().take(6) {
        test.append(&mut ledger, &plan, &step);
    }
    ledger.flush().unwrap();
    assert_eq!(check_clean(&test, &run).steps, 6);
}

/// Damages a finished run, or the project under it, and expects each finding to begin as listed.
#[track_caller]
fn check(damage: impl FnOnce(&TestProject, &RunDir), expected: &[&str]) {
    let test = TestProject::new();
    let run = test.finished_run();
    damage(&test, &run);
    let report = audit(run.path(), &test.project).unwrap();
    let found = messages(&report);
    for expected in expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected}: {found:#?}");
    }
    let unexpected: Vec<&String> = found
        .iter()
        .filter(|found| !expected.iter().any(|expected| found.starts_with(expected)))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

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

#[track_caller]
fn edit(path: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
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

/// Records the run again with some steps changed; the checkpoints stay.
#[track_caller]
fn check_rewritten(change: impl Fn(&mut LedgerStep), expected: &[&str]) {
    check(
        |_, run| {
            let steps: Vec<LedgerStep> =
                LedgerReader::open(run).unwrap().steps().collect::<Result<_, _>>().unwrap();
            fs::remove_dir_all(run.ledger_folder()).unwrap();
            fs::create_dir(run.ledger_folder()).unwrap();
            let mut ledger = Ledger::create(run, EVERY).unwrap();
            for mut step in steps {
                change(&mut step);
                ledger.append(step.step.report, step.rows).unwrap();
            }
            ledger.finish().unwrap();
        },
        expected,
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

/// Adds 1 to the float `column` in line `line` of a part, as somebody with a Parquet library would.
fn edit_float(path: &std::path::Path, column: &str, line: usize) {
    let file = fs::File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let metadata = builder.metadata().file_metadata().key_value_metadata().cloned();
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let at = batch.schema().index_of(column).unwrap();
    let mut columns = batch.columns().to_vec();
    let mut values = columns[at].as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec();
    values[line] += 1.0;
    columns[at] = Arc::new(Float64Array::from(values));
    let edited = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let properties = WriterProperties::builder().set_key_value_metadata(metadata).build();
    let out = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(out, edited.schema(), Some(properties)).unwrap();
    writer.write(&edited).unwrap();
    writer.close().unwrap();
}

#[test]
fn an_edited_measurement_is_named_with_its_step() {
    for (file, column) in
        [("steps-000004-000007.parquet", "loss"), ("steps-000004-000007.parquet", "gradient_norm")]
    {
        check(
            |_, run| edit_float(&run.ledger_folder().join(file), column, 1),
            &["chain: step 5: found "],
        );
    }
    check(
        |_, run| {
            edit_float(&run.ledger_folder().join("losses-000000-000003.parquet"), "loss_sum", 0)
        },
        &["chain: step 0: found "],
    );
}

#[test]
fn an_edited_learning_rate_is_derived_again() {
    let file = "steps-000004-000007.parquet";
    check(
        |_, run| edit_float(&run.ledger_folder().join(file), "learning_rate", 1),
        &["chain: step 5: found ", "step: step 5, learning_rate: found 1.000"],
    );
    // A chain that is whole again does not hide it.
    check_rewritten(
        |step| {
            if step.step.report.step == 2 {
                step.step.report.learning_rate *= 2.0;
            }
        },
        &["step: step 2, learning_rate: found 0.00", "checkpoint: step-"],
    );
    check(
        |_, run| edit(run.path().join("recipe.resolved.toml"), "lr = 0.001", "lr = 0.002"),
        &["recipe: recipe.resolved.toml: found ", "step: step "],
    );
}

#[test]
fn nothing_to_audit_is_an_error() {
    let test = TestProject::new();
    let run = test.new_run();
    fs::write(run.path().join("recipe.resolved.toml"), "name =").unwrap();
    let error = audit(run.path(), &test.project).unwrap_err();
    assert!(matches!(error, Error::Recipe { .. }), "{error}");
    let error = audit(&run.path().join("missing"), &test.project).unwrap_err();
    assert!(error.to_string().contains("is no run"), "{error}");
}

#[test]
fn the_report_is_json() {
    let test = TestProject::new();
    let run = test.finished_run();
    let report = serde_json::to_value(audit(run.path(), &test.project).unwrap()).unwrap();
    assert_eq!(report["run"], "a");
    assert_eq!(report["sources"][0]["source"], "chem");
    assert_eq!(report["findings"], serde_json::json!([]));
}
