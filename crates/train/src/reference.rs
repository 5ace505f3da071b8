//! What the starting model says to the answers of pairs: computed once, kept beside the run.
//!
//! A pair's numbers do not depend on the run that asks for them, so they are also kept in a folder that
//! runs share, under a name made of the weights, the shards and the way of computing.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use temper_mix::Plan;
use temper_model::{Decoder, PassOptions, Precision, weights_digest};
use temper_recipe::{Digest, Hasher};
use temper_tokens::Staged;

use crate::error::Error;
use crate::preference::{LogProbs, log_probs};
use crate::step::packed;

/// The one tensor of a file.
const TENSOR: &str = "log_probs";

/// Log-probabilities under the starting model, by source and pair.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct References {
    /// Not a number where nobody asked.
    sources: Vec<Vec<LogProbs>>,
}

/// Where numbers are kept, and what names them.
#[derive(Clone, Debug)]
pub(crate) struct Kept<'a> {
    /// Of the run.
    pub(crate) run: PathBuf,
    /// Of all runs.
    pub(crate) shared: &'a Path,
    /// The digests of the sources' shards.
    pub(crate) shards: &'a [Digest],
}

impl References {
    /// What the starting model says to pair number `pair` of a source.
    pub(crate) fn of(&self, source: usize, pair: usize) -> LogProbs {
        let found = self.sources[source][pair];
        assert!(!found[0].is_nan(), "pair {pair} of source {source} was not asked for");
        found
    }

    /// What the run has kept, and where `plan` draws more pairs than that, what `starting` says to
    /// them; `told` hears how many of how many were asked for.
    ///
    /// # Errors
    /// A file that cannot be read or written, and those of `starting`.
    pub(crate) fn of_plan(
        plan: &Plan,
        kept: &Kept<'_>,
        starting: Starting<'_>,
        ask: &Ask<'_>,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Error> {
        let mut sources = Vec::with_capacity(plan.own_sources().len());
        for source in 0..plan.own_sources().len() {
            let (path, n_pairs) = (kept.in_run(plan, source), plan.tokens(source).n_documents());
            sources.push(match path.exists() {
                true => read(&path, n_pairs)?,
                false => vec![[f64::NAN; 2]; n_pairs],
            });
        }
        let mut all = Self { sources };
        let drawn = drawn(plan, ask.steps)?;
        if all.missing(&drawn).iter().any(|pairs| !pairs.is_empty()) {
            let decoder = starting().map_err(Error::Starting)?;
            all.complete(&decoder, plan, kept, &drawn, ask, told)?;
        }
        Ok(all)
    }

    /// Of each source the pairs that nobody asked for.
    fn missing(&self, drawn: &[BTreeSet<u64>]) -> Vec<Vec<u64>> {
        let of = |(known, drawn): (&Vec<LogProbs>, &BTreeSet<u64>)| {
            drawn.iter().copied().filter(|pair| known[*pair as usize][0].is_nan()).collect()
        };
        self.sources.iter().zip(drawn).map(of).collect()
    }

