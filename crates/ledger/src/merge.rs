//! What a merged checkpoint was made of, written beside it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::lineage::{Import, Parent};
use crate::whole::{read_json_if_there, versioned};

/// How a checkpoint was made of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The method, as the command line calls it.
    pub method: String,
    /// Its numbers, in words.
    pub settings: String,
    /// What the models were trained from, where the method asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<MergeInput>,
    /// In the order they were named.
    pub models: Vec<MergeInput>,
}

/// One checkpoint of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeInput {
    /// As it was asked for.
    pub asked: String,
    /// The run that made it; `None` for a folder that no run made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<Parent>>,
    /// What else is known of a folder that no run made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Box<Import>>,
}

impl Merge {
    /// Where it lies in the checkpoint's folder.
    pub const FILE: &'static str = "temper/merge.json";

    /// That of the checkpoint in `folder`; `None` where it was not merged.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Malformed`] for a file that temper did not write.
    pub fn load(folder: &Path) -> Result<Option<Self>, Error> {
        read_json_if_there(&folder.join(Self::FILE))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&versioned(self)).expect("names and texts are JSON")
    }
}
