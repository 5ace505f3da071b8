//! What a stage learns from, and which corpora hold it.

use crate::manifest::{Manifest, Split};
use crate::mixture::{Packing, Unit};
use crate::preference::{PreferenceFile, PreferenceLoss};
use crate::problem::Findings;
use crate::recipe::Stage;
use crate::reward::Reward;
use crate::rl::Rl;

use super::BLOCK;

/// What the rows of a corpus must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Texts and conversations.
    Documents,
    /// Pairs of answers.
    Pairs,
    /// Answers that were judged one by one.
    Feedback,
    /// Prompts.
    Prompts {
        /// Whether answers are judged by what the row says of the right one.
        with_references: bool,
    },
}

impl Wanted {
    /// What the stage of a recipe learns from.
    pub(crate) fn of(
        stage: Option<Stage>,
        preference: Option<&PreferenceFile>,
        rl: Option<&Rl>,
    ) -> Self {
        match stage {
            Some(Stage::Pretrain | Stage::MidTrain | Stage::Sft) | None => Self::Documents,
            Some(Stage::Dpo) => match preference.map(PreferenceFile::loss) {
                Some(PreferenceLoss::Kto) => Self::Feedback,
                Some(
                    PreferenceLoss::Sigmoid | PreferenceLoss::SigmoidNorm | PreferenceLoss::Ipo,
                )
                | None => Self::Pairs,
            },
            Some(Stage::Rl) => {
                let rewards = rl.map_or(&[][..], |rl| &rl.rewards);
                Self::Prompts { with_references: rewards.iter().any(Reward::needs_reference) }
            }
        }
    }

    /// Notes ways of counting and packing that would cut what must stay whole.
    pub(super) fn fits(self, unit: Unit, packing: Packing, findings: &mut Findings<'_>) {
        let are_prompts = matches!(self, Self::Prompts { .. });
        if are_prompts && packing != Packing::Pad {
            let message = "expected `pad`: a row is a prompt".to_owned();
            findings.add(&[BLOCK, "packing"], message, Some("leave `packing` out".to_owned()));
        }
        if are_prompts && unit == Unit::Tokens {
            let message = "found `tokens`, expected `documents`: a share counts prompts".to_owned();
            findings.add(&[BLOCK, "unit"], message, Some("leave `unit` out".to_owned()));
        }
        let what = match self {
            Self::Pairs => "pairs",
            Self::Feedback => "answers",
            Self::Documents | Self::Prompts { .. } => return,
        };
        if packing == Packing::Concat {
            let message =
                format!("found `concat`, which cuts {what}, expected `pad` or `best-fit`");
            findings.add(&[BLOCK, "packing"], message, Some("leave `packing` out".to_owned()));
        }
    }

    /// Notes what keeps a corpus from being trained on, or from being what the catalog, which may name a
    /// category, says.
    pub(super) fn suits(
        self,
        manifest: &Manifest,
        category: Option<&String>,
        path: &[&str],
        findings: &mut Findings<'_>,
    ) {
        /// The ledger has measures of these beside those of sources.
        const MEASURED: [&str; 3] = ["stage", "replay", "anchor"];
        let (id, columns) = (&manifest.id, &manifest.columns);
        if MEASURED.contains(&id.as_str()) {
            let message = format!(
                "`{id}` is what the ledger calls a part of the objective, expected another name"
            );
            let hint = format!("rename `data-manifests/{id}.toml` and its `id`");
            findings.add(path, message, Some(hint));
        }
        if manifest.split == Split::Heldout {
            let message = format!("`{id}` is held out, expected a corpus with `split = \"train\"`");
            let hint = "training on it would make its scores worthless".to_owned();
            findings.add(path, message, Some(hint));
        } else if columns.text.is_none() && columns.messages.is_none() {
            let message = format!(
                "`{id}` has no column for `text` or `messages`, expected documents to train on"
            );
            let hint = format!("name the column in `data-manifests/{id}.toml` under `[columns]`");
            findings.add(path, message, Some(hint));
        } else if self == Self::Pairs && columns.rejected.is_none() {
            let message = format!("`{id}` has no column for `rejected`, expected pairs of answers");
            let hint = match columns.label {
                Some(_) => "its answers were judged one by one: say `preference.loss = \"kto\"`",
                None => "`temper corpus import --pairs` makes such a corpus of preference data",
            };
            findings.add(path, message, Some(hint.to_owned()));
        } else if self == Self::Feedback && columns.label.is_none() {
            let message = format!("`{id}` has no column for `label`, expected judged answers");
            let hint = "`temper corpus import --feedback` makes such a corpus of a log";
            findings.add(path, message, Some(hint.to_owned()));
        } else if self == Self::Documents && columns.label.is_some() {
            let message =
                format!("`{id}` has answers that were not liked, which would be imitated");
            let hint = "a manifest without `columns.label` and with `where = \"label\"` has the others alone";
            findings.add(path, message, Some(hint.to_owned()));
        }
        if let Self::Prompts { with_references } = self {
            let missing = match (&columns.messages, &columns.answer) {
                (None, _) => Some("no column for `messages`, expected prompts to answer"),
                (Some(_), None) if with_references => {
                    Some("no column for `answer`, which answers are judged by")
                }
                (Some(_), _) => None,
            };
            if let Some(missing) = missing {
                let hint = "`temper corpus import --prompts` makes such a corpus";
                findings.add(path, format!("`{id}` has {missing}"), Some(hint.to_owned()));
            }
        }
        if let Some(category) = category.filter(|asked| **asked != manifest.category) {
            let message = format!(
                "the catalog lists `{id}` under `{category}`, its manifest says `{}`",
                manifest.category
            );
            findings.add(path, message, Some("correct one of the two".to_owned()));
        }
    }
}
