//! What stands beside `tokenizer.json`.

use std::path::Path;

use serde_json::Value;

use super::read;
use crate::error::Error;

/// What `tokenizer_config.json` calls BOS and EOS.
#[derive(Default)]
pub(super) struct Names {
    pub(super) bos: Option<String>,
    pub(super) eos: Option<String>,
    /// Whether it says that texts begin with BOS.
    pub(super) add_bos: Option<bool>,
}

impl Names {
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let problem = |problem| Error::Tokenizer { path: path.to_owned(), problem };
        let json: Value =
            serde_json::from_slice(&read(path)?).map_err(|error| problem(error.to_string()))?;
        let name = |key: &str| match (&json[key], &json[key]["content"]) {
            (Value::Null, _) => Ok(None),
            (Value::String(name), _) | (_, Value::String(name)) => Ok(Some(name.clone())),
            (other, _) => {
                Err(problem(format!("`{key}` is {other}, expected a string or an added token")))
            }
        };
        let add_bos = json["add_bos_token"].as_bool();
        Ok(Self { bos: name("bos_token")?, eos: name("eos_token")?, add_bos })
    }
}
