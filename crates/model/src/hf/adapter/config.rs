//! `adapter_config.json`: what a LoRA adapter changes, and by how much.

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::{Map, Value};

use super::targets::{Names, Targets};
use crate::{
    Error,
    hf::json::{self, short},
};

/// The file that makes a folder one of an adapter.
pub(in crate::hf) const CONFIG: &str = "adapter_config.json";

/// A LoRA configuration all of whose fields are computed with.
#[derive(Debug)]
pub(in crate::hf) struct AdapterConfig {
    path: PathBuf,
    /// The name of the base.
    pub(in crate::hf) base: String,
    /// The base's revision on the Hub.
    pub(in crate::hf) revision: Option<String>,
    pub(super) targets: Targets,
    pub(super) modules_to_save: Vec<String>,
    /// Whether a tied output matrix follows a changed embedding.
    pub(super) ensure_weight_tying: bool,
    rank: u64,
    alpha: f64,
    ranks: Vec<(Regex, f64)>,
    alphas: Vec<(Regex, f64)>,
    rank_stabilized: bool,
}

/// Fields that change nothing in the merged weights: records, and what counts in training only.
/// PEFT ignores `fan_in_fan_out` for the linear layers that all families here have.
const NEUTRAL: &[&str] = &[
    "auto_mapping",
    "eva_config",
    "fan_in_fan_out",
    "inference_mode",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
    "task_type",
];

impl AdapterConfig {
    /// Reads the configuration in an adapter's folder.
    ///
    /// # Errors
    ///
    /// [`Error::Adapter`] for the first field whose value is not computed with.
    pub(in crate::hf) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(CONFIG);
        let map: Map<String, Value> = json::read(&path, "a PEFT adapter_config.json")?;
        let mut fields = Fields { path: &path, map };
        fields.expect("peft_type", |value| value == "LORA", "\"LORA\"")?;
        fields.expect("bias", |value| value == "none" || value.is_null(), "\"none\"")?;
        // The other ways to begin change the base itself.
        let known = |value: &Value| {
            value.is_boolean()
                || value.is_null()
                || ["gaussian", "eva", "orthogonal"].iter().any(|way| value == way)
        };
        let expected = "true, false, \"gaussian\", \"eva\" or \"orthogonal\"";
        fields.expect("init_lora_weights", known, expected)?;
        let config = Self {
            base: fields.text("base_model_name_or_path")?.unwrap_or_default(),
            revision: fields.text("revision")?,
            targets: Targets {
                modules: fields.names("target_modules")?.ok_or_else(|| {
                    refusal(&path, "`target_modules`", "null", "names of modules or a pattern")
                })?,
                excluded: fields.names("exclude_modules")?.unwrap_or_default(),
                layers: fields.layers()?,
            },
            modules_to_save: fields.list("modules_to_save")?,
            ensure_weight_tying: fields.flag("ensure_weight_tying")?,
            rank: fields.number("r", 8.0).and_then(|rank| fields.rank("r", rank))?,
            alpha: fields.number("lora_alpha", 8.0)?,
            ranks: fields.patterns("rank_pattern")?,
            alphas: fields.patterns("alpha_pattern")?,
            rank_stabilized: fields.flag("use_rslora")?,
            path: path.clone(),
        };
        for (pattern, rank) in &config.ranks {
            fields.rank(&format!("rank_pattern.{pattern}"), *rank)?;
        }
        fields.finish()?;
        Ok(config)
    }

    /// The rank of a module's factors.
    pub(super) fn rank(&self, module: &str) -> usize {
        matching(&self.ranks, module).map_or(self.rank as usize, |rank| rank as usize)
    }

    /// What the product of a module's factors is multiplied by.
    pub(super) fn scale(&self, module: &str) -> f64 {
        let alpha = matching(&self.alphas, module).unwrap_or(self.alpha);
        let rank = self.rank(module) as f64;
        alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }

    /// An error about the adapter.
    pub(in crate::hf) fn refuse(&self, subject: &str, found: &str, expected: &str) -> Error {
        refusal(&self.path, subject, found, expected)
    }
}

/// The value of the first pattern that a module's name ends with, as PEFT looks it up.
fn matching(patterns: &[(Regex, f64)], module: &str) -> Option<f64> {
    patterns.iter().find(|(pattern, _)| pattern.is_match(module)).map(|(_, value)| *value)
}

fn refusal(path: &Path, subject: &str, found: &str, expected: &str) -> Error {
    Error::Adapter {
        path: path.into(),
        subject: subject.into(),
        found: short(found),
        expected: expected.into(),
    }
}

/// The fields that have not been read yet.
struct Fields<'a> {
    path: &'a Path,
    map: Map<String, Value>,
}

