//! Reading a JSON object field by field, so that what was not read can be refused by name.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value};

use crate::Error;

/// Fields of transformers' configurations that change no logit and no gradient.
const BOOKKEEPING: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_name_or_path",
    "architectures",
    "auto_map",
    "cache_implementation",
    "chunk_size_feed_forward",
    "decoder_start_token_id",
    "dtype",
    "id2label",
    "is_decoder",
    "is_encoder_decoder",
    "is_llama_config",
    "keys_to_ignore_at_inference",
    "label2id",
    "max_length",
    "num_labels",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
];

/// One object of a `config.json`, of which each field is taken at most once.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: &'a Path,
    /// Where the object lies in the file, with a dot at the end: empty, or `rope_scaling.`.
    prefix: String,
    map: &'a Map<String, Value>,
    taken: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: &'a Path, map: &'a Map<String, Value>) -> Self {
        Self { path, prefix: String::new(), map, taken: BTreeSet::new() }
    }

    /// A field's value; null means that it is not there, as for transformers.
    pub(super) fn take(&mut self, field: &'static str) -> Option<&'a Value> {
        self.taken.insert(field);
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Whether the object has no field at all.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether the field stands in the file, with a value or with null.
    pub(super) fn is_named(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    pub(super) fn size(&mut self, field: &'static str) -> Result<usize, Error> {
        match self.optional_size(field)? {
            Some(size) => Ok(size),
            None => Err(self.wrong(field, "missing", "a whole number")),
        }
    }

    pub(super) fn optional_size(&mut self, field: &'static str) -> Result<Option<usize>, Error> {
        self.optional(field, "a whole number", |value| {
            value.as_u64().and_then(|n| usize::try_from(n).ok())
        })
    }

    pub(super) fn optional_number(&mut self, field: &'static str) -> Result<Option<f64>, Error> {
        self.optional(field, "a number", Value::as_f64)
    }

    pub(super) fn number(&mut self, field: &'static str, default: f64) -> Result<f64, Error> {
        Ok(self.optional_number(field)?.unwrap_or(default))
    }

    pub(super) fn required_number(&mut self, field: &'static str) -> Result<f64, Error> {
        match self.optional_number(field)? {
            Some(number) => Ok(number),
            None => Err(self.wrong(field, "missing", "a number")),
        }
    }

    pub(super) fn numbers(&mut self, field: &'static str) -> Result<Option<Vec<f64>>, Error> {
        self.optional(field, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    pub(super) fn flag(&mut self, field: &'static str, default: bool) -> Result<bool, Error> {
        Ok(self.optional(field, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<&'a str>, Error> {
        self.optional(field, "a string", Value::as_str)
    }

    /// A list with one entry for each of `n_layers` layers.
    pub(super) fn per_layer<T>(
        &mut self,
        field: &'static str,
        n_layers: usize,
        expected: &str,
        entry: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        let expected = format!("{n_layers} entries, each {expected}");
        self.optional(field, &expected, |value| {
            let entries: Option<Vec<T>> = value.as_array()?.iter().map(entry).collect();
            entries.filter(|entries| entries.len() == n_layers)
        })
    }

    /// An object within this one.
    pub(super) fn object(&mut self, field: &'static str) -> Result<Option<Self>, Error> {
        let map = self.optional(field, "an object", Value::as_object)?;
        Ok(map.map(|map| self.within(field, map)))
    }

    fn within(&self, field: &str, map: &'a Map<String, Value>) -> Self {
        Self {
            path: self.path,
            prefix: format!("{}{field}.", self.prefix),
            map,
            taken: BTreeSet::new(),
        }
    }

    /// Accepts a field only where it leaves the computation as it is.
    pub(super) fn expect(&mut self, field: &'static str, expected: &Value) -> Result<(), Error> {
        match self.take(field) {
            Some(found) if !is_equal(found, expected) => {
                Err(self.wrong(field, &found.to_string(), &expected.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The refusal of a field's value.
    pub(super) fn wrong(&self, field: &str, found: &str, expected: &str) -> Error {
        Error::ConfigValue {
            path: self.path.into(),
            field: format!("{}{field}", self.prefix),
            found: short(found),
            expected: expected.into(),
        }
    }

    /// Refuses the first field that nobody asked for: its meaning is not implemented.
    pub(super) fn finish(self) -> Result<(), Error> {
        let unknown = self.map.iter().find(|(field, value)| {
            let is_bookkeeping = self.prefix.is_empty() && BOOKKEEPING.contains(&field.as_str());
            !(value.is_null() || is_bookkeeping || self.taken.contains(field.as_str()))
        });
        match unknown {
            None => Ok(()),
            Some((field, value)) => Err(Error::ConfigUnknown {
                path: self.path.into(),
                field: format!("{}{field}", self.prefix),
                found: short(&value.to_string()),
            }),
        }
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.take(field) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(self.wrong(field, &value.to_string(), expected)),
        }
    }
}

/// A value as an error shows it; some are long lists.
fn short(value: &str) -> String {
    const MOST: usize = 80;
    match value.char_indices().nth(MOST) {
        None => value.into(),
        Some((end, _)) => format!("{}…", &value[..end]),
    }
}

/// Equality in which 0 and 0.0 are the same.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
