use std::{fs, path::Path};

use serde_json::json;
use tempfile::TempDir;

use super::TensorFile;
use crate::hf::testing::{check_error, write_parts};

/// A file with one tensor `a` of this type and shape.
fn file(dir: &Path, dtype: &str, shape: &[usize], data: &[u8]) -> std::path::PathBuf {
    let path = dir.join("x.safetensors");
    let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [0, data.len()] });
    let header = [("a".to_owned(), entry)].into_iter().collect();
    write_parts(&path, &header, data);
    path
}

#[test]
fn values_are_read_from_anywhere_within_a_tensor() {
    let dir = TempDir::new().unwrap();
    let values: Vec<f32> = (0..600_000).map(|value| value as f32).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut open = TensorFile::open(&file(dir.path(), "F32", &[600, 1000], &bytes)).unwrap();
    for range in [0..600_000, 0..1, 599_999..600_000, 262_143..262_146, 5..5] {
        assert_eq!(open.read("a", range.clone()).unwrap(), values[range]);
    }
}

#[test]
fn a_weight_that_is_no_number_is_named_with_its_place() {
    let dir = TempDir::new().unwrap();
    let mut values = [1.0_f32; 12];
    values[7] = f32::NAN;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut open = TensorFile::open(&file(dir.path(), "F32", &[3, 4], &bytes)).unwrap();
    check_error(open.read("a", 0..12), &["tensor `a` is NaN at [1, 3]", "diverged"]);
    check_error(open.read("a", 4..12), &["at [1, 3]"]);
    assert!(open.read("a", 8..12).is_ok());
    let infinite = f32::INFINITY.to_le_bytes();
    let mut open = TensorFile::open(&file(dir.path(), "F32", &[1], &infinite)).unwrap();
    check_error(open.read("a", 0..1), &["is inf at [0]"]);
}

#[test]
fn types_that_are_not_computed_with_are_refused_when_they_are_read() {
    let dir = TempDir::new().unwrap();
    let mut open = TensorFile::open(&file(dir.path(), "I64", &[1], &[0; 8])).unwrap();
    check_error(open.read("a", 0..1), &["tensor `a` is I64, expected F32, F16 or BF16"]);
    check_error(
        TensorFile::open(&file(dir.path(), "F33", &[1], &[0; 4])),
        &["tensor `a` is F33, expected F32, F16 or BF16"],
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = TempDir::new().unwrap();
    check_error(TensorFile::open(&dir.path().join("none.safetensors")), &["none.safetensors"]);
    fs::create_dir(dir.path().join("folder")).unwrap();
    check_error(TensorFile::open(&dir.path().join("folder")), &["folder"]);
}
