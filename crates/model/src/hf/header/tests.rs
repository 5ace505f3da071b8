use std::{fs, path::Path};

use proptest::prelude::*;
use tempfile::TempDir;

use super::Header;
use crate::{
    Config,
    hf::{
        index::{INDEX, Index},
        tensor_file::TensorFile,
        testing::{changes, check_error, mutate},
    },
    testing::{FIXTURES, families, fixture},
};

/// Parses a header in a file of so many bytes.
fn parse(json: &str, n_bytes: u64) -> Result<Header, crate::Error> {
    Header::parse(json.as_bytes(), n_bytes, Path::new("x.safetensors"))
}

#[track_caller]
fn check(json: &str, n_bytes: u64, expected: &[&str]) {
    check_error(parse(json, n_bytes), expected);
}

#[test]
fn places_that_cannot_be_are_refused() {
    let entry = |shape: &str, start: u64, end: u64| {
        format!("{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}")
    };
    let one = |shape, start, end| format!("{{\"a\":{}}}", entry(shape, start, end));
    let n = |json: &str, data: u64| 8 + json.len() as u64 + data;
    let json = one("[2]", 0, 8);
    assert_eq!(parse(&json, n(&json, 8)).unwrap().tensors["a"].shape, [2]);
    check(&json, n(&json, 7), &["its header announces"]);
    check(&one("[2]", 0, 4), 100, &["tensor `a` has offsets 0 to 4", "8 bytes for F32 [2]"]);
    check(&one("[2]", 8, 0), 100, &["has offsets 8 to 0"]);
    check(&one("[2]", 4, 12), 100, &["begins at byte 4 behind a hole"]);
    let huge = format!("[{0},{0},{0}]", u32::MAX);
    check(&one(&huge, 0, 8), 100, &["overflows"]);
    let two = format!("{{\"a\":{},\"b\":{}}}", entry("[2]", 0, 8), entry("[2]", 4, 12));
    check(&two, 100, &["tensor `b` begins at byte 4, within `a`"]);
    let twice = format!("{{\"a\":{0},\"a\":{0}}}", entry("[2]", 0, 8));
    check(&twice, 100, &["tensor `a` stands twice in the header"]);
    check("[]", 100, &["names with type, shape and offsets"]);
    check("{\"__metadata__\": {\"a\": 3}}", 100, &["names with type, shape and offsets"]);
}

/// The configurations of all families, ropes and windows.
fn configurations() -> Vec<Vec<u8>> {
    families().iter().map(|(_, folder)| fs::read(folder.join("config.json")).unwrap()).collect()
}

proptest! {
    /// Whatever is in the files: an answer or an error, and no panic.
    #[test]
    fn damaged_headers_do_no_harm(changes in changes(), cut in any::<u32>()) {
        let bytes = fs::read(fixture(FIXTURES[0]).join("model.safetensors")).unwrap();
        let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut json = bytes[8..8 + n].to_vec();
        mutate(&mut json, &changes, cut);
        let n_bytes = (8 + json.len() + bytes.len() - 8 - n) as u64;
        if let Ok(header) = Header::parse(&json, n_bytes, Path::new("x")) {
            for entry in header.tensors.values() {
                prop_assert!(entry.start <= entry.end && header.data_start + entry.end <= n_bytes);
            }
        }
    }

    #[test]
    fn damaged_configurations_do_no_harm(
        text in prop::sample::select(configurations()), changes in changes(), cut in any::<u32>(),
    ) {
        let mut text = text;
        mutate(&mut text, &changes, cut);
        let _ = Config::from_json(&String::from_utf8_lossy(&text), Path::new("config.json"));
    }

    #[test]
    fn damaged_files_do_no_harm(changes in changes(), cut in any::<u32>()) {
        let dir = TempDir::new().unwrap();
        let mut bytes = fs::read(fixture(FIXTURES[0]).join("model.safetensors")).unwrap();
        bytes.truncate(12_000);
        mutate(&mut bytes, &changes, cut);
        let path = dir.path().join("x.safetensors");
        fs::write(&path, &bytes).unwrap();
        if let Ok(mut file) = TensorFile::open(&path) {
            let names: Vec<String> = file.names().map(String::from).collect();
            for name in names {
                let n = file.shape(&name).unwrap().iter().product();
                let _ = file.read(&name, 0..n);
            }
        }
        let index = dir.path().join(INDEX);
        let mut text = b"{\"weight_map\": {\"a\": \"x.safetensors\", \"b\": \"y.safetensors\"}}".to_vec();
        mutate(&mut text, &changes, cut);
        fs::write(&index, text).unwrap();
        let _ = Index::read(&index);
    }
}
