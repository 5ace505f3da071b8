//! Which start fits what there is to learn from, as the guides of Amazon Nova have it for its checkpoints.
//!
//! | what there is to learn from | a start that fits |
//! |---|---|
//! | texts, 10 billion tokens and more | pretrained, before its rate has fallen |
//! | texts or reasoning, from 1 billion | pretrained or mid-trained |
//! | texts or reasoning, fewer | mid-trained |
//! | demonstrations, full rank | mid-trained or post-trained |
//! | demonstrations, LoRA | post-trained |
//! | pairs, judged answers, rewards | post-trained |

use std::fmt;

use anyhow::Result;
use serde_json::{Value, json};
use temper_recipe::{Project, Recipe};

use super::material::{Kind, Material};
use super::past::{Maturity, Past};
use crate::print::thousands;

const BILLION: u64 = 1_000_000_000;

/// Where fine-tuning is said to begin to pay.
const FEWEST_DEMONSTRATIONS: u64 = 1_000;

/// Which starts fit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fit {
    starts: &'static [Maturity],
    why: &'static str,
}

/// Whether the start of a run fits what it learns from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartAdvice {
    past: Past,
    material: Material,
    fit: Fit,
}

impl StartAdvice {
    /// `None` for a recipe without documents.
    ///
    /// # Errors
    /// Manifests and files that cannot be read.
    pub(crate) fn of(project: &Project, recipe: &Recipe, past: Past) -> Result<Option<Self>> {
        let material = Material::of(project, recipe)?;
        Ok((material.documents > 0).then(|| {
            let fit = Fit::of(material, recipe.lora.is_some());
            Self { past, material, fit }
        }))
    }

    /// Whether it fits; `None` where there is nothing yet that could.
    fn fits(&self) -> Option<bool> {
        let start = self.past.maturity();
        (start != Maturity::Drawn).then(|| self.fit.starts.contains(&start))
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let Material { kind, tokens, documents } = self.material;
        json!({
            "is": self.past.maturity(), "stages": self.past.stages, "fits": self.fits(),
            "fitting": self.fit.starts, "why": self.why(), "learns_from": kind,
            "tokens": tokens, "documents": documents,
        })
    }

    /// What the start has to lose or lacks, and what fits.
    fn why(&self) -> String {
        let Material { kind, documents, .. } = self.material;
        let mut said = self.fit.why.to_owned();
        let is_of_texts = matches!(kind, Kind::Texts | Kind::Reasoning);
        if is_of_texts && self.past.maturity() == Maturity::PostTrained {
            said += "; texts undo some of what the start was taught to answer";
        }
        if kind == Kind::Demonstrations && documents < FEWEST_DEMONSTRATIONS {
            said += &format!(
                "; {} demonstrations are few, 1,000 is where fine-tuning is said to begin to pay",
                thousands(documents)
            );
        }
        said
    }
}

/// Two lines, for a person.
impl fmt::Display for StartAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, evidence) = (self.past.maturity().name(), self.past.evidence());
        let fitting: Vec<&str> = self.fit.starts.iter().map(|start| start.name()).collect();
        let fitting = fitting.join(" or a ");
        match self.fits() {
            Some(true) => writeln!(f, "  the start is {start} ({evidence}), which fits:")?,
            Some(false) => writeln!(
                f,
                "  note: the start is {start} ({evidence}); a {fitting} one fits better:"
            )?,
            None => {
                writeln!(f, "  the start is {start}; of checkpoints a {fitting} one would fit:")?
            }
        }
        let Material { kind, tokens, documents } = self.material;
        let (tokens, documents) = (thousands(tokens), thousands(documents));
        let learned = match kind {
            Kind::Texts => format!("texts of about {tokens} tokens"),
            Kind::Reasoning => format!("reasoning of about {tokens} tokens"),
            Kind::Demonstrations => format!("{documents} demonstrations"),
            Kind::Preferences => format!("{documents} pairs or judged answers"),
            Kind::Rewards => format!("rewards for {documents} prompts"),
        };
        write!(f, "        {learned}: {} (docs/bring-your-checkpoint.md)", self.why())
    }
}

impl Fit {
    fn of(material: Material, has_lora: bool) -> Self {
        use Maturity::{MidTrained, PostTrained, Pretrained};
        let tokens = material.tokens;
        let (starts, why): (&[Maturity], _) = match material.kind {
            Kind::Texts if tokens >= 1_000 * BILLION => (
                &[Pretrained],
                "from 1 trillion on they are a pretraining to go on with (`stage = \"pretrain\"`), from before the \
                 rate has fallen",
            ),
            Kind::Texts if tokens >= 100 * BILLION => (
                &[Pretrained],
                "from 100 billion on they are a mid-training of their own (`stage = \"mid-train\"`), from before the \
                 rate has fallen",
            ),
            Kind::Texts if tokens >= 10 * BILLION => (
                &[Pretrained],
                "from 10 billion on an early checkpoint, before its rate has fallen, has more to learn with",
            ),
            Kind::Texts if tokens >= BILLION => (
                &[Pretrained, MidTrained],
                "1 to 10 billion are enough to mid-train a checkpoint whose rate has fallen",
            ),
            Kind::Texts => (
                &[MidTrained],
                "below 1 billion they are few, and a mid-trained checkpoint has less to forget",
            ),
            Kind::Reasoning if tokens >= BILLION => (
                &[Pretrained, MidTrained],
                "from 1 billion on they are enough to mid-train a checkpoint whose rate has fallen",
            ),
            Kind::Reasoning => {
                (&[MidTrained], "below 1 billion they go behind the texts of a mid-training")
            }
            Kind::Demonstrations if has_lora => {
                (&[PostTrained], "the factors of LoRA are too few to teach answering")
            }
            Kind::Demonstrations => (
                &[MidTrained, PostTrained],
                "full rank teaches a mid-trained checkpoint to answer, and a post-trained one to answer otherwise",
            ),
            Kind::Preferences | Kind::Rewards => {
                (&[PostTrained], "they sharpen what a model can do already")
            }
        };
        Self { starts, why }
    }
}

