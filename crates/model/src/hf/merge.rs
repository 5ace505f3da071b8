//! Several checkpoints of one shape into one, tensor by tensor from files to file.

mod method;
mod threshold;

use std::{ops::Range, path::Path};

use super::{
    Companion, Dtype, folder::write_folder, located::Located, source::Source, tensor_file::PIECE,
};
use crate::{
    Error,
    names::{Stored, parameters},
};

pub use method::MergeMethod;
use method::{Delta, Rule};
use threshold::largest;

/// Writes the merge of `models` to a new folder, in a few mebibytes of memory whatever their size.
///
/// `base` is the checkpoint that all of them were trained from, which [`MergeMethod::needs_base`]. The
/// companions are those of the first model, and `others`; adapters count merged into their bases.
///
/// # Errors
///
/// [`Error::Merge`] for methods without what they need and for checkpoints of other shapes; those of
/// [`convert`](super::convert).
pub fn merge(
    base: Option<&Located>,
    models: &[&Located],
    method: &MergeMethod,
    out: &Path,
    dtype: Dtype,
    max_shard_bytes: u64,
    others: &[Companion],
) -> Result<(), Error> {
    method.check(models.len(), base.is_some())?;
    let first = models.first().expect("a method without models was refused");
    let mut inputs = Inputs::open(base, models)?;
    let rule = Rule::new(method, &mut inputs)?;
    let config = inputs.models[0].config.clone();
    let parameters = parameters(&config);
    let companions = [first.companions()?, others.to_vec()].concat();
    write_folder(out, &config, dtype, max_shard_bytes, &companions, |at, sink| {
        let shape = &parameters[at].shape;
        let mut of_tensor = rule.of_tensor(&mut inputs, at)?;
        for piece in pieces(shape) {
            sink.push(&of_tensor.merge(&inputs.read(at, piece)?))?;
        }
        Ok(())
    })
}

/// Whole rows of a tensor, about a mebibyte at a time.
fn pieces(shape: &[usize]) -> impl Iterator<Item = Range<usize>> + use<> {
    let (n, width) = (shape.iter().product(), shape[1..].iter().product::<usize>());
    let step = (PIECE / 4 / width).max(1) * width;
    (0..n).step_by(step).map(move |start| start..n.min(start + step))
}

/// What is merged, open.
struct Inputs {
    base: Option<Source>,
    models: Vec<Source>,
    tensors: Vec<Stored>,
    shapes: Vec<Vec<usize>>,
}

/// The same values of all inputs.
struct Values {
    base: Option<Vec<f32>>,
    models: Vec<Vec<f32>>,
}

impl Inputs {
    fn open(base: Option<&Located>, models: &[&Located]) -> Result<Self, Error> {
        let open = |located: &Located| -> Result<Source, Error> {
            let mut source = Source::open(located)?;
            source.check_complete()?;
            source.check_base()?;
            Ok(source)
        };
        let base = base.map(open).transpose()?;
        let models = models.iter().map(|model| open(model)).collect::<Result<Vec<_>, _>>()?;
        let shapes = |source: &Source| parameters(&source.config);
        let expected = shapes(&models[0]);
        for other in models.iter().chain(&base) {
            let found = shapes(other);
            let odd = expected
                .iter()
                .zip(&found)
                .find(|(a, b)| (&a.name, &a.shape) != (&b.name, &b.shape));
            let found = match odd {
                None if expected.len() == found.len() => continue,
                None => format!("{} tensors", found.len()),
                Some((_, found)) => format!("`{}` of shape {:?}", found.name, found.shape),
            };
            let hint = "merge checkpoints that were trained from one, in its shape";
            return Err(Error::Merge {
                subject: format!("`{}`", other.report.folder.display()),
                found,
                expected: "the tensors of the first model".to_owned(),
                hint: hint.to_owned(),
            });
        }
        let (tensors, shapes) = (
            models[0].tensors.clone(),
            expected.into_iter().map(|parameter| parameter.shape).collect(),
        );
        Ok(Self { base, models, tensors, shapes })
    }

    fn read(&mut self, tensor: usize, values: Range<usize>) -> Result<Values, Error> {
        let tensor = &self.tensors[tensor];
        let mut read = |source: &mut Source| source.read(tensor, values.clone());
        Ok(Values {
            base: self.base.as_mut().map(&mut read).transpose()?,
            models: self.models.iter_mut().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// Hands all tensors to `take`, piece by piece.
    fn each(&mut self, mut take: impl FnMut(&Values)) -> Result<(), Error> {
        for at in 0..self.tensors.len() {
            for piece in pieces(&self.shapes[at].clone()) {
                take(&self.read(at, piece)?);
            }
        }
        Ok(())
    }

    /// The magnitude that as many changes of each model reach as are kept.
    fn thresholds(&mut self, density: f64) -> Result<Vec<f32>, Error> {
        let n: usize = self.shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
        let kept = ((density * n as f64).floor() as u64).max(1);
        largest(self.models.len(), kept, |take| {
            self.each(|values| {
                for model in 0..values.models.len() {
                    take(model, &mut Delta::of(values, model).map(|delta| delta.abs() as f32));
                }
            })
        })
    }
}

#[cfg(test)]
mod tests;
