//! What is recorded of each step.
//!
//! Columns are *derived* (anyone with recipe, manifests and shards re-derives them) or *measured*
//! (they came out of the training and are digest-chained).

use std::fmt;
use std::str::FromStr;

use temper_recipe::{Digest, Hasher};

/// One step with its rows, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerStep {
    /// Numbers of the whole step.
    pub step: StepRecord,
    /// In order of `row`.
    pub rows: Vec<RowRecord>,
}

/// One packed row of a step. All of it is derived, once it is known how often the row was refilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRecord {
    /// The step, from 0.
    pub step: u64,
    /// The row within the step, from 0.
    pub row: u32,
    /// The lane that carried it.
    pub lane: u32,
    /// The source, by name.
    pub source: String,
    /// Passes over the source before this one.
    pub epoch: u32,
    /// Positions that hold a token.
    pub tokens: u32,
    /// Tokens that carry loss.
    pub supervised: u32,
    /// Which ids were read and predicted.
    pub ids: IdsDigest,
    /// How often another document took the place of what was planned, because nothing was to be learned from
    /// it. Measured; what stands in the row in the end follows from it.
    pub refills: u32,
    /// In order of position.
    pub segments: Vec<SegmentRecord>,
}

impl RowRecord {
    /// Adds the row to a digest of derived rows: whoever derives them again in order gets the same.
    pub fn digest_into(&self, hasher: &mut Hasher) {
        let mut number = |number: u64| hasher.update(&number.to_le_bytes());
        number(self.step);
        for small in [self.row, self.lane, self.epoch, self.tokens, self.supervised] {
            number(u64::from(small));
        }
        number(self.ids.0);
        number(self.segments.len() as u64);
        for segment in &self.segments {
            let SegmentRecord { document, ids, file, row_group, row, start, length } = *segment;
            number(document);
            number(ids.0);
            for small in [file, row_group, row, start, length] {
                number(u64::from(small));
            }
        }
        // The length tells where the name ends.
        hasher.update(&(self.source.len() as u64).to_le_bytes());
        hasher.update(self.source.as_bytes());
    }
}

/// A run of positions of one document. All of it is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRecord {
    /// The number of the document in its source.
    pub document: u64,
    /// Which ids the document holds, all of them, and how it was judged: equal documents of any corpus have it
    /// in common.
    pub ids: IdsDigest,
    /// The file of the corpus, by its place in the manifest.
    pub file: u32,
    /// The row group of that file.
    pub row_group: u32,
    /// The row within the row group.
    pub row: u32,
    /// The first position.
    pub start: u32,
    /// How many positions.
    pub length: u32,
}

/// The first 64 bits of the digest of ids, written as 16 hex digits.
///
/// Enough to tell that a shard has changed, or that a document was seen; who wants to forge a row re-derives it
/// anyway.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdsDigest(u64);

impl From<u64> for IdsDigest {
    fn from(bits: u64) -> Self {
        Self(bits)
    }
}

impl From<Digest> for IdsDigest {
    fn from(digest: Digest) -> Self {
        let head = digest.bytes()[..8].try_into().expect("a digest has 32 bytes");
        Self(u64::from_be_bytes(head))
    }
}

impl fmt::Display for IdsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for IdsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdsDigest({self})")
    }
}

impl FromStr for IdsDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        bits.map(Self)
            .ok_or_else(|| format!("`{text}` is no digest of ids: expected 16 hex digits"))
    }
}

/// What the trainer reports of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The step, from 0.
    pub step: u64,
    /// Tokens that carry loss, in all rows. Derived.
    pub tokens: u64,
    /// What the optimizer used. Derived.
    pub learning_rate: f64,
    /// Mean over the step's tokens, in nats, or over its pairs, of their loss. Measured.
    pub loss: f64,
    /// Global norm before clipping. Measured.
    pub gradient_norm: f64,
    /// One per source that has rows in this step, in order of the recipe. Measured.
    pub sources: Vec<SourceLoss>,
    /// What a stage measures besides losses, source by source. Measured.
    pub measures: Vec<Measure>,
}

/// A quantity that a stage measures of one source in a step, summed over what the source's share counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The source, by name.
    pub source: String,
    /// The quantity, as the stage calls it.
    pub name: String,
    /// The sum.
    pub value: f64,
}

/// What one source adds to a step.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceLoss {
    /// The source, by name.
    pub source: String,
    /// Its tokens that carry loss. Derived.
    pub tokens: u64,
    /// The sum of their losses in nats, or of its pairs' losses. Measured.
    pub loss_sum: f64,
}

/// A step as recorded: the report, chained to the step before it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// What the trainer reported.
    pub report: StepReport,
    /// [`StepReport::chain`] over the chain digest of the step before.
    pub chain: Digest,
}

impl StepReport {
    /// The chain digest of this step: SHA-256 over the one before and every value of the report.
    ///
    /// Derived values are in it as well: the learning rate is cheap to cover, and an auditor who
    /// does not know the schedule still sees an edit. Floats count by their bits.
    pub fn chain(&self, previous: &Digest) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(previous.bytes());
        hasher.update(&self.step.to_le_bytes());
        hasher.update(&self.tokens.to_le_bytes());
        for value in [self.learning_rate, self.loss, self.gradient_norm] {
            hasher.update(&value.to_bits().to_le_bytes());
        }
        hasher.update(&(self.sources.len() as u64).to_le_bytes());
        for SourceLoss { source, tokens, loss_sum } in &self.sources {
            hasher.update(&(source.len() as u64).to_le_bytes());
            hasher.update(source.as_bytes());
            hasher.update(&tokens.to_le_bytes());
            hasher.update(&loss_sum.to_bits().to_le_bytes());
        }
        for Measure { source, name, value } in &self.measures {
            for text in [source, name] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            hasher.update(&value.to_bits().to_le_bytes());
        }
        hasher.finish()
    }
}

/// The chain digest before step 0 of a run with this recipe: steps of another run do not fit.
pub fn chain_start(recipe: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"temper ledger 1");
    hasher.update(recipe.bytes());
    hasher.finish()
}
