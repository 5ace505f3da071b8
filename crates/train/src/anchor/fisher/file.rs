//! The file with Fisher information that a run keeps, and that others may name.
//!
//! A safetensors file: for each tensor of the checkpoint one of its name and shape, in 32-bit floats, and in the
//! metadata, under `fisher`, a [`FisherRecord`] as JSON.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use temper_model::{Config, Decoder, Parameter, parameters};
use temper_recipe::Digest;
use temper_tokens::Staged;

use crate::error::Error;
use crate::state::{self, Header};

const KEY: &str = "fisher";

/// What Fisher information was measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FisherRecord {
    /// The digest of the weights.
    pub weights: Digest,
    /// The corpora that its rows were drawn from.
    pub sources: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// Their tokens that carry loss.
    pub tokens: u64,
}

impl FisherRecord {
    /// That of the file at `path`, which must have a tensor for each of a model of this shape; values are not read.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, [`Error::FisherFile`] for one that is no Fisher information, is not
    /// all there or is that of a model of another shape.
    pub fn of_file(path: &Path, config: &Config) -> Result<Self, Error> {
        let file = fs::File::open(path).and_then(|file| file.metadata());
        let n_bytes = file.map_err(Error::io("read", path))?.len();
        let no_fisher = || {
            let expected = "a file that a run with `ewc` has kept";
            Error::fisher_file(path, "no Fisher information".to_owned(), expected)
        };
        let Header { tensors: mut header, n_bytes: whole } =
            state::header(path).ok_or_else(no_fisher)?;
        let metadata = header.shift_remove("__metadata__").ok_or_else(no_fisher)?;
        let record = metadata.get(KEY).and_then(Value::as_str);
        let record = record.and_then(|record| serde_json::from_str(record).ok());
        let record = record.ok_or_else(no_fisher)?;
        if n_bytes != whole {
            let expected = format!("{whole}, as it begins");
            return Err(Error::fisher_file(path, format!("{n_bytes} bytes"), &expected));
        }
        for Parameter { name, shape } in parameters(config) {
            let expected = format!("`{name}` of shape {shape:?}, as the model has it");
            let Some(tensor) = header.shift_remove(&name) else {
                return Err(Error::fisher_file(path, format!("no tensor `{name}`"), &expected));
            };
            if tensor["shape"] != Value::from(shape) {
                let found = format!("`{name}` of shape {}", tensor["shape"]);
                return Err(Error::fisher_file(path, found, &expected));
            }
            if tensor["dtype"] != "F32" {
                let found = format!("`{name}` of type {}", tensor["dtype"]);
                return Err(Error::fisher_file(path, found, "32-bit floats, `F32`"));
            }
        }
        match header.keys().next() {
            Some(name) => {
                let expected = "the tensors of the model alone";
                Err(Error::fisher_file(path, format!("a tensor `{name}`"), expected))
            }
            None => Ok(record),
        }
    }
}

pub(super) fn write(
    path: &Path,
    decoder: &Decoder,
    fisher: &[f32],
    record: &FisherRecord,
) -> Result<(), Error> {
    create_folder_of(path)?;
    let staged = Staged::create_shared(path)?;
    let record = serde_json::to_string(record).expect("names and numbers are JSON");
    state::write_with(staged.partial_path(), &decoder.parameters(), fisher, (KEY, record))?;
    Ok(staged.commit()?)
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let bytes = fs::read(from).map_err(Error::io("read", from))?;
    create_folder_of(to)?;
    Ok(Staged::write(to, &bytes)?)
}

fn create_folder_of(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(Error::io("write", folder)),
        None => Ok(()),
    }
}

