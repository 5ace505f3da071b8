//! What weights have been through before a run starts from them.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use temper_ledger::Lineage;
use temper_recipe::Stage;
use temper_tokens::ChatTemplate;

use crate::checkpoint::Checkpoint;
use crate::lineage;

/// How far weights have been trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Maturity {
    /// Not at all: they are drawn from the seed.
    Drawn,
    /// On texts at large.
    Pretrained,
    /// On chosen texts after that.
    MidTrained,
    /// To answer.
    PostTrained,
}

impl Maturity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Drawn => "drawn from the seed",
            Self::Pretrained => "pretrained",
            Self::MidTrained => "mid-trained",
            Self::PostTrained => "post-trained",
        }
    }
}

/// What is known of the training that weights have had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// Of the runs behind them, the first one first.
    pub(super) stages: Vec<Stage>,
    /// Whether what no run made, at the beginning of it all, has a chat template; `None` where that was nothing.
    pub(super) began_with_template: Option<bool>,
}

impl Past {
    /// Of weights that are to be drawn.
    pub(crate) fn none() -> Self {
        Self { stages: Vec::new(), began_with_template: None }
    }

    /// Of a checkpoint, by the runs behind it: those that are there, and those in its `lineage.json`.
    ///
    /// # Errors
    /// Records of runs that cannot be read.
    pub(crate) fn of(root: &Path, checkpoint: &Checkpoint) -> Result<Self> {
        let stages = lineage::stages(checkpoint)?;
        let has_template = |folder: &Path| {
            // One that is no Jinja is a matter of the run, and says so there.
            ChatTemplate::load(folder).ok().flatten().is_some()
        };
        let began_with_template = match checkpoint.origin.parent()? {
            // The template beside a run's weights may be its recipe's, which says nothing of what was before it.
            Some(parent) => {
                beginning(&parent.started_from).map(|folder| has_template(&root.join(folder)))
            }
            None if stages.is_empty() => Some(has_template(checkpoint.located.tokenizer_folder())),
            None => None,
        };
        Ok(Self { stages, began_with_template })
    }

    /// What it is after one more stage.
    pub(crate) fn then(mut self, stage: Stage) -> Self {
        self.stages.push(stage);
        self
    }

    /// Whoever was taught to answer may have been trained on texts since: there is still something to lose.
    pub(super) fn maturity(&self) -> Maturity {
        let answers = |stage: &Stage| matches!(stage, Stage::Sft | Stage::Dpo | Stage::Rl);
        match self.began_with_template {
            Some(true) => Maturity::PostTrained,
            _ if self.stages.iter().any(answers) => Maturity::PostTrained,
            _ if self.stages.contains(&Stage::MidTrain) => Maturity::MidTrained,
            None if self.stages.is_empty() => Maturity::Drawn,
            Some(false) | None => Maturity::Pretrained,
        }
    }

    /// By what that is known, for a person.
    pub(super) fn evidence(&self) -> String {
        let mut names: Vec<&str> = self.stages.iter().map(|stage| stage.name()).collect();
        names.dedup();
        match (names.is_empty(), self.began_with_template) {
            (false, Some(true)) => format!("its chat template, then {}", names.join(", ")),
            (false, Some(false) | None) => format!("its stages: {}", names.join(", ")),
            (true, Some(true)) => "it has a chat template".to_owned(),
            (true, Some(false) | None) => "no run and no chat template of it is known".to_owned(),
        }
    }
}

/// The folder that no run made and that all began with; `None` where weights were drawn, and where what left its
/// run took its own lineage along.
fn beginning(lineage: &Lineage) -> Option<&str> {
    match lineage {
        Lineage::Init { .. } => None,
        Lineage::Checkpoint { parent: Some(parent), .. } => beginning(&parent.started_from),
        Lineage::Checkpoint { folder, import, .. } => {
            let left_its_run = import.as_ref().is_some_and(|import| !import.runs.is_empty());
            (!left_its_run).then_some(folder.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taught_to_answer_stays_post_trained() {
        use Stage::{Dpo, MidTrain, Pretrain, Rl, Sft};
        #[track_caller]
        fn check(stages: &[Stage], began_with_template: Option<bool>, expected: Maturity) {
            let past = Past { stages: stages.to_vec(), began_with_template };
            assert_eq!(past.maturity(), expected, "{}", past.evidence());
        }
        check(&[], None, Maturity::Drawn);
        check(&[], Some(false), Maturity::Pretrained);
        check(&[], Some(true), Maturity::PostTrained);
        check(&[Pretrain, Pretrain], None, Maturity::Pretrained);
        check(&[Pretrain], Some(false), Maturity::Pretrained);
        check(&[Pretrain, MidTrain], None, Maturity::MidTrained);
        // Going on with texts at large does not undo what was chosen before.
        check(&[MidTrain, Pretrain], None, Maturity::MidTrained);
        for stage in [Sft, Dpo, Rl] {
            check(&[Pretrain, stage], None, Maturity::PostTrained);
            check(&[stage, MidTrain], None, Maturity::PostTrained);
        }
        check(&[MidTrain], Some(true), Maturity::PostTrained);
    }

    #[test]
    fn what_is_known_is_said() {
        #[track_caller]
        fn check(stages: &[Stage], began_with_template: Option<bool>, expected: &str) {
            let past = Past { stages: stages.to_vec(), began_with_template };
            assert_eq!(past.evidence(), expected);
        }
        check(&[Stage::Sft, Stage::Sft, Stage::Rl], Some(false), "its stages: sft, rl");
        check(&[Stage::MidTrain], Some(true), "its chat template, then mid-train");
        check(&[], Some(true), "it has a chat template");
        check(&[], Some(false), "no run and no chat template of it is known");
    }
}
