use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use half::bf16;

use super::Dtype;
use crate::{Config, Decoder, Error, Parameter, names::fields};

/// Saves a checkpoint folder that transformers loads: weights, `config.json`, `generation_config.json`.
///
/// The folder is made when it is not there. Equal weights give equal bytes: the tensors lie in the
/// fixed order and the only metadata is `{"format": "pt"}`. A tied output matrix is not written.
/// Each file is written beside and renamed, the weights first, so that an existing file is replaced
/// whole or not at all.
///
/// # Errors
///
/// [`Error::Write`] naming the file.
pub fn save(decoder: &Decoder, dir: &Path, dtype: Dtype) -> Result<(), Error> {
    let config = decoder.config();
    fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.into(), source })?;
    replace(&dir.join("model.safetensors"), |out| {
        out.write_all(&header(config, &decoder.parameters(), dtype))?;
        fields(config)
            .try_for_each(|field| write_values(out, &decoder.field_values(field), dtype))
    })?;
    replace(&dir.join("config.json"), |out| {
        out.write_all(config.to_json(dtype.name()).as_bytes())
    })?;
    replace(&dir.join("generation_config.json"), |out| {
        out.write_all(config.to_generation_json().as_bytes())
    })
}

/// The length and the JSON of the header, padded so that the data begins at a multiple of 8 bytes.
fn header(config: &Config, parameters: &[Parameter], dtype: Dtype) -> Vec<u8> {
    let (name, width) = match dtype {
        Dtype::F32 => ("F32", 4),
        Dtype::Bf16 => ("BF16", 2),
    };
    // serde_json keeps insertion order here, so the text is a function of the configuration.
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".into(), serde_json::json!({ "format": "pt" }));
    let mut end = 0;
    for parameter in parameters {
        let start = end;
        end += parameter.n_values() * width;
        entries.insert(parameter.name.clone(), serde_json::json!({ "dtype": name, "shape": parameter.shape, "data_offsets": [start, end] }));
    }
    debug_assert_eq!(end, config.n_parameters() * width);
    let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    header
}

fn write_values(out: &mut dyn Write, values: &[f32], dtype: Dtype) -> std::io::Result<()> {
    match dtype {
        Dtype::F32 => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
        // `from_f32` rounds to nearest, ties to even, as PyTorch does.
        Dtype::Bf16 => {
            values.iter().try_for_each(|value| out.write_all(&bf16::from_f32(*value).to_le_bytes()))
        }
    }
}

/// Writes a file beside its place and renames it there.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let partial = path.with_extension("partial");
    let written = File::create(&partial).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&partial, path)
    });
    written.map_err(|source| {
        // A full disk is not helped by a half-written file; that it cannot be removed either says nothing new.
        fs::remove_file(&partial).ok();
        Error::Write { path: path.into(), source }
    })
}
