//! What is trained on, in which proportion: the resolved form of `data_mixing`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::share::Share;

/// What is trained on, in which proportion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// What a share counts.
    pub unit: Unit,
    /// How documents fill rows.
    pub packing: Packing,
    /// Documents that are packed together; more fill rows better and cost memory.
    pub packing_window: usize,
    /// What happens when a source has been read `max_epochs` times.
    pub on_exhausted: Exhausted,
    /// What happens to a row that the stage cannot learn from.
    #[serde(default = "OnBadRow::refuse", skip_serializing_if = "OnBadRow::is_refused")]
    pub on_bad_row: OnBadRow,
    /// How much each source gets, from the start of the run.
    pub shares: Shares,
    /// Other shares from later moments on, in order.
    pub phases: Vec<PhaseSpec>,
    /// Corpora of which documents are left out that the runs behind the start trained on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_seen: Vec<String>,
    /// Customer first, then by category and corpus; each has something of the run.
    pub sources: Vec<Source>,
}

/// What a share counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Tokens that carry loss, after packing. In the stages of this version these are all that are no
    /// padding.
    #[serde(alias = "supervised-tokens", alias = "real-tokens")]
    Tokens,
    /// Packed rows, however full.
    Rows,
    /// Documents, however long; a training sample of Nova Forge is one.
    #[serde(alias = "samples")]
    Documents,
}

/// How documents fill rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// Best-fit decreasing; only documents longer than a row are split (Ding et al. 2024, arXiv 2404.10830).
    BestFit,
    /// Documents end to end, cut where a row is full.
    Concat,
    /// One document a row; a longer one goes on in the next.
    Pad,
}

/// What happens when a source has been read `max_epochs` times and its share asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// The plan is refused.
    Refuse,
    /// It is read again, as often as its share asks for.
    Repeat,
    /// The run ends there.
    Stop,
    /// The others get its share from there on, in their proportion.
    Redistribute,
}

/// What happens to a row that the stage cannot learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadRow {
    /// The run is refused, and the row named.
    Refuse,
    /// It is no document, and counted.
    Drop,
}

impl OnBadRow {
    /// What recipes said before they could say anything else.
    fn refuse() -> Self {
        Self::Refuse
    }

    fn is_refused(&self) -> bool {
        *self == Self::Refuse
    }
}

/// How much each source gets; every map has one entry per source, by corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shares {
    /// Shares of the whole, which sum to one.
    Stated(BTreeMap<String, Share>),
    /// Tokens over the run, which sum to its budget.
    Tokens(BTreeMap<String, u64>),
    /// Passes over the documents, which make up the budget of the run.
    Epochs(BTreeMap<String, f64>),
    /// In proportion to size^alpha: 1 takes sources as they are, 0 makes them equal.
    Temperature {
        /// 0 to 1.
        alpha: f64,
        /// No source gets more than this; what is above goes to the others.
        max_share: Share,
    },
    /// Equal shares, but none that needs more than `max_epochs` passes (UniMax, Chung et al. 2023,
    /// arXiv 2304.09151).
    Unimax {
        /// No source gets more than this; what is above goes to the others.
        max_share: Share,
    },
}

/// Other shares from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseSpec {
    /// When they begin to hold.
    pub at: Moment,
    /// Over how much of the run the shares move there in a line, beginning at `at`; `None` for at once.
    pub ramp: Option<Moment>,
    /// Shares of the whole by corpus, which sum to one; one that is left out gets nothing.
    pub shares: BTreeMap<String, Share>,
}

/// A moment of a run, or a stretch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Of the budget.
    Fraction(Share),
    /// Tokens that carry loss, drawn from all sources.
    Tokens(u64),
    /// Optimizer steps, as if all rows were full.
    Step(u64),
}

/// A corpus as the mix uses it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The manifest's id; also the name of the source.
    pub corpus: String,
    /// Whose data it is.
    pub side: Side,
    /// The manifest's category.
    pub category: String,
    /// The digest of the manifest, so that the recipe's digest covers the data.
    pub manifest: Digest,
    /// Passes over the documents that the plan may use.
    pub max_epochs: u32,
}

/// Whose data a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The customer's own.
    Customer,
    /// From the catalog.
    Curated,
}

impl Mixture {
    /// True if another budget would change what came before its end.
    pub fn depends_on_budget(&self) -> bool {
        let follows = match self.shares {
            Shares::Stated(_) | Shares::Temperature { .. } => false,
            Shares::Tokens(_) | Shares::Epochs(_) | Shares::Unimax { .. } => true,
        };
        let mut moments =
            self.phases.iter().flat_map(|phase| [Some(phase.at), phase.ramp]).flatten();

        // Another budget moves where a source runs dry into the run, or out of it.
        let ends = matches!(self.on_exhausted, Exhausted::Stop | Exhausted::Redistribute);
        let relative = moments.any(|moment| matches!(moment, Moment::Fraction(_)));
        follows || ends || relative
    }
}

impl Shares {
    /// The share of `corpus`, where it is stated.
    pub fn stated(&self, corpus: &str) -> Option<Share> {
        match self {
            Self::Stated(shares) => shares.get(corpus).copied(),
            Self::Tokens(_) | Self::Epochs(_) | Self::Temperature { .. } | Self::Unimax { .. } => {
                None
            }
        }
    }
}
