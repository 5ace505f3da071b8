//! Evals, and the decisions taken on them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use temper_recipe::{Budget, Digest};

use crate::error::Error;
use crate::run_dir::RunDir;
use crate::whole::{
    from_json, names, read, read_json, read_json_if_there, versioned, write_bytes, write_json,
};

/// Something the run decided by itself, or was told while it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What kind: `gate`, `past-gate`, `extend`, `remix`, `device-change`, …
    pub kind: String,
    /// Steps done when it was taken.
    pub step: u64,
    /// The evals it follows from.
    pub cites: Vec<Citation>,
    /// A checkpoint it is about, by step; retention keeps it.
    pub checkpoint: Option<u64>,
    /// What was decided, in the words of its kind.
    pub values: Value,
}

/// A file of the run, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Relative to the run directory.
    pub file: String,
    /// Of its bytes.
    pub sha256: Digest,
}

/// The kind of [`Decision::extend`].
const EXTEND: &str = "extend";

impl Decision {
    /// Somebody let the run go on after `step` steps, until it has trained on `tokens` in all.
    ///
    /// From that step on this budget stands in place of the recipe's.
    pub fn extend(step: u64, tokens: u64) -> Self {
        Self {
            kind: EXTEND.to_owned(),
            step,
            cites: Vec::new(),
            checkpoint: None,
            values: json!({ "tokens": tokens }),
        }
    }

    /// The budget of the whole run that stands from here on; `None` for kinds that leave it as it is.
    pub fn budget(&self) -> Option<Budget> {
        if self.kind == EXTEND {
            return self.values["tokens"].as_u64().map(Budget::Tokens);
        }
        serde_json::from_value(self.values.get("budget")?.clone()).ok()
    }
}

#[derive(Serialize, Deserialize)]
struct Eval {
    step: u64,
    score: Value,
}

/// Of another checkpoint than the run's own.
#[derive(Serialize, Deserialize)]
struct EvalSince {
    checkpoint: String,
    score: Value,
}

const SINCE: &str = "evals/since.json";

impl RunDir {
    pub(crate) fn decisions_path(&self) -> PathBuf {
        self.ledger_folder().join("decisions.jsonl")
    }

    fn eval_name(step: u64) -> String {
        format!("evals/step-{step:06}.json")
    }

