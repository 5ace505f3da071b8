//! What is learned from, besides tokens.

use super::add;
use crate::limits;
use crate::preference::{Preference, PreferenceFile};
use crate::problem::Findings;
use crate::recipe::Stage;
use crate::rl::{Rl, RlFile};

pub(super) fn preference(
    file: Option<&PreferenceFile>,
    stage: Option<Stage>,
    findings: &mut Findings<'_>,
) -> Option<Preference> {
    match (stage, file) {
        (Some(Stage::Dpo), file) => {
            let preference =
                file.map_or_else(|| PreferenceFile::default().resolve(), PreferenceFile::resolve);
            add(findings, limits::of_preference(&preference));
            Some(preference)
        }
        (Some(stage), Some(_)) => {
            let message =
                format!("found in the stage `{}`, expected it in `dpo` only", stage.name());
            findings.add(&["preference"], message, Some("leave the table out".to_owned()));
            None
        }
        (Some(_) | None, _) => None,
    }
}

pub(super) fn rl(
    file: Option<&RlFile>,
    stage: Option<Stage>,
    findings: &mut Findings<'_>,
) -> Option<Rl> {
    match (stage, file) {
        (Some(Stage::Rl), file) => file.unwrap_or(&RlFile::default()).resolve(findings),
        (Some(stage), Some(_)) => {
            let message =
                format!("found in the stage `{}`, expected it in `rl` only", stage.name());
            findings.add(&["rl"], message, Some("leave the table out".to_owned()));
            None
        }
        (Some(_) | None, _) => None,
    }
}