impl Fields<'_> {
    fn take(&mut self, field: &str) -> Value {
        self.map.remove(field).unwrap_or_default()
    }

    fn wrong(&self, field: &str, found: &Value, expected: &str) -> Error {
        refusal(self.path, &format!("`{field}`"), &found.to_string(), expected)
    }

    fn expect(
        &mut self,
        field: &str,
        is_right: impl Fn(&Value) -> bool,
        expected: &str,
    ) -> Result<(), Error> {
        let found = self.take(field);
        if is_right(&found) { Ok(()) } else { Err(self.wrong(field, &found, expected)) }
    }

    fn text(&mut self, field: &str) -> Result<Option<String>, Error> {
        match self.take(field) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            other => Err(self.wrong(field, &other, "a string")),
        }
    }

    fn flag(&mut self, field: &str) -> Result<bool, Error> {
        match self.take(field) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(flag),
            other => Err(self.wrong(field, &other, "true or false")),
        }
    }

    fn number(&mut self, field: &str, default: f64) -> Result<f64, Error> {
        match self.take(field) {
            Value::Null => Ok(default),
            other => other.as_f64().ok_or_else(|| self.wrong(field, &other, "a number")),
        }
    }

    fn rank(&self, field: &str, rank: f64) -> Result<u64, Error> {
        /// A wider product is no low rank.
        const MOST: f64 = 65_536.0;
        if rank.fract() == 0.0 && (1.0..=MOST).contains(&rank) {
            Ok(rank as u64)
        } else {
            Err(self.wrong(field, &rank.into(), "1 to 65,536"))
        }
    }

    fn list(&mut self, field: &str) -> Result<Vec<String>, Error> {
        match self.names(field)? {
            None => Ok(Vec::new()),
            Some(Names::List(names)) => Ok(names),
            Some(Names::Pattern(pattern)) => {
                Err(self.wrong(field, &pattern.as_str().into(), "a list of names"))
            }
            Some(Names::AllLinear) => {
                Err(self.wrong(field, &"all-linear".into(), "a list of names"))
            }
        }
    }

    fn names(&mut self, field: &str) -> Result<Option<Names>, Error> {
        let found = self.take(field);
        match &found {
            Value::Null => return Ok(None),
            Value::String(text) if text == "all-linear" => return Ok(Some(Names::AllLinear)),
            Value::String(text) => {
                return Ok(Some(Names::Pattern(self.pattern(field, &format!("^(?:{text})$"))?)));
            }
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {}
        }
        let names = found.as_array().and_then(|names| {
            names.iter().map(|name| name.as_str().map(String::from)).collect::<Option<Vec<_>>>()
        });
        match names {
            Some(names) => Ok(Some(Names::List(names))),
            None => Err(self.wrong(field, &found, "a list of names or a pattern")),
        }
    }

    fn patterns(&mut self, field: &str) -> Result<Vec<(Regex, f64)>, Error> {
        let found = match self.take(field) {
            Value::Null => return Ok(Vec::new()),
            Value::Object(found) => found,
            other => return Err(self.wrong(field, &other, "an object of patterns and numbers")),
        };
        found
            .iter()
            .map(|(text, value)| {
                let number = value
                    .as_f64()
                    .ok_or_else(|| self.wrong(&format!("{field}.{text}"), value, "a number"))?;
                Ok((self.pattern(field, &format!(r"^(?:.*\.)?(?:{text})$"))?, number))
            })
            .collect()
    }

    fn pattern(&self, field: &str, text: &str) -> Result<Regex, Error> {
        Regex::new(text).map_err(|_| {
            self.wrong(field, &text.into(), "a regular expression without look-around")
        })
    }

    fn layers(&mut self) -> Result<Option<Vec<u64>>, Error> {
        let plain = |value: &Value| {
            [Value::Null, "".into(), "layers".into(), Value::Array(Vec::new())].contains(value)
                || *value == Value::Array(vec!["layers".into()])
        };
        self.expect("layers_pattern", plain, "null or \"layers\"")?;
        let found = self.take("layers_to_transform");
        let layers = match &found {
            Value::Null => return Ok(None),
            Value::Array(layers) if layers.is_empty() => return Ok(None),
            Value::Array(layers) => layers.iter().map(Value::as_u64).collect(),
            one => one.as_u64().map(|layer| vec![layer]),
        };
        let wrong = || self.wrong("layers_to_transform", &found, "numbers of layers");
        layers.map(Some).ok_or_else(wrong)
    }

    /// Refuses the first field left that is set and may change the weights.
    fn finish(self) -> Result<(), Error> {
        let is_unset = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(values) => values.is_empty(),
            Value::Object(values) => values.is_empty(),
            Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
        };
        let set = |(field, value): &(&String, &Value)| {
            !NEUTRAL.contains(&field.as_str()) && !is_unset(value)
        };
        match self.map.iter().find(set) {
            None => Ok(()),
            Some((field, value)) => Err(self.wrong(field, value, "null, false or empty")),
        }
    }
}
