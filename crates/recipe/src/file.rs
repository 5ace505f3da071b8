//! The recipe as a human writes it: `Option` where a default exists or where the absence is reported by `resolve`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::anchor::AnchorFile;
use crate::ema::EmaFile;
use crate::lora::LoraFile;
use crate::memory::Bytes;
use crate::mixing::DataMixingFile;
use crate::preference::PreferenceFile;
use crate::recipe::{
    Action, GradientSum, OptimizerName, OptimizerState, Precision, Stage, StoredDtype,
};
use crate::replay::ReplayFile;
use crate::rl::RlFile;
use crate::schedule::ScheduleKind;
use crate::sft::SftFile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipeFile {
    pub(crate) schema: u32,
    pub(crate) name: Option<String>,
    pub(crate) stage: Option<Stage>,
    pub(crate) seed: Option<u64>,
    #[serde(default)]
    pub(crate) model: ModelFile,
    #[serde(default)]
    pub(crate) training: TrainingFile,
    #[serde(default)]
    pub(crate) tokenization: TokenizationFile,
    /// Nova Forge's block, of which the customer's data are read.
    pub(crate) run: Option<ForgeRunFile>,
    #[serde(default)]
    pub(crate) data_mixing: DataMixingFile,
    pub(crate) sft: Option<SftFile>,
    pub(crate) preference: Option<PreferenceFile>,
    pub(crate) rl: Option<RlFile>,
    pub(crate) replay: Option<ReplayFile>,
    pub(crate) lora: Option<LoraFile>,
    pub(crate) anchor: Option<AnchorFile>,
    pub(crate) ema: Option<EmaFile>,
    #[serde(default)]
    pub(crate) optimizer: OptimizerFile,
    #[serde(default)]
    pub(crate) checkpoint: CheckpointFile,
    pub(crate) forgetting: Option<ForgettingFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFile {
    pub(crate) from: Option<String>,
    pub(crate) init: Option<String>,
    pub(crate) partial: Option<bool>,
    pub(crate) added_tokens: Option<Vec<String>>,
    pub(crate) chat_template: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingFile {
    pub(crate) max_tokens: Option<TokenCount>,
    pub(crate) max_steps: Option<u64>,
    pub(crate) max_epochs: Option<f64>,
    pub(crate) sequence_length: Option<usize>,
    pub(crate) global_batch_size: Option<usize>,
    pub(crate) micro_batch_size: Option<usize>,
    pub(crate) precision: Option<Precision>,
    pub(crate) memory: Option<Bytes>,
    pub(crate) activation_checkpointing: Option<bool>,
    pub(crate) gradient_sum: Option<GradientSum>,
    pub(crate) frozen: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenizationFile {
    pub(crate) bos: Option<bool>,
    pub(crate) eos: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgeRunFile {
    /// Where Forge finds the customer's data: the `source` of a manifest here.
    pub(crate) data_s3_path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptimizerFile {
    pub(crate) name: Option<OptimizerName>,
    pub(crate) lr: Option<f64>,
    pub(crate) betas: Option<[f64; 2]>,
    pub(crate) momentum: Option<f64>,
    pub(crate) eps: Option<f64>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) clip_norm: Option<f64>,
    #[serde(default)]
    pub(crate) schedule: ScheduleFile,
    pub(crate) state: Option<OptimizerState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleFile {
    pub(crate) kind: Option<ScheduleKind>,
    pub(crate) warmup: Option<f64>,
    pub(crate) decay: Option<f64>,
    pub(crate) min_lr: Option<f64>,
    pub(crate) start_lr: Option<f64>,
    pub(crate) cooldown: Option<f64>,
    pub(crate) constant_lr: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointFile {
    pub(crate) every: Option<u64>,
    pub(crate) keep_last: Option<usize>,
    pub(crate) keep_every: Option<u64>,
    pub(crate) dtype: Option<StoredDtype>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgettingFile {
    pub(crate) suite: Option<String>,
    /// The checkpoint that the gate holds scores against, where it is not the start.
    pub(crate) since: Option<String>,
    pub(crate) every: Option<u64>,
    #[serde(default)]
    pub(crate) tolerance: ToleranceFile,
    pub(crate) action: Option<Action>,
    pub(crate) on_undecided: Option<Action>,
    #[serde(default)]
    pub(crate) accept_contaminated: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToleranceFile {
    pub(crate) loss: Option<f64>,
    pub(crate) accuracy: Option<f64>,
}

/// A number of tokens: `600000`, `"600k"`, `"1M"`, `"2.5B"`, `"1T"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenCount(pub(crate) u64);

impl TokenCount {
    /// Reads a decimal number and a unit; `None` unless it is a whole number of tokens.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let units = [('k', 3), ('M', 6), ('B', 9), ('T', 12)];
        let last = text.chars().last()?;
        let zeros = units.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(&last));
        let (number, zeros) = match zeros {
            Some((_, zeros)) => (&text[..text.len() - 1], *zeros),
            None => (text, 0),
        };
        // Digits are moved, not multiplied: 0.1 + 0.2 shall not happen to a budget.
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits: String = [whole, fraction].concat().replace('_', "");
        if fraction.len() > zeros || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let factor = 10_u64.checked_pow(u32::try_from(zeros - fraction.len()).ok()?)?;
        let count = digits.parse::<u64>().ok()?.checked_mul(factor)?;
        // The resolved recipe is TOML, whose integers have a sign.
        i64::try_from(count).is_ok().then_some(Self(count))
    }
}

/// Reads a number of tokens as recipes write it: `600000`, `600k`, `1M`, `2.5B`; `None` for anything else.
pub fn parse_token_count(text: &str) -> Option<u64> {
    TokenCount::parse(text).map(|count| count.0)
}

impl<'de> Deserialize<'de> for TokenCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;

        impl Visitor<'_> for Count {
            type Value = TokenCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a number of tokens such as `600000`, `\"600k\"`, `\"1M\"` or `\"2.5B\"`",
                )
            }

            fn visit_i64<E: de::Error>(self, integer: i64) -> Result<TokenCount, E> {
                let count = u64::try_from(integer);
                count
                    .map(TokenCount)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(integer), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TokenCount, E> {
                TokenCount::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(TokenCount::parse(text).map(|count| count.0), expected, "{text}");
    }

    #[test]
    fn token_counts_are_exact() {
        check("1M", Some(1_000_000));
        check("600k", Some(600_000));
        check("2.5B", Some(2_500_000_000));
        check("1.10b", Some(1_100_000_000));
        check("12", Some(12));
        check("1_000", Some(1_000));
        check("3T", Some(3_000_000_000_000));
        check("0.0001k", None);
        check("1.5", None);
        check("9999999T", None);
        check("99999999T", None);
        check("-1M", None);
        check("M", None);
        check("", None);
        check("1e6", None);
        check("1 M", None);
    }
}
