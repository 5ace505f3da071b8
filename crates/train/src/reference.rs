//! What the starting model says to answers: computed once, kept beside the run.
//!
//! A document's numbers do not depend on the run that asks for them, so they are also kept in a folder that
//! runs share, under a name made of the weights, the shards and the way of computing.

mod mismatched;

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use temper_mix::{Cursor, Plan};
use temper_model::{Decoder, PassOptions, Precision, weights_digest};
use temper_recipe::{Digest, Hasher};
use temper_tokens::Staged;

use crate::error::Error;
use crate::preference::{documents, log_probs};
use crate::step::packed;
pub(crate) use mismatched::MismatchedReferences;

/// The one tensor of a file.
const TENSOR: &str = "log_probs";

/// Log-probabilities of the `N` answers of each document under the starting model, by source and document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct References<const N: usize> {
    /// Not a number where nobody asked.
    sources: Vec<Vec<[f64; N]>>,
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

impl<const N: usize> References<N> {
    /// What the starting model says to a document of a source.
    pub(crate) fn of(&self, source: usize, document: usize) -> [f64; N] {
        let found = self.sources[source][document];
        assert!(!found[0].is_nan(), "document {document} of source {source} was not asked for");
        found
    }

    /// What the run has kept, and where `plan` draws more documents than that, what `starting` says to
    /// them; `told` hears how many of how many were asked for.
    ///
    /// # Errors
    /// A file that cannot be read or written, and those of `starting`.
    pub(crate) fn of_plan(
        plan: &Plan,
        kept: &Kept<'_>,
        starting: &mut StartingModel<'_>,
        ask: &Ask<'_>,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Error> {
        let mut sources = Vec::with_capacity(plan.own_sources().len());
        for source in 0..plan.own_sources().len() {
            let (path, n) = (kept.in_run(plan, source), plan.tokens(source).n_documents());
            sources.push(match path.exists() {
                true => read(&path, n)?,
                false => vec![[f64::NAN; N]; n],
            });
        }
        let mut all = Self { sources };
        let drawn = drawn(plan, ask)?;
        if all.missing(&drawn).iter().any(|documents| !documents.is_empty()) {
            all.complete(starting.loaded()?, plan, kept, &drawn, ask, told)?;
        }
        Ok(all)
    }

    /// Of each source the documents that nobody asked for.
    fn missing(&self, drawn: &[BTreeSet<u64>]) -> Vec<Vec<u64>> {
        let of = |(known, drawn): (&Vec<[f64; N]>, &BTreeSet<u64>)| {
            drawn.iter().copied().filter(|document| known[*document as usize][0].is_nan()).collect()
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
            let found = read::<N>(path, known.len()).unwrap_or_default();
            for (known, found) in known.iter_mut().zip(found) {
                *known = if known[0].is_nan() { found } else { *known };
            }
        }
        let missing = self.missing(drawn);
        let total = missing.iter().map(|documents| documents.len() as u64).sum();
        let (mut done, mut is_stopped) = (0, false);
        for (source, documents) in missing.iter().enumerate() {
            for documents in documents.chunks(ask.rows_per_lane) {
                let rows = packed(plan.documents_lane(source, documents));
                let losses = decoder.losses(&rows, &ask.pass).into_data();
                let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
                for (document, found) in documents.iter().zip(log_probs::<N>(&rows, losses)) {
                    if found.iter().any(|log_prob| !log_prob.is_finite()) {
                        let source_name = plan.sources()[source].name.clone();
                        let (document, found) = (*document, found.to_vec());
                        return Err(Error::Reference { source_name, document, found });
                    }
                    self.sources[source][*document as usize] = found;
                }
                done += documents.len() as u64;
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

/// The starting model, loaded when somebody asks for it.
pub(crate) struct StartingModel<'a> {
    starting: Starting<'a>,
    loaded: Option<Decoder>,
}

impl<'a> StartingModel<'a> {
    pub(crate) fn new(starting: Starting<'a>) -> Self {
        Self { starting, loaded: None }
    }

    /// # Errors
    /// [`Error::Starting`].
    fn loaded(&mut self) -> Result<&Decoder, Error> {
        match &mut self.loaded {
            Some(decoder) => Ok(decoder),
            none => Ok(none.insert((self.starting)().map_err(Error::Starting)?)),
        }
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
    /// Where training goes on. Steps that are behind it may have been shorter than a walk of the plan from its start
    /// would have them, where a budget that was raised since ended within a step.
    pub(crate) from: &'a Cursor,
    /// The documents of so many steps are asked for.
    pub(crate) steps: usize,
}

impl Kept<'_> {
    fn in_run(&self, plan: &Plan, source: usize) -> PathBuf {
        self.run.join(format!("{}.safetensors", plan.sources()[source].name))
    }

    fn in_shared(&self, source: usize, weights: &Digest, ask: &Ask<'_>) -> PathBuf {
        self.shared.join(format!("{}.safetensors", ask.name(weights, self.shards[source])))
    }
}

impl Ask<'_> {
    /// What names the numbers of such weights to such documents.
    fn name(&self, weights: &Digest, documents: Digest) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(weights.bytes());
        hasher.update(documents.bytes());
        hasher.update(match self.pass.precision {
            Precision::F32 => b"f32 ",
            Precision::Bf16 => b"bf16",
        });
        hasher.update(self.device_kind.as_bytes());
        hasher.finish()
    }
}

/// Of each source the documents that are drawn in the steps that are asked for, once each.
fn drawn(plan: &Plan, ask: &Ask<'_>) -> Result<Vec<BTreeSet<u64>>, Error> {
    let mut drawn = vec![BTreeSet::new(); plan.own_sources().len()];
    for step in plan.walk(ask.from)?.take(ask.steps) {
        for (source, document) in documents(&step) {
            drawn[source].insert(document);
        }
    }
    Ok(drawn)
}

fn read<const N: usize>(path: &Path, n: usize) -> Result<Vec<[f64; N]>, Error> {
    let file = fs::read(path).map_err(Error::io("read", path))?;
    let wrong = |found: String| Error::Kept { path: path.to_owned(), found };
    let tensors = SafeTensors::deserialize(&file).map_err(|error| wrong(error.to_string()))?;
    let tensor = tensors.tensor(TENSOR).map_err(|error| wrong(error.to_string()))?;
    if tensor.dtype() != Dtype::F64 || tensor.shape() != [n, N] {
        return Err(wrong(format!("{:?} {:?}", tensor.dtype(), tensor.shape())));
    }
    let values = floats(tensor.data());
    Ok(values.chunks_exact(N).map(|found| std::array::from_fn(|at| found[at])).collect())
}

fn write<const N: usize>(path: &Path, found: &[[f64; N]]) -> Result<(), Error> {
    let bytes: Vec<u8> = found.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F64, vec![found.len(), N], &bytes)
        .expect("as many bytes as the shape says");
    write_tensors(path, vec![(TENSOR, view)])
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|value| f64::from_le_bytes(*value)).collect()
}

fn write_tensors(path: &Path, tensors: Vec<(&str, TensorView<'_>)>) -> Result<(), Error> {
    let file = safetensors::serialize(tensors, None).expect("tensors of short names");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("write", folder))?;
    }
    Ok(Staged::write_shared(path, &file)?)
}
