//! The block `data_mixing` as a human writes it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use super::weight::Weight;
use crate::file::TokenCount;
use crate::mixture::{Exhausted, Moment, OnBadRow, Packing, Unit};
use crate::share::Percent;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataMixingFile {
    pub(crate) dataset_catalog: Option<String>,
    pub(crate) packing: Option<Packing>,
    pub(crate) packing_window: Option<usize>,
    pub(crate) unit: Option<Unit>,
    pub(crate) max_epochs: Option<u32>,
    /// No source may have more of the mix.
    pub(crate) max_share: Option<Percent>,
    pub(crate) on_exhausted: Option<Exhausted>,
    /// Corpora of which only documents count that no run behind the start trained on.
    #[serde(default)]
    pub(crate) skip_seen: Vec<String>,
    pub(crate) on_bad_row: Option<OnBadRow>,
    pub(crate) sources: Option<SourcesFile>,
    /// Corpus to weight.
    pub(crate) weights: Option<BTreeMap<String, Weight>>,
    /// Corpus to tokens over the run.
    pub(crate) tokens: Option<BTreeMap<String, TokenCount>>,
    /// Corpus to passes over the run.
    pub(crate) epochs: Option<BTreeMap<String, f64>>,
    pub(crate) temperature: Option<TemperatureFile>,
    pub(crate) unimax: Option<UnimaxFile>,
    #[serde(default)]
    pub(crate) phases: Vec<PhaseFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcesFile {
    pub(crate) customer_data: Option<CustomerFile>,
    /// Category to percent of what the customer's data leave.
    pub(crate) curated_data: Option<BTreeMap<String, Percent>>,
    /// Nova Forge's word for the same.
    pub(crate) nova_data: Option<BTreeMap<String, Percent>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerFile {
    /// Of the whole mix.
    pub(crate) percent: Option<Percent>,
    /// Corpus to percent of the customer's data.
    #[serde(default)]
    pub(crate) corpora: BTreeMap<String, Percent>,
    pub(crate) max_epochs: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemperatureFile {
    /// Shares go with size to this power.
    pub(crate) alpha: f64,
    pub(crate) corpora: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnimaxFile {
    pub(crate) corpora: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhaseFile {
    pub(crate) at: MomentFile,
    pub(crate) ramp: Option<MomentFile>,
    pub(crate) sources: Option<SourcesFile>,
    pub(crate) weights: Option<BTreeMap<String, Weight>>,
}

/// A moment of a run: `"50%"`, `"1.5B"` tokens, `"step 1000"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MomentFile(pub(crate) Moment);

impl MomentFile {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let moment = if let Some(percent) = text.strip_suffix('%') {
            Moment::Fraction(Percent::new(percent.trim().parse().ok()?)?.share())
        } else if let Some(step) = text.strip_prefix("step ") {
            Moment::Step(step.trim().parse().ok()?)
        } else {
            Moment::Tokens(TokenCount::parse(text)?.0)
        };
        Some(Self(moment))
    }
}

impl<'de> Deserialize<'de> for MomentFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = MomentFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a moment of the run: `\"50%\"` of the budget, `\"1.5B\"` tokens or `\"step 1000\"`",
                )
            }

            fn visit_i64<E: de::Error>(self, integer: i64) -> Result<MomentFile, E> {
                let tokens = u64::try_from(integer);
                tokens
                    .map(|tokens| MomentFile(Moment::Tokens(tokens)))
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(integer), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MomentFile, E> {
                MomentFile::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Share;

    #[test]
    fn moments_are_read_in_three_ways() {
        #[track_caller]
        fn check(text: &str, expected: Option<Moment>) {
            assert_eq!(MomentFile::parse(text).map(|moment| moment.0), expected, "{text}");
        }
        check("50%", Some(Moment::Fraction(Share::new(1, 2).unwrap())));
        check("12.5 %", Some(Moment::Fraction(Share::new(1, 8).unwrap())));
        check("1.5B", Some(Moment::Tokens(1_500_000_000)));
        check("step 1000", Some(Moment::Step(1000)));
        check("101%", None);
        check("half", None);
        check("step -1", None);
    }
}
