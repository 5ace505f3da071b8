//! What practice expects of a recipe like this one; none of it is an error.

use anyhow::Result;
use temper_ledger::Identity;
use temper_recipe::{Project, Recipe, Share, Side, Source, Stage};

use crate::print;
use crate::tables::percent;

/// How far a checkpoint has been trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maturity {
    /// On texts at large.
    Pretrained,
    /// On chosen texts after that.
    MidTrained,
    /// To answer.
    PostTrained,
}

impl Maturity {
    /// What the run that made it was for; of a checkpoint that no run made, its chat template tells.
    pub(crate) fn of(run: Option<&Identity>, has_chat_template: bool) -> Self {
        match run.map(|identity| identity.stage) {
            Some(Stage::Pretrain) => Self::Pretrained,
            Some(Stage::MidTrain) => Self::MidTrained,
            Some(Stage::Sft | Stage::Dpo | Stage::Rl) => Self::PostTrained,
            None if has_chat_template => Self::PostTrained,
            None => Self::Pretrained,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pretrained => "pretrained",
            Self::MidTrained => "mid-trained",
            Self::PostTrained => "post-trained",
        }
    }
}

/// Whether a checkpoint of another kind fits what is to be learned better.
pub(crate) fn of_start(
    project: &Project,
    recipe: &Recipe,
    start: Maturity,
) -> Result<Option<String>> {
    /// English under a vocabulary of 50,000.
    const BYTES_PER_TOKEN: u64 = 4;
    let (mut tokens, mut documents) = (0, 0);
    for source in recipe.mixture.sources.iter().filter(|source| source.side == Side::Customer) {
        let manifest = project.manifest(&source.corpus)?;
        let bytes = temper_corpus::text_bytes(&manifest, &project.manifests_dir())?;
        tokens += bytes / BYTES_PER_TOKEN;
        documents += manifest.files.iter().map(|file| file.rows).sum::<u64>();
    }
    if documents == 0 {
        return Ok(None);
    }
    let said = fitting(recipe.stage, recipe.lora.is_some(), start, tokens, documents);
    Ok(said.map(|said| {
        format!("  note: the start is {}; {said} (docs/bring-your-checkpoint.md)", start.name())
    }))
}

/// As Amazon Nova's guides have it, which name 1,000 demonstrations and 1 and 10 billion tokens.
fn fitting(
    stage: Stage,
    has_lora: bool,
    start: Maturity,
    tokens: u64,
    documents: u64,
) -> Option<String> {
    const BILLION: u64 = 1_000_000_000;
    const FEWEST_DEMONSTRATIONS: u64 = 1_000;
    use Maturity::{MidTrained, PostTrained, Pretrained};
    let texts = format!("texts of about {} tokens", print::thousands(tokens));
    let said = match (stage, start) {
        (Stage::Pretrain, _) => return None,
        (Stage::MidTrain, MidTrained | PostTrained) if tokens >= 10 * BILLION => {
            format!("for {texts} an early pretrained checkpoint, before its rate has fallen, has more to learn with")
        }
        (Stage::MidTrain, PostTrained) => {
            format!("{texts} undo some of what it was taught to answer; a mid-trained checkpoint has nothing to lose there")
        }
        (Stage::MidTrain, Pretrained) if tokens < BILLION => {
            format!("{texts} are few for it; a mid-trained checkpoint, if there is one, has less to forget")
        }
        (Stage::MidTrain, Pretrained | MidTrained) => return None,
        (Stage::Sft, _) if documents < FEWEST_DEMONSTRATIONS => format!(
            "{} demonstrations are few; 1,000 is where fine-tuning is said to begin to pay",
            print::thousands(documents)
        ),
        (Stage::Sft, Pretrained | MidTrained) if has_lora => {
            "LoRA fits a post-trained checkpoint: its factors are too few to teach answering".to_owned()
        }
        (Stage::Sft, Pretrained) => {
            "demonstrations fit a mid-trained checkpoint, if there is one, better".to_owned()
        }
        (Stage::Sft, MidTrained | PostTrained) => return None,
        (Stage::Dpo | Stage::Rl, Pretrained | MidTrained) => {
            "pairs and rewards sharpen what it can do already; a post-trained checkpoint can do more".to_owned()
        }
        (Stage::Dpo | Stage::Rl, PostTrained) => return None,
    };
    Some(said)
}

/// Whether the mix has enough old text.
pub(crate) fn of_mix(recipe: &Recipe) -> Option<String> {
    /// The least part of old text that a weak shift needs (Ibrahim et al. 2024, arXiv 2403.08763).
    const LEAST_REPLAY: f64 = 0.05;
    let mixture = &recipe.mixture;
    let curated = mixture.sources.iter().filter(|source| source.side == Side::Curated);
    let share = |source: &Source| mixture.shares.stated(&source.corpus).map(Share::as_f64);
    // Shares that follow from sizes are known after tokenizing.
    let replay: f64 = curated.map(share).sum::<Option<f64>>()?;
    let is_bare = recipe.replay.is_none() && replay < LEAST_REPLAY;
    (recipe.stage != Stage::Pretrain && is_bare).then(|| {
        // An empty sum of floats is -0.
        let replay = if replay > 0.0 { percent(replay) } else { "nothing".to_owned() };
        format!(
            "  note: {replay} of the mix is curated. Of what a continued run forgets, 5 % removed 78 % where \
             the new text\n        was like the old one, and 25 % removed 88 % where it was another \
             language (Ibrahim et al. 2024)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_fit_what_is_to_be_learned() {
        #[track_caller]
        fn check(stage: Stage, lora: bool, start: Maturity, tokens: u64, expected: Option<&str>) {
            let found = fitting(stage, lora, start, tokens, 2_000);
            match expected {
                Some(expected) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(expected)),
                    "{found:?}"
                ),
                None => assert_eq!(found, None),
            }
        }
        use Maturity::{MidTrained, PostTrained, Pretrained};
        check(Stage::Pretrain, false, PostTrained, 1, None);
        check(Stage::MidTrain, false, Pretrained, 20_000_000_000, None);
        check(
            Stage::MidTrain,
            false,
            MidTrained,
            20_000_000_000,
            Some("an early pretrained checkpoint"),
        );
        check(Stage::MidTrain, false, MidTrained, 5_000_000_000, None);
        check(Stage::MidTrain, false, PostTrained, 5_000_000_000, Some("undo some of what"));
        check(
            Stage::MidTrain,
            false,
            Pretrained,
            400_000,
            Some("texts of about 400,000 tokens are few"),
        );
        check(Stage::Sft, false, Pretrained, 1, Some("a mid-trained checkpoint"));
        check(Stage::Sft, false, MidTrained, 1, None);
        check(Stage::Sft, true, MidTrained, 1, Some("LoRA fits a post-trained checkpoint"));
        check(Stage::Sft, true, PostTrained, 1, None);
        check(Stage::Dpo, false, MidTrained, 1, Some("sharpen what it can do already"));
        check(Stage::Rl, false, PostTrained, 1, None);
        assert!(
            fitting(Stage::Sft, false, PostTrained, 1, 120)
                .unwrap()
                .contains("120 demonstrations are few")
        );
    }
}