#[cfg(test)]
mod tests {
    use temper_recipe::Stage;

    use super::*;
    use Maturity::{Drawn, MidTrained, PostTrained, Pretrained};

    /// A past that makes a start of this kind.
    fn past(start: Maturity) -> Past {
        match start {
            Drawn => Past::none(),
            Pretrained => Past::none().then(Stage::Pretrain),
            MidTrained => Past::none().then(Stage::MidTrain),
            PostTrained => Past::none().then(Stage::Sft),
        }
    }

    fn advice(kind: Kind, tokens: u64, documents: u64, lora: bool, start: Maturity) -> StartAdvice {
        let material = Material { kind, tokens, documents };
        StartAdvice { past: past(start), material, fit: Fit::of(material, lora) }
    }

    /// The rows of the tables: of every start whether it fits, and what is said.
    #[test]
    fn every_row_says_which_start_fits_and_why() {
        #[track_caller]
        fn check(kind: Kind, tokens: u64, lora: bool, fitting: &[Maturity], why: &str) {
            for start in [Pretrained, MidTrained, PostTrained] {
                let advice = advice(kind, tokens, 2_000, lora, start);
                assert_eq!(advice.fits(), Some(fitting.contains(&start)), "{advice}");
                assert!(advice.why().contains(why), "{advice}");
                assert_eq!(advice.to_string().lines().count(), 2, "{advice}");
            }
            assert_eq!(advice(kind, tokens, 2_000, lora, Drawn).fits(), None);
        }
        let early = "before its rate has fallen";
        check(Kind::Texts, 1_000 * BILLION, false, &[Pretrained], "`stage = \"pretrain\"`");
        check(Kind::Texts, 1_000 * BILLION - 1, false, &[Pretrained], "`stage = \"mid-train\"`");
        check(Kind::Texts, 100 * BILLION, false, &[Pretrained], "from 100 billion on");
        check(Kind::Texts, 100 * BILLION - 1, false, &[Pretrained], early);
        check(Kind::Texts, 10 * BILLION, false, &[Pretrained], early);
        check(Kind::Texts, 10 * BILLION - 1, false, &[Pretrained, MidTrained], "1 to 10 billion");
        check(Kind::Texts, BILLION, false, &[Pretrained, MidTrained], "1 to 10 billion");
        check(Kind::Texts, BILLION - 1, false, &[MidTrained], "less to forget");
        check(Kind::Reasoning, 100 * BILLION, false, &[Pretrained, MidTrained], "from 1 billion");
        check(Kind::Reasoning, BILLION, false, &[Pretrained, MidTrained], "from 1 billion");
        check(Kind::Reasoning, BILLION - 1, false, &[MidTrained], "behind the texts");
        check(Kind::Demonstrations, 1, false, &[MidTrained, PostTrained], "full rank teaches");
        check(Kind::Demonstrations, 1, true, &[PostTrained], "factors of LoRA");
        check(Kind::Preferences, 1, false, &[PostTrained], "sharpen what a model can do");
        check(Kind::Rewards, 1, true, &[PostTrained], "sharpen what a model can do");
    }

    #[test]
    fn what_is_lost_and_what_is_few_is_said() {
        #[track_caller]
        fn check(advice: &StartAdvice, part: &str, expected: bool) {
            assert_eq!(advice.why().contains(part), expected, "{advice}");
        }
        let lost = "undo some of what the start was taught to answer";
        check(&advice(Kind::Texts, 1, 1, false, PostTrained), lost, true);
        check(&advice(Kind::Reasoning, 1, 1, false, PostTrained), lost, true);
        check(&advice(Kind::Texts, 1, 1, false, MidTrained), lost, false);
        check(&advice(Kind::Demonstrations, 1, 2_000, false, PostTrained), lost, false);
        let few = "; 999 demonstrations are few";
        check(&advice(Kind::Demonstrations, 1, 999, false, PostTrained), few, true);
        check(&advice(Kind::Demonstrations, 1, 1_000, false, PostTrained), "are few", false);
        check(&advice(Kind::Rewards, 1, 999, false, PostTrained), "are few", false);
    }

    #[test]
    fn it_reads_as_two_lines() {
        let fits = advice(Kind::Texts, 2 * BILLION, 9, false, MidTrained).to_string();
        assert_eq!(
            fits,
            "  the start is mid-trained (its stages: mid-train), which fits:\n        texts of about \
             2,000,000,000 tokens: 1 to 10 billion are enough to mid-train a checkpoint whose rate has fallen \
             (docs/bring-your-checkpoint.md)"
        );
        let better = advice(Kind::Texts, 2 * BILLION, 9, false, PostTrained).to_string();
        assert!(better.contains("a pretrained or a mid-trained one fits better:\n"), "{better}");
        assert!(better.starts_with("  note: "), "{better}");
        let drawn = advice(Kind::Texts, 9, 9, false, Drawn).to_string();
        assert!(drawn.contains("of checkpoints a mid-trained one would fit:\n"), "{drawn}");
    }
}