    fn complete(
        &mut self,
        decoder: &Decoder,
        plan: &Plan,
        kept: &Kept<'_>,
        drawn: &[BTreeSet<u64>],
        ask: &Ask<'_>,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        let weights = weights_digest(decoder).into();
        let shared: Vec<PathBuf> =
            (0..self.sources.len()).map(|source| kept.in_shared(source, &weights, ask)).collect();
        for (known, path) in self.sources.iter_mut().zip(&shared) {
            // What cannot be read is asked for again.
            let found = read(path, known.len()).unwrap_or_default();
            for (known, found) in known.iter_mut().zip(found) {
                *known = if known[0].is_nan() { found } else { *known };
            }
        }
        let missing = self.missing(drawn);
        let total = missing.iter().map(|pairs| pairs.len() as u64).sum();
        let (mut done, mut is_stopped) = (0, false);
        for (source, pairs) in missing.iter().enumerate() {
            for pairs in pairs.chunks(ask.rows_per_lane) {
                let rows = packed(plan.documents_lane(source, pairs));
                let losses = decoder.losses(&rows, &ask.pass).into_data();
                let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
                for (pair, found) in pairs.iter().zip(log_probs(&rows, losses)) {
                    if found.iter().any(|log_prob| !log_prob.is_finite()) {
                        let source_name = plan.sources()[source].name.clone();
                        return Err(Error::Reference { source_name, document: *pair, found });
                    }
                    self.sources[source][*pair as usize] = found;
                }
                done += pairs.len() as u64;
                told(done, total);
                is_stopped = ask.stop.load(Ordering::SeqCst);
                if is_stopped {
                    break;
                }
            }
            if is_stopped {
                break;
            }
        }
        for (source, found) in self.sources.iter().enumerate() {
            if !missing[source].is_empty() {
                write(&shared[source], found)?;
            }
            write(&kept.in_run(plan, source), found)?;
        }
        if is_stopped {
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

/// Gives the starting model.
pub type Starting<'a> = &'a dyn Fn() -> Result<Decoder, Box<dyn StdError + Send + Sync>>;

/// How the starting model is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    /// Set from outside to stop.
    pub(crate) stop: &'a AtomicBool,
    pub(crate) pass: PassOptions,
    pub(crate) rows_per_lane: usize,
    pub(crate) device_kind: String,
    /// The pairs of so many steps are asked for.
    pub(crate) steps: usize,
}

impl Kept<'_> {
    fn in_run(&self, plan: &Plan, source: usize) -> PathBuf {
        self.run.join(format!("{}.safetensors", plan.sources()[source].name))
    }

    fn in_shared(&self, source: usize, weights: &Digest, ask: &Ask<'_>) -> PathBuf {
        let mut hasher = Hasher::new();
        hasher.update(weights.bytes());
        hasher.update(self.shards[source].bytes());
        hasher.update(match ask.pass.precision {
            Precision::F32 => b"f32 ",
            Precision::Bf16 => b"bf16",
        });
        hasher.update(ask.device_kind.as_bytes());
        self.shared.join(format!("{}.safetensors", hasher.finish()))
    }
}

/// Of each source the pairs that are drawn in so many steps, once each.
fn drawn(plan: &Plan, steps: usize) -> Result<Vec<BTreeSet<u64>>, Error> {
    let mut drawn = vec![BTreeSet::new(); plan.own_sources().len()];
    for step in plan.walk(plan.start())?.take(steps) {
        for row in step.own_rows() {
            drawn[row.source].extend(row.segments.iter().map(|segment| segment.document));
        }
    }
    Ok(drawn)
}

fn read(path: &Path, n_pairs: usize) -> Result<Vec<LogProbs>, Error> {
    let file = fs::read(path).map_err(Error::io("read", path))?;
    let wrong = |found: String| Error::Kept { path: path.to_owned(), found };
    let tensors = SafeTensors::deserialize(&file).map_err(|error| wrong(error.to_string()))?;
    let tensor = tensors.tensor(TENSOR).map_err(|error| wrong(error.to_string()))?;
    if tensor.dtype() != Dtype::F64 || tensor.shape() != [n_pairs, 2] {
        return Err(wrong(format!("{:?} {:?}", tensor.dtype(), tensor.shape())));
    }
    let (pairs, _) = tensor.data().as_chunks::<16>();
    let half = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    Ok(pairs.iter().map(|pair| [half(&pair[..8]), half(&pair[8..])]).collect())
}

fn write(path: &Path, pairs: &[LogProbs]) -> Result<(), Error> {
    let bytes: Vec<u8> = pairs.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F64, vec![pairs.len(), 2], &bytes)
        .expect("as many bytes as the shape says");
    let file = safetensors::serialize([(TENSOR, view)], None).expect("one tensor of a short name");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("write", folder))?;
    }
    Ok(Staged::write(path, &file)?)
}
