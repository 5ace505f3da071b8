//! From a folder to a decoder.

use std::{collections::BTreeSet, path::Path};

use burn::tensor::Device;

use super::{
    locate::locate_folder,
    located::Located,
    report::LoadReport,
    source::{Source, places},
};
use crate::{Decoder, Error, init::draw};

/// How strict a load is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The seed from which weights are drawn that are missing or have another shape; unused tensors
    /// are left. `None` refuses what does not fit.
    pub partial: Option<u64>,
}

/// Loads the checkpoint in a folder, all of it: [`load_located`] without a cache and without options.
///
/// # Errors
///
/// Those of [`locate`](super::locate) and of [`load_located`].
pub fn load(dir: &Path, device: &Device) -> Result<(Decoder, LoadReport), Error> {
    load_located(&locate_folder(dir)?, device, LoadOptions::default())
}

/// Loads a checkpoint as f32, whatever type it is stored in, and merges its adapter.
///
/// On the CPU the peak of memory is the
/// weights and a mebibyte; an adapter adds the two factors of one tensor.
///
/// # Errors
///
/// Those of [`Config::load`](crate::Config::load); [`Error::Quantized`]; [`Error::Header`],
/// [`Error::Place`], [`Error::Length`], [`Error::Index`], [`Error::Duplicate`] for files that are not
/// what they should be; [`Error::Unfit`] with the whole report for tensors that do not fit
/// config.json; [`Error::Dtype`] and [`Error::NotFinite`] for their values; [`Error::Adapter`] and
/// [`Error::OtherBase`].
pub fn load_located(
    located: &Located,
    device: &Device,
    options: LoadOptions,
) -> Result<(Decoder, LoadReport), Error> {
    let mut source = Source::open(located)?;
    // A partial load in which nothing fits is a mistake, and would train another model.
    if options.partial.is_none() || source.report.loaded.is_empty() {
        source.check_complete()?;
    }
    source.check_base()?;
    let missing = source.report.missing.iter().map(|tensor| tensor.name.clone());
    let mismatched = source.report.mismatched.iter().map(|tensor| tensor.name.clone());
    let drawn: BTreeSet<String> = missing.chain(mismatched).collect();
    let (config, tensors) = (source.config.clone(), source.tensors.clone());
    let mut next = tensors.iter().flat_map(|tensor| places(tensor, &config));
    let decoder = Decoder::build(&config, device, |field| {
        let (tensor, place, values) = next.next().expect("both go by the same list");
        debug_assert_eq!(place, field, "both go by the same list");
        match options.partial {
            Some(seed) if drawn.contains(&tensor.name) => {
                check_memory(&tensor.name, &field.shape(&config))?;
                Ok(draw(&config, field, seed))
            }
            _ => source.read(tensor, values),
        }
    })?;
    source.report.drawn = drawn.into_iter().collect();
    Ok((decoder, source.report))
}

/// Refuses to draw what no memory holds; a wrong configuration may ask for anything.
fn check_memory(tensor: &str, shape: &[usize]) -> Result<(), Error> {
    let n = shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size));
    match n.map(|n| Vec::<f32>::new().try_reserve_exact(n)) {
        Some(Ok(())) => Ok(()),
        None | Some(Err(_)) => {
            Err(Error::OutOfMemory { tensor: tensor.into(), shape: shape.into() })
        }
    }
}

#[cfg(test)]
mod tests;