    /// Writes the score after `step` steps; 0 is the baseline.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_eval(&self, step: u64, score: &Value) -> Result<Citation, Error> {
        let file = Self::eval_name(step);
        write_json(&self.path().join(&file), &Eval { step, score: score.clone() })?;
        self.cite(file)
    }

    /// The score after `step` steps, with its citation.
    ///
    /// # Errors
    /// [`Error::Read`] when there is none, [`Error::Malformed`], [`Error::Schema`].
    pub fn eval(&self, step: u64) -> Result<(Value, Citation), Error> {
        let file = Self::eval_name(step);
        let eval: Eval = read_json(&self.path().join(&file))?;
        Ok((eval.score, self.cite(file)?))
    }

    /// Writes the score of the checkpoint since which nothing must be lost.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_since(&self, checkpoint: &str, score: &Value) -> Result<(), Error> {
        let eval = EvalSince { checkpoint: checkpoint.to_owned(), score: score.clone() };
        write_json(&self.path().join(SINCE), &eval)
    }

    /// What [`RunDir::write_since`] wrote: the checkpoint, its score and the citation; `None` where it wrote nothing.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Malformed`], [`Error::Schema`].
    pub fn since(&self) -> Result<Option<(String, Value, Citation)>, Error> {
        let found: Option<EvalSince> = read_json_if_there(&self.path().join(SINCE))?;
        let Some(EvalSince { checkpoint, score }) = found else { return Ok(None) };
        Ok(Some((checkpoint, score, self.cite(SINCE.to_owned())?)))
    }

    /// Steps that were scored, in order.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn evals(&self) -> Result<Vec<u64>, Error> {
        let mut steps: Vec<u64> = names(&self.evals_folder())?
            .iter()
            .filter_map(|name| name.strip_prefix("step-")?.strip_suffix(".json")?.parse().ok())
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    fn cite(&self, file: String) -> Result<Citation, Error> {
        let path = self.path().join(&file);
        let sha256 = Digest::of_file(&path).map_err(|cause| Error::Read { path, cause })?;
        Ok(Citation { file, sha256 })
    }

    /// Records a decision. Taking it again, after a resume, changes nothing.
    ///
    /// The whole file is written beside and renamed: a line is there or not.
    ///
    /// # Errors
    /// [`Error::ContradictingDecision`] when it was taken differently at this step before;
    /// [`Error::Malformed`] when the file is torn; [`Error::Write`].
    pub fn record_decision(&self, decision: &Decision) -> Result<(), Error> {
        self.record_decisions(std::slice::from_ref(decision))
    }

    /// [`RunDir::record_decision`] for several that belong together: all are recorded or none.
    ///
    /// # Errors
    /// Those of [`RunDir::record_decision`].
    pub fn record_decisions(&self, decisions: &[Decision]) -> Result<(), Error> {
        let mut lines = self.decision_lines()?;
        let before = lines.len();
        for decision in decisions {
            self.add_decision(&mut lines, decision)?;
        }
        if lines.len() == before { Ok(()) } else { self.write_decisions(&lines) }
    }

    fn add_decision(
        &self,
        lines: &mut Vec<(String, Decision)>,
        decision: &Decision,
    ) -> Result<(), Error> {
        let line = format!("{}\n", versioned(decision));
        let same = |(_, other): &&(String, Decision)| {
            other.kind == decision.kind && other.step == decision.step
        };
        // Texts are compared, not values: reading a float from JSON may move its last bit.
        match lines.iter().find(same) {
            Some((before, _)) if *before == line => return Ok(()),
            Some(_) => {
                let (kind, step) = (decision.kind.clone(), decision.step);
                return Err(Error::ContradictingDecision {
                    path: self.decisions_path(),
                    kind,
                    step,
                });
            }
            None => {}
        }
        lines.push((line, decision.clone()));
        Ok(())
    }

    /// All decisions, in order.
    ///
    /// # Errors
    /// [`Error::Malformed`] names the line that is torn or damaged.
    pub fn decisions(&self) -> Result<Vec<Decision>, Error> {
        Ok(self.decision_lines()?.into_iter().map(|(_, decision)| decision).collect())
    }

    /// Each line as it stands, with what it says.
    fn decision_lines(&self) -> Result<Vec<(String, Decision)>, Error> {
        let path = self.decisions_path();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let damaged = |reason: String| Error::Malformed { path: path.clone(), reason };
        let text = String::from_utf8(read(&path)?).map_err(|error| damaged(error.to_string()))?;
        let mut lines = Vec::new();
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            if !line.ends_with('\n') {
                return Err(damaged(format!("line {number} is torn: expected an end of line")));
            }
            let decision = from_json(&path, line.as_bytes()).map_err(|error| {
                if let Error::Malformed { reason, .. } = error {
                    damaged(format!("line {number}: {reason}"))
                } else {
                    error
                }
            })?;
            lines.push((line.to_owned(), decision));
        }
        Ok(lines)
    }

    /// Forgets decisions after `step` steps: a resume from there takes them again.
    pub(crate) fn discard_decisions_after(&self, step: u64) -> Result<(), Error> {
        let mut lines = self.decision_lines()?;
        let before = lines.len();
        lines.retain(|(_, decision)| decision.step <= step);
        if lines.len() == before { Ok(()) } else { self.write_decisions(&lines) }
    }

    fn write_decisions(&self, lines: &[(String, Decision)]) -> Result<(), Error> {
        let text: String = lines.iter().map(|(line, _)| line.as_str()).collect();
        write_bytes(&self.decisions_path(), text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
