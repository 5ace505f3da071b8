//! Measurements that were changed, whether their chain was forged along or not.

use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use super::*;

/// Adds 1 to the float `column` in line `line` of a part, as somebody with a Parquet library would.
fn edit_float(path: &Path, column: &str, line: usize) {
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
