//! What the starting model says to prompts with the answers to others.
//!
//! Which ones there are follows from the plan. A file names each by where its two documents stand, so that
//! what a longer run draws is added to what is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use temper_mix::Plan;
use temper_model::{Decoder, weights_digest};
use temper_recipe::{Digest, Hasher};

use super::{Ask, Kept, StartingModel, TENSOR, floats, write_tensors};
use crate::error::Error;
use crate::preference::{Mismatched, log_probs, mismatched_lanes, mismatched_of_step};

/// By row: source and document of the prompt, source and document of the answer.
const SEQUENCES: &str = "sequences";

/// Log-probabilities of answers after the prompts of others, under the starting model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MismatchedReferences(BTreeMap<Mismatched, f64>);

impl MismatchedReferences {
    /// # Panics
    ///
    /// When it was not asked for.
    pub(crate) fn of(&self, mismatched: &Mismatched) -> f64 {
        let found = self.0.get(mismatched);
        *found.unwrap_or_else(|| panic!("{mismatched:?} was not asked for"))
    }

    /// What the run has kept, and where `plan` draws more than that, what `starting` says; `told` hears how
    /// many of how many were asked for.
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
        let documents = kept.all_documents(plan);
        let in_run = kept.run.join("mismatched").join(format!("{documents}.safetensors"));
        let mut all = match in_run.exists() {
            true => Self(read(&in_run)?),
            false => Self::default(),
        };
        let drawn = drawn(plan, ask)?;
        if drawn.iter().any(|mismatched| !all.0.contains_key(mismatched)) {
            let decoder = starting.loaded()?;
            let weights = weights_digest(decoder).into();
            let shared = kept.shared.join(format!("{}.safetensors", ask.name(&weights, documents)));
            // What cannot be read is asked for again.
            all.0.extend(read(&shared).unwrap_or_default());
            let missing = drawn.into_iter().filter(|mismatched| !all.0.contains_key(mismatched));
            let missing: Vec<Mismatched> = missing.collect();
            let is_stopped = all.complete(decoder, plan, &missing, ask, told)?;
            if !missing.is_empty() {
                write(&shared, &all.0)?;
            }
            write(&in_run, &all.0)?;
            if is_stopped {
                return Err(Error::Stopped);
            }
        }
        Ok(all)
    }

    /// Asks for what is missing; true when somebody stopped it.
    fn complete(
        &mut self,
        decoder: &Decoder,
        plan: &Plan,
        missing: &[Mismatched],
        ask: &Ask<'_>,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<bool, Error> {
        let lanes = mismatched_lanes(plan, missing, ask.rows_per_lane);
        let (mut done, total) = (0, missing.len() as u64);
        for (chunk, rows) in missing.chunks(ask.rows_per_lane).zip(lanes) {
            let losses = decoder.losses(&rows, &ask.pass).into_data();
            let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
            for (mismatched, [found]) in chunk.iter().zip(log_probs::<1>(&rows, losses)) {
                if !found.is_finite() {
                    let (source, document) = mismatched.prompt;
                    let source_name = plan.sources()[source].name.clone();
                    return Err(Error::Reference { source_name, document, found: vec![found] });
                }
                self.0.insert(*mismatched, found);
            }
            done += chunk.len() as u64;
            told(done, total);
            if ask.stop.load(Ordering::SeqCst) && done < total {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Kept<'_> {
    /// What decides which sequences there are: the documents of all sources, and how long a row is.
    fn all_documents(&self, plan: &Plan) -> Digest {
        let mut hasher = Hasher::new();
        for shards in &self.shards[..plan.own_sources().len()] {
            hasher.update(shards.bytes());
        }
        hasher.update(&(plan.sequence_length() as u64).to_le_bytes());
        hasher.finish()
    }
}

/// What is drawn in the steps that are asked for.
fn drawn(plan: &Plan, ask: &Ask<'_>) -> Result<BTreeSet<Mismatched>, Error> {
    let steps = plan.walk(ask.from)?.take(ask.steps);
    Ok(steps.flat_map(|step| mismatched_of_step(&step)).collect())
}

fn read(path: &Path) -> Result<BTreeMap<Mismatched, f64>, Error> {
    let file = std::fs::read(path).map_err(Error::io("read", path))?;
    let wrong = |found: String| Error::Kept { path: PathBuf::from(path), found };
    let tensors = SafeTensors::deserialize(&file).map_err(|error| wrong(error.to_string()))?;
    let [sequences, log_probs] = [SEQUENCES, TENSOR].map(|name| tensors.tensor(name));
    let sequences = sequences.map_err(|error| wrong(error.to_string()))?;
    let log_probs = log_probs.map_err(|error| wrong(error.to_string()))?;
    let n = sequences.shape().first().copied().unwrap_or(0);
    let is_right = sequences.dtype() == Dtype::U64
        && sequences.shape() == [n, 4]
        && log_probs.dtype() == Dtype::F64
        && log_probs.shape() == [n];
    if !is_right {
        return Err(wrong(format!("{:?} and {:?}", sequences.shape(), log_probs.shape())));
    }
    let numbers = sequences.data().as_chunks::<8>().0;
    let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
    let keys = numbers.as_chunks::<4>().0.iter().map(|[source, prompt, other, answer]| {
        Mismatched { prompt: (*source as usize, *prompt), answer: (*other as usize, *answer) }
    });
    Ok(keys.zip(floats(log_probs.data())).collect())
}

fn write(path: &Path, all: &BTreeMap<Mismatched, f64>) -> Result<(), Error> {
    let key = |Mismatched { prompt, answer }: &Mismatched| {
        [prompt.0 as u64, prompt.1, answer.0 as u64, answer.1]
    };
    let keys: Vec<u8> = all.keys().flat_map(key).flat_map(u64::to_le_bytes).collect();
    let values: Vec<u8> = all.values().flat_map(|value| value.to_le_bytes()).collect();
    let shaped = "as many bytes as the shape says";
    let keys = TensorView::new(Dtype::U64, vec![all.len(), 4], &keys).expect(shaped);
    let values = TensorView::new(Dtype::F64, vec![all.len()], &values).expect(shaped);
    write_tensors(path, vec![(SEQUENCES, keys), (TENSOR, values)])
}