/// Reads the file with this digest, which somebody named.
pub(super) fn read(
    path: &Path,
    digest: Digest,
    parameters: &[Parameter],
) -> Result<Vec<f32>, Error> {
    let found = Digest::of_file(path).map_err(Error::io("read", path))?;
    if found != digest {
        let expected = format!("{}, as the recipe was resolved with", digest.short());
        return Err(Error::fisher_file(path, format!("digest {}", found.short()), &expected));
    }
    let fisher = state::read(path, parameters, "").map_err(|error| {
        if let Error::State { path, found, expected } = error {
            // It is no checkpoint: another one would not help.
            return Error::FisherFile { path, found, expected };
        }
        error
    })?;
    match fisher.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
        Some(value) => {
            Err(Error::fisher_file(path, format!("a value of {value}"), "means of squares"))
        }
        None => Ok(fisher),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use temper_model::hf;
    use tempfile::TempDir;

    use super::*;

    fn decoder(family: &str) -> Decoder {
        let folder = Path::new("../../tests/fixtures/families").join(family);
        hf::load(&folder, &Device::flex()).unwrap().0
    }

    fn record() -> FisherRecord {
        let sources = vec!["essays".to_owned(), "novels".to_owned()];
        FisherRecord { weights: Digest::of(b"weights"), sources, rows: 8, tokens: 512 }
    }

    #[test]
    fn what_was_measured_comes_back_with_what_it_was_measured_on() {
        let (folder, decoder) = (TempDir::new().unwrap(), decoder("llama"));
        let n = decoder.config().n_parameters();
        let fisher: Vec<f32> = (0..n).map(|at| at as f32 / n as f32).collect();
        let [one, other] =
            ["one/fisher.safetensors", "other.safetensors"].map(|name| folder.path().join(name));
        write(&one, &decoder, &fisher, &record()).unwrap();
        assert_eq!(FisherRecord::of_file(&one, decoder.config()).unwrap(), record());
        copy(&one, &other).unwrap();
        let digest = Digest::of_file(&one).unwrap();
        assert_eq!(read(&other, digest, &decoder.parameters()).unwrap(), fisher);
        write(&other, &decoder, &fisher, &record()).unwrap();
        assert_eq!(Digest::of_file(&other).unwrap(), digest);
    }

    #[test]
    fn what_is_of_another_model_or_none_is_refused() {
        let (folder, decoder) = (TempDir::new().unwrap(), decoder("llama"));
        let path = folder.path().join("fisher.safetensors");
        #[track_caller]
        fn check<T: std::fmt::Debug>(found: Result<T, Error>, expected: &str) {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let of_file = |config| FisherRecord::of_file(&path, config);
        check(of_file(decoder.config()), "cannot read");
        fs::write(&path, "no tensors").unwrap();
        check(of_file(decoder.config()), "found no Fisher information");
        // Weights have the same names and shapes.
        let values = decoder.values();
        state::write(&path, &decoder.parameters(), &[("", &values)]).unwrap();
        check(of_file(decoder.config()), "found no Fisher information");

        let mut fisher = vec![0.0; values.len()];
        write(&path, &decoder, &fisher, &record()).unwrap();
        let grown = decoder.config().with_vocab_size(decoder.config().vocab_size + 8);
        check(of_file(&grown), "`model.embed_tokens.weight` of shape");
        let biased = self::decoder("llama-biases-tied");
        check(of_file(biased.config()), "found no tensor `model.layers.0.");
        let mut more = decoder.parameters();
        more.push(Parameter { name: "another".to_owned(), shape: vec![1] });
        let said = (KEY, serde_json::to_string(&record()).unwrap());
        state::write_with(&path, &more, &[&fisher[..], &[0.0]].concat(), said).unwrap();
        check(of_file(decoder.config()), "found a tensor `another`");

        // A copy that ended early, and one that something was written behind.
        write(&path, &decoder, &fisher, &record()).unwrap();
        let whole = fs::read(&path).unwrap();
        let longer = [&whole[..], &b"more"[..]].concat();
        for found in [&whole[..whole.len() - 4], &longer[..]] {
            fs::write(&path, found).unwrap();
            let expected = format!("found {} bytes, expected {}", found.len(), whole.len());
            check(of_file(decoder.config()), &expected);
            let digest = Digest::of_file(&path).unwrap();
            let read = read(&path, digest, &decoder.parameters());
            assert!(matches!(read, Err(Error::FisherFile { .. })), "{read:?}");
        }
        let at = whole.windows(5).position(|bytes| bytes == b"\"F32\"").unwrap();
        let mut integers = whole.clone();
        integers[at + 1] = b'I';
        fs::write(&path, integers).unwrap();
        check(of_file(decoder.config()), "of type \"I32\", expected 32-bit floats");

        fisher[7] = -1.0;
        write(&path, &decoder, &fisher, &record()).unwrap();
        let digest = Digest::of_file(&path).unwrap();
        check(read(&path, digest, &decoder.parameters()), "a value of -1");
        check(
            read(&path, Digest::of(b""), &decoder.parameters()),
            "as the recipe was resolved with",
        );
    }
}
