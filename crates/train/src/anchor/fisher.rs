//! How much each weight matters to curated rows: the diagonal of their Fisher information.
//!
//! ```text
//! F = 1 / n · Σ over rows (∂ Σ over the row's tokens −log p / ∂w)²,   n tokens in all rows
//! ```
//!
//! at the starting weights. The targets are those of the rows (the empirical Fisher, arXiv 1905.12558), and
//! what a row's tokens teach is added before it is squared, as a row is one sample of the joint distribution
//! that EWC's posterior is of. Divided by n it is that of a token: to second order 1 / 2 · Σ F (w − w₀)² is
//! the rise of the rows' loss in nats per token.

mod file;

use std::borrow::Borrow;
use std::path::Path;
use std::sync::atomic::Ordering;

use burn::tensor::Tensor;
use rayon::prelude::*;
use temper_mix::{Plan, PlannedRow, row_digest};
use temper_model::{
    Decoder, Gradients, Objective, PackedRows, PassOptions, Precision, weights_digest,
};
use temper_recipe::{Anchor, Digest, Hasher};

pub use self::file::FisherRecord;
use self::file::write;
use crate::error::Error;
use crate::reference::Ask;
use crate::state;
use crate::step::packed;

/// Where it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    /// The folder of the run.
    pub(crate) run: &'a Path,
    /// A folder that runs share.
    pub(crate) shared: &'a Path,
}

/// Measured at `starting` before step 0, unless a run on the same rows has done it; kept in the run. `told`
/// hears how many of how many rows were looked at.
///
/// # Shapes
/// - output: `[n_parameters]`
///
/// # Errors
/// [`Error::Fisher`] when the plan draws no row of the sources, [`Error::Stopped`], and files that cannot be
/// written.
pub(crate) fn measured(
    anchor: &Anchor,
    plan: &Plan,
    starting: &Decoder,
    kept: Kept<'_>,
    ask: &Ask<'_>,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Vec<f32>, Error> {
    let rows = rows(anchor, plan, ask.steps)?;
    let record = FisherRecord {
        weights: weights_digest(starting).into(),
        sources: anchor.sources.clone(),
        rows: rows.len() as u64,
        tokens: rows.iter().map(|row| u64::from(row.supervised)).sum(),
    };
    let shared = kept.shared.join(format!("fisher-{}.safetensors", key(plan, &rows, &record, ask)));
    let parameters = starting.parameters();
    // What cannot be read is measured again.
    let found = state::read(&shared, &parameters, "").ok();
    let fisher = match found {
        Some(fisher) => fisher,
        None => {
            let lanes = rows.iter().map(|row| packed(plan.row_lane(row)));
            let fisher = measure(starting, lanes, &ask.pass, |done| {
                told(done, rows.len() as u64);
                match ask.stop.load(Ordering::SeqCst) {
                    true => Err(Error::Stopped),
                    false => Ok(()),
                }
            })?;
            write(&shared, starting, &fisher, &record)?;
            fisher
        }
    };
    write(&kept.run.join(Anchor::FISHER), starting, &fisher, &record)?;
    Ok(fisher)
}

/// What the recipe names, copied into the run, which from then on goes by its own.
///
/// # Errors
/// [`Error::Io`], and [`Error::FisherFile`] for another one than the recipe was resolved with.
pub(crate) fn given(
    anchor: &Anchor,
    named: &Path,
    run: &Path,
    starting: &Decoder,
) -> Result<Vec<f32>, Error> {
    let path = run.join(Anchor::FISHER);
    let expected = anchor.fisher.as_ref().map(|named| named.digest);
    if Digest::of_file(&path).ok() != expected {
        file::copy(named, &path)?;
    }
    kept(anchor, run, starting)
}

/// What the run has kept, for a resume: the mix may be another one by now.
///
/// # Errors
/// A file that is not there or is damaged; [`Error::FisherFile`] for another one than the recipe names.
pub(crate) fn kept(anchor: &Anchor, run: &Path, starting: &Decoder) -> Result<Vec<f32>, Error> {
    let path = run.join(Anchor::FISHER);
    match &anchor.fisher {
        Some(named) => file::read(&path, named.digest, &starting.parameters()),
        None => state::read(&path, &starting.parameters(), ""),
    }
}

/// The first rows of the sources in the order of the plan; of a run of few steps as many as it has.
fn rows(anchor: &Anchor, plan: &Plan, steps: usize) -> Result<Vec<PlannedRow>, Error> {
    let most = anchor.fisher_rows.min(steps.saturating_mul(plan.rows_per_step()));
    let is_asked: Vec<bool> =
        plan.sources().iter().map(|source| anchor.sources.contains(&source.name)).collect();
    let mut rows = Vec::new();
    for step in plan.walk(plan.start())? {
        let of_step =
            step.rows.into_iter().filter(|row| is_asked[row.source] && row.supervised > 0);
        rows.extend(of_step.take(most - rows.len()));
        if rows.len() == most {
            break;
        }
    }
    match rows.is_empty() {
        true => Err(Error::Fisher { sources: anchor.sources.clone() }),
        false => Ok(rows),
    }
}

/// Names the numbers: weights, rows and the way of computing.
fn key(plan: &Plan, rows: &[PlannedRow], record: &FisherRecord, ask: &Ask<'_>) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"fisher 2");
    hasher.update(record.weights.bytes());
    for row in rows {
        hasher.update(row_digest(plan, row).bytes());
    }
    hasher.update(match ask.pass.precision {
        Precision::F32 => b"f32 ",
        Precision::Bf16 => b"bf16",
    });
    hasher.update(&(ask.pass.most_logits as u64).to_le_bytes());
    hasher.update(ask.device_kind.as_bytes());
    hasher.finish()
}

/// F of `rows`, each a lane; `after` hears how many were looked at, and may end it.
pub(super) fn measure(
    starting: &Decoder,
    rows: impl IntoIterator<Item = impl Borrow<PackedRows>>,
    pass: &PassOptions,
    mut after: impl FnMut(u64) -> Result<(), Error>,
) -> Result<Vec<f32>, Error> {
    let mut gradients = Gradients::of(starting);
    let (mut sum, mut n_tokens) = (None, 0);
    for (row, done) in rows.into_iter().zip(1..) {
        let row = row.borrow();
        starting.gradients(row, Objective::Sum(1.0), pass, &mut gradients);
        sum = Some(add_squares(sum, &gradients));
        n_tokens += row.n_supervised();
        after(done)?;
    }
    let sum = sum.expect("there is a row").to_vec();
    Ok(sum.into_iter().map(|square| square / n_tokens as f32).collect())
}

fn add_squares(sum: Option<Gradients>, gradients: &Gradients) -> Gradients {
    let square = |gradient: &Tensor<1>| gradient.clone().powi_scalar(2);
    match (sum, gradients) {
        (Some(Gradients::Flat(mut sum)), Gradients::Flat(gradients)) => {
            let pairs = sum.par_iter_mut().zip(gradients);
            pairs.for_each(|(sum, gradient)| *sum += gradient * gradient);
            Gradients::Flat(sum)
        }
        (Some(sum), Gradients::Tensors(gradients)) => {
            sum.plus(&Gradients::Tensors(gradients.iter().map(square).collect()))
        }
        (_, Gradients::Flat(gradients)) => {
            Gradients::Flat(gradients.iter().map(|gradient| gradient * gradient).collect())
        }
        (None, Gradients::Tensors(gradients)) => {
            Gradients::Tensors(gradients.iter().map(square).collect())
        }
    }
}
