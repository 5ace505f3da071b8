//! Whether the tensors of a folder are those of a decoder.

use std::{collections::BTreeSet, path::Path};

use super::{
    report::{Ignored, LoadReport, Mismatched, Missing, resembling},
    weights::Weights,
};
use crate::{
    Config, Error,
    names::{Field, Stored},
};

/// A tied decoder has none, but many a checkpoint does.
const HEAD: &str = "lm_head.weight";

/// Names for which a likeness is looked for; a decoder of another family lacks thousands.
const COMPARED: usize = 16;

/// Compares the tensors that a configuration implies with those that are there.
///
/// `replaced` are tensors that come from elsewhere and need not be there.
pub(super) fn fit(
    folder: &Path,
    config: &Config,
    expected: &[Stored],
    weights: &mut Weights,
    replaced: impl Fn(&str) -> bool,
) -> Result<LoadReport, Error> {
    let mut report = LoadReport {
        folder: folder.into(),
        loaded: Vec::new(),
        merged: Vec::new(),
        missing: Vec::new(),
        mismatched: Vec::new(),
        unused: Vec::new(),
        ignored: Vec::new(),
        drawn: Vec::new(),
    };
    for tensor in expected {
        let (name, shape) = (tensor.name.clone(), tensor.shape(config));
        match weights.shape(&name) {
            _ if replaced(&name) => report.loaded.push(name),
            None => report.missing.push(Missing { name, resembles: None }),
            Some(found) if found == shape => report.loaded.push(name),
            Some(found) => {
                report.mismatched.push(Mismatched { name, found: found.into(), expected: shape });
            }
        }
    }
    let embedding = expected.iter().find(|tensor| tensor.fields == [Field::Embedding]);
    let parts: BTreeSet<&str> = expected.iter().map(|tensor| tensor.name.as_str()).collect();
    let others: Vec<String> =
        weights.names().filter(|name| !parts.contains(name)).map(Into::into).collect();
    for name in others {
        // A head is no part only where the embedding is tied.
        if name == HEAD {
            let equal =
                embedding.map(|tensor| weights.is_equal(&name, &tensor.name)).transpose()?;
            let differs = equal != Some(true);
            report.ignored.push(Ignored { name, differs });
        } else if name.ends_with(".rotary_emb.inv_freq") {
            report.ignored.push(Ignored { name, differs: false });
        } else {
            report.unused.push(name);
        }
    }
    for missing in report.missing.iter_mut().take(COMPARED) {
        let unused = report.unused.iter().map(String::as_str);
        missing.resembles = resembling(&missing.name, unused).map(Into::into);
    }
    Ok(report)
}
