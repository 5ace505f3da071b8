//! Shares that change on the way.

use super::file::PhaseFile;
use super::{BLOCK, Candidate, Context, Stated, plain, two_level};
use crate::mixture::PhaseSpec;
use crate::problem::Findings;

/// Resolves the phases after the first, and adds the corpora that only they name to `candidates`.
pub(super) fn resolve(
    phases: &[PhaseFile],
    candidates: &mut Vec<Candidate>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<PhaseSpec>> {
    let mut resolved = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        let index = format!("[{index}]");
        let path = [BLOCK, "phases", &index];
        let mix = match (&phase.sources, &phase.weights) {
            (Some(sources), None) => {
                two_level::resolve(&[&path[..], &["sources"]].concat(), sources, context, findings)
            }
            (None, Some(weights)) => {
                plain::of_weights(&[&path[..], &["weights"]].concat(), weights, context, findings)
            }
            (_, _) => {
                let message = "expected exactly one of `sources`, `weights`".to_owned();
                let hint = "the shares that hold from there on".to_owned();
                findings.add(&path, message, Some(hint));
                None
            }
        };
        let Stated { candidates: named, shares } = mix?;
        for candidate in named {
            if !candidates.iter().any(|known| known.corpus == candidate.corpus) {
                candidates.push(candidate);
            }
        }
        let (at, ramp) = (phase.at.0, phase.ramp.map(|ramp| ramp.0));
        resolved.push(PhaseSpec { at, ramp, shares });
    }
    Some(resolved)
}
