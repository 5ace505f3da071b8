//! What an instruction says beside its name.

use serde_json::{Map, Value};

pub(super) struct Arguments<'a>(pub(super) &'a Map<String, Value>);

impl Arguments<'_> {
    fn get(&self, key: &str) -> Result<&Value, String> {
        self.0.get(key).ok_or_else(|| format!("it needs `{key}`"))
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, String> {
        self.get(key)?.as_str().ok_or_else(|| format!("`{key}` is no text"))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<&str>, String> {
        let items = self.get(key)?.as_array().ok_or_else(|| format!("`{key}` is no list"))?;
        let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
        texts.ok_or_else(|| format!("`{key}` is no list of texts"))
    }

    pub(super) fn number(&self, key: &str) -> Result<usize, String> {
        let number = self.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| format!("`{key}` is no count"))
    }

    pub(super) fn holds(&self, key: &str, n: usize) -> Result<bool, String> {
        self.holds_by("relation", key, n)
    }

    /// `at least` or `less than` so many, as the argument `relation` says.
    pub(super) fn holds_by(&self, relation: &str, key: &str, n: usize) -> Result<bool, String> {
        let limit = self.number(key)?;
        match self.text(relation)? {
            "at least" => Ok(n >= limit),
            "less than" => Ok(n < limit),
            other => Err(format!("`{relation}` is `{other}`, expected `at least` or `less than`")),
        }
    }
}
