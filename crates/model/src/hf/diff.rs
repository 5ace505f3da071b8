//! How far apart two checkpoints lie, tensor by tensor.

use std::path::Path;

use super::{
    report::Mismatched,
    weights::{Weights, ranges},
};
use crate::Error;

/// What sets two checkpoints apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Tensors of one shape in both, by name.
    pub tensors: Vec<TensorDifference>,
    /// Tensors whose shapes differ: found in the second, expected by the first.
    pub mismatched: Vec<Mismatched>,
    /// Names in the first alone.
    pub only_a: Vec<String>,
    /// Names in the second alone.
    pub only_b: Vec<String>,
}

/// How far apart a tensor of two checkpoints lies.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDifference {
    /// Its name in both.
    pub name: String,
    /// Its shape in both.
    pub shape: Vec<usize>,
    /// The largest `|a − b|`.
    pub max_abs: f64,
    /// `‖a − b‖ / ‖a‖` in the Frobenius norm; infinite where only `a` is zero.
    pub relative_norm: f64,
}

impl Difference {
    /// Whether both hold the same numbers under the same names.
    pub fn is_none(&self) -> bool {
        self.mismatched.is_empty()
            && self.only_a.is_empty()
            && self.only_b.is_empty()
            && self.tensors.iter().all(|tensor| tensor.max_abs == 0.0)
    }
}

/// Compares the weights in two folders, or two safetensors files, by the names in their files,
/// whatever types they are stored in.
///
/// A few mebibytes are in memory at once. Sums are in f64, in the order of the values.
///
/// # Errors
///
/// Those of files that are not what they should be; [`Error::Dtype`] and [`Error::NotFinite`].
pub fn diff(a: &Path, b: &Path) -> Result<Difference, Error> {
    let (mut a, mut b) = (open(a)?, open(b)?);
    let names: Vec<String> = a.names().map(String::from).collect();
    let only_b = b.names().filter(|name| a.shape(name).is_none()).map(String::from).collect();
    let mut difference =
        Difference { tensors: Vec::new(), mismatched: Vec::new(), only_a: Vec::new(), only_b };
    for name in names {
        let shape = a.shape(&name).unwrap_or_default().to_vec();
        match b.shape(&name) {
            None => difference.only_a.push(name),
            Some(found) if found == shape => {
                difference.tensors.push(compare(&mut a, &mut b, name, shape)?);
            }
            Some(found) => {
                let found = found.into();
                difference.mismatched.push(Mismatched { name, found, expected: shape });
            }
        }
    }
    Ok(difference)
}

fn open(path: &Path) -> Result<Weights, Error> {
    if path.is_file() { Weights::of_file(path) } else { Weights::open(path) }
}

fn compare(
    a: &mut Weights,
    b: &mut Weights,
    name: String,
    shape: Vec<usize>,
) -> Result<TensorDifference, Error> {
    let (mut max_abs, mut apart, mut size) = (0.0_f64, 0.0, 0.0);
    for range in ranges(shape.iter().product()) {
        let (a, b) = (a.read(&name, range.clone())?, b.read(&name, range)?);
        for (a, b) in a.iter().zip(&b) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            max_abs = max_abs.max((a - b).abs());
            apart += (a - b) * (a - b);
            size += a * a;
        }
    }
    let relative_norm = if apart == 0.0 { 0.0 } else { (apart / size).sqrt() };
    Ok(TensorDifference { name, shape, max_abs, relative_norm })
}
