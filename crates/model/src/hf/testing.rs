//! What the tests of several modules need: folders that may be broken, and their messages.

use std::{error::Error as _, fs, path::Path};

use burn::tensor::Device;
use proptest::prelude::*;
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::load;
use crate::{Decoder, Error, testing::fixture};

/// A copy of a fixture that a test may break.
pub(super) fn copy(name: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture(name).join(file), dir.path().join(file)).unwrap();
    }
    dir
}

/// Loads on the CPU.
pub(super) fn loaded(dir: &Path) -> Decoder {
    load(dir, &Device::flex()).unwrap_or_else(|error| panic!("{error}")).0
}

/// The whole chain of messages.
pub(super) fn chain(error: &Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Checks that a message has these parts, and says the way out.
#[track_caller]
pub(super) fn check_error<T>(result: Result<T, Error>, expected: &[&str]) {
    let message = match result {
        Ok(_) => panic!("no error, expected {expected:?}"),
        Err(error) => chain(&error),
    };
    for part in expected.iter().chain(&["\n\nhint: "]) {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

/// Checks why a folder does not load.
#[track_caller]
pub(super) fn check_refused(dir: &Path, expected: &[&str]) {
    check_error(load(dir, &Device::flex()), expected);
}

/// The header of a safetensors file as JSON, and the data behind it.
pub(super) fn parts(file: &Path) -> (Map<String, Value>, Vec<u8>) {
    let bytes = fs::read(file).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + n]).unwrap(), bytes[8 + n..].to_vec())
}

/// Writes a safetensors file, whatever its header says.
pub(super) fn write_parts(file: &Path, header: &Map<String, Value>, data: &[u8]) {
    let json = serde_json::to_string(header).unwrap();
    let bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), data].concat();
    fs::write(file, bytes).unwrap();
}

/// Changes fields of a JSON file.
pub(super) fn edit_json(file: &Path, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut value: Map<String, Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, serde_json::to_string_pretty(&value).unwrap()).unwrap();
}

/// The names of the files in a folder, sorted.
pub(super) fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Asserts that two folders have the same files with the same bytes.
#[track_caller]
pub(super) fn assert_same_files(a: &Path, b: &Path) {
    assert_eq!(listing(a), listing(b));
    for name in listing(a) {
        let bytes = |dir: &Path| fs::read(dir.join(&name)).unwrap();
        assert!(bytes(a) == bytes(b), "{name} differs");
    }
}

/// Changes some bytes, and sometimes cuts the end off.
pub(super) fn mutate(bytes: &mut Vec<u8>, changes: &[(u32, u8)], cut: u32) {
    for (at, value) in changes {
        let len = bytes.len();
        if len > 0 {
            bytes[*at as usize % len] = *value;
        }
    }
    if cut.is_multiple_of(4) {
        bytes.truncate(cut as usize % (bytes.len() + 1));
    }
}

/// Changes for [`mutate`].
pub(super) fn changes() -> impl Strategy<Value = Vec<(u32, u8)>> {
    // Mostly bytes that mean something in JSON.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"0123456789[]{},:\"-eE.".to_vec())];
    prop::collection::vec((any::<u32>(), byte), 1..8)
}
