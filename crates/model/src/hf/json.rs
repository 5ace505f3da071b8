//! JSON objects as lists of pairs, so that a name that stands twice is seen.

use std::{fmt, fs, marker::PhantomData, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};

use crate::Error;

/// The members of an object in their order.
#[derive(Debug)]
pub(super) struct Pairs<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Reads a JSON file; `expected` says what it is, for the message.
pub(super) fn read<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T, Error> {
    let text = fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    serde_json::from_slice(&text).map_err(|source| Error::Json {
        path: path.into(),
        expected,
        source,
    })
}

/// A name from a file as a message shows it: one line, whole where a person chose it.
pub(super) fn short(name: &str) -> String {
    const MOST: usize = 120;
    let shown = name.chars().take(MOST).map(|c| if c.is_control() { '�' } else { c }).collect();
    if name.chars().nth(MOST).is_some() { format!("{shown}…") } else { shown }
}
